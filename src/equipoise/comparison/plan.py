"""``equipoise.compare``: plan the runs of a comparison, make those that are missing, and collect the records."""

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch

from equipoise.comparison import store
from equipoise.comparison.page import missing_libraries, write_page
from equipoise.comparison.problem import Problem
from equipoise.comparison.records import Comparison, RunRecord
from equipoise.comparison.rows import Candidate, Row, standard
from equipoise.comparison.run import Budget, MakeOptimizer, Run, execute
from equipoise.comparison.tables import write

LEARNING_RATES = (0.001, 0.003, 0.01)
REFERENCE = "equal"
PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs of a comparison, each of which can be made by itself, in any process and any order.

    A cluster's scheduler calls ``plan.make(index)`` for every index below ``len(plan.runs())``, each in a process of
    its own on a shared folder, and ``plan.collect()`` when they are done.

    Attributes:
        problem: the model and the data.
        rows: what to compare.
        seeds: each repeats everything with other splits, weights and batches.
        lrs: learning rates, tried for every candidate of every row.
        budget: what every run gets.
        folder: where the records lie; each run is one file.
        reference: the row that others are compared with.

    >>> import tempfile
    >>> from equipoise.comparison import Budget, Plan, Table, rows
    >>> table = Table(
    ...     name="toy", inputs=torch.randn(60, 3), targets={"a": torch.randn(60)}, kinds={"a": "regression"}
    ... )
    >>> plan = Plan(problem=table, rows=(rows.single("a"),), seeds=(0, 1), lrs=(0.01,), budget=Budget(steps=20),
    ...             folder=Path(tempfile.mkdtemp()), reference="a alone")
    >>> for index in range(len(plan.runs())):
    ...     record = plan.make(index)
    >>> record.row, record.candidate, record.seed
    ('a alone', 'lr 0.01', 1)
    >>> len(plan.collect().records)
    2
    """

    problem: Problem
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    lrs: tuple[float, ...]
    budget: Budget
    folder: Path
    reference: str

    def runs(self) -> list[Run]:
        """All runs: seed by seed, so that an interrupted comparison has whole seeds."""
        return [
            Run(
                row=row.name,
                candidate=_named(candidate, lr),
                tasks=row.info.tasks,
                method=candidate.method,
                lr=lr,
                seed=seed,
                draw=candidate.draw,
            )
            for seed, row in product(self.seeds, self.rows)
            for candidate, lr in product(row.candidates, self.lrs)
        ]

    def make(self, index: int, *, retry_failed: bool = False) -> RunRecord:
        """Make the run of an ``index``, or return its record where it is finished.

        Args:
            index: in ``runs()``.
            retry_failed: whether to make a run again that failed before.
        """
        run = self.runs()[index]
        found = self._record(run)
        if found is not None and not (retry_failed and found.failed):
            return found
        record = execute(self.problem, run, self.budget)
        store.save(self.folder, record)
        return record

    def pending(self, *, retry_failed: bool = False) -> list[int]:
        """The indices of the runs that are not made yet, and with ``retry_failed`` of those that failed.

        Raises:
            ValueError: a record was made with other settings.
        """
        found = ((index, self._record(run)) for index, run in enumerate(self.runs()))
        return [index for index, record in found if record is None or (retry_failed and record.failed)]

    def collect(self) -> Comparison:
        """All records of this plan that are there."""
        return Comparison(
            title=self.problem.name,
            metrics=tuple(self.problem.metrics),
            rows=tuple(row.info for row in self.rows),
            records=tuple(self._records()),
            reference=self.reference,
        )

    def _records(self) -> Iterator[RunRecord]:
        for run in self.runs():
            record = self._record(run)
            if record is not None:
                yield record

    def _record(self, run: Run) -> RunRecord | None:
        found = store.load(self.folder, run.row, run.candidate, run.seed)
        if found is None:
            return None
        wanted = json.loads(json.dumps(self.budget.settings | run.settings))
        if found.settings != wanted:
            path = store.path_of(self.folder, run.row, run.candidate, run.seed)
            raise ValueError(
                f"{path}: expected a run with {wanted}, found one with {dict(found.settings)}: use another folder, or "
                "remove the file"
            )
        return found


def compare(
    problem: Problem,
    *,
    folder: str | Path,
    rows: Sequence[Row] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    lrs: Sequence[float] = LEARNING_RATES,
    steps: int = 1000,
    validations: int = 20,
    optimizer: MakeOptimizer = torch.optim.Adam,
    decay: float = 0.0,
    processes: int = 1,
    reference: str | None = None,
    retry_failed: bool = False,
) -> Comparison:
    """Compare methods of weighing on a model and its data: train every row alike, and choose on validation data.

    Runs that are finished are kept: the same call goes on where it was stopped. Every row gets the same learning rates,
    steps, initial weights and batches. Beside the records, the folder gets the table as CSV, JSON, Markdown and LaTeX,
    and ``report.html``, see ``equipoise.comparison.write_page``, where the extra ``[report]`` is installed.

    Args:
        problem: the model and the data: an ``equipoise.comparison.Table``, or an object as
            ``equipoise.comparison.Problem`` describes it.
        folder: where the records lie, one file a run.
        rows: what to compare, from ``equipoise.comparison.rows``; ``None``: ``rows.standard(problem.tasks)``.
        seeds: each repeats everything with other splits, weights and batches.
        lrs: learning rates; each candidate of each row is tried with all of them.
        steps: optimizer steps of a run.
        validations: how often a run looks at the validation set.
        optimizer: makes an optimizer of parameter groups that hold their learning rates, as ``torch.optim.Adam`` does.
        decay: the power of the learning rates' polynomial decay to 0, 0.9 in the paper; 0: they stay.
        processes: how many runs to make at once. With more than one, the problem must survive ``pickle``, and a script
            must guard its start by ``if __name__ == "__main__":``.
        reference: the row that others are compared with; ``None``: ``"equal"``, or the first that trains all tasks.
        retry_failed: whether to make failed runs again.

    Returns:
        The records of all runs. ``equipoise.comparison.summarize`` selects and computes; ``tables`` and ``words`` show.

    Raises:
        ValueError: a folder with runs of other settings, an unknown reference, or settings out of range.

    >>> import tempfile, torch, equipoise as eq
    >>> from equipoise.comparison import Table, rows, tables
    >>> inputs = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> table = Table(
    ...     name="toy",
    ...     inputs=inputs,
    ...     targets={"sum": inputs.sum(1), "sign": (inputs[:, 0] > 0).long()},
    ...     kinds={"sum": "regression", "sign": "classification"},
    ... )
    >>> chosen = [rows.equal(table.tasks), rows.learned(table.tasks)]
    >>> found = eq.compare(table, folder=tempfile.mkdtemp(), rows=chosen, seeds=(0, 1), lrs=(0.01,), steps=40)
    >>> [(record.row, record.seed) for record in found.records]
    [('equal', 0), ('learned', 0), ('equal', 1), ('learned', 1)]
    """
    chosen = tuple(standard(problem.tasks) if rows is None else rows)
    plan = Plan(
        problem=problem,
        rows=chosen,
        seeds=tuple(seeds),
        lrs=tuple(lrs),
        budget=Budget(steps=steps, validations=validations, optimizer=optimizer, decay=decay),
        folder=Path(folder),
        reference=_reference(chosen, problem.tasks) if reference is None else reference,
    )
    plan.collect()  # Raises before anything is trained.
    make_all(plan, plan.pending(retry_failed=retry_failed), processes=processes, retry_failed=retry_failed)
    found = plan.collect()
    write(found, plan.folder)
    if not missing_libraries():
        write_page(found, plan.folder / PAGE)
    return found


def make_all(plan: Plan, indices: Sequence[int], *, processes: int, retry_failed: bool = False) -> None:
    """Make runs, several at once where ``processes`` says so."""
    if processes == 1:
        for index in indices:
            plan.make(index, retry_failed=retry_failed)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        pending = [pool.submit(plan.make, index, retry_failed=retry_failed) for index in indices]
        for future in pending:
            future.result()


def _named(candidate: Candidate, lr: float) -> str:
    return ", ".join(filter(None, (candidate.name, f"lr {lr:g}")))


def _reference(rows: Sequence[Row], tasks: Sequence[str]) -> str:
    names = [row.name for row in rows if set(row.info.tasks) == set(tasks)]
    if not names:
        raise ValueError("compare: expected a row that trains all tasks, found none: pass reference=")
    return REFERENCE if REFERENCE in names else names[0]
