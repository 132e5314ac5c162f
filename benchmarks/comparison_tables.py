"""Compare methods of weighing on three tables: ``python -m benchmarks.comparison_tables DATA --folder FOLDER``.

``DATA`` has ``enb/enb.arff`` (heating and cooling load of buildings) and ``naval/data.txt`` (decay of a ship's
compressor and turbine). They are public: *Energy efficiency* and *Condition Based Maintenance of Naval Propulsion
Plants* in the UCI repository. The third problem is made of naval's columns: a regression of the turbine's exit
temperature, which the other columns give almost perfectly, beside a class: whether the compressor's decay coefficient
is above its median. There learned weights starve the class.

Regressions come z-scored, and in raw units. In raw units a fixed weight is one on the raw loss, as someone has it who
writes the sum by hand; the rows "standardized" are the same in the target's spread.

Seeds are the outer loop, so that a comparison stopped by ``--minutes`` has about as many seeds of each table. A second
call goes on; ``--minutes 0`` only prints. One thread.
"""

import argparse
import functools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from equipoise.comparison import Budget, Comparison, Form, Plan, Row, Table, paragraph, rows, summarize, tables

OWN_UNIT = Form(standardize=True)
BUDGET = Budget(steps=400, validations=10, optimizer=functools.partial(torch.optim.Adam, fused=True))
RATES = (0.003, 0.01, 0.03)
DRAWS = 12
MAIN = ("equal", "equal, grown", "tuned", "tuned, grown", "learned, damped", "learned")
REDRAWN_SEEDS = 5
"""The rows with 12 initial weights cost as much as the tuned ones: they are made with the first seeds alone."""
IN_SPREAD = ", in the target's spread"
OTHERS = (
    (
        "learned, closed form",
        "weights at the optimum of a running mean",
        IN_SPREAD,
        replace(rows.CLOSED, standardize=True),
    ),
    (
        "learned, first batch",
        "learned weights that start at the optimum of the first batch",
        "",
        rows.FIRST_BATCH,
    ),
    ("learned, paper's form", "learned weights from σ = 1, at the network's rate", "", rows.PAPER),
    (
        "learned, Laplace",
        "learned weights with Laplace noise and absolute error in regressions",
        "",
        replace(OWN_UNIT, laplace=True),
    ),
)
"""Other forms of learned weights; where nothing is said, in the target's own unit."""
TEMPERATURE, COMPRESSOR = 7, 16
"""Columns of naval: the turbine's exit temperature, and the compressor's decay coefficient."""


def enb(folder: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Inputs, and heating and cooling load, kWh/m²."""
    lines = (folder / "enb/enb.arff").read_text(encoding="utf-8").split("@data")[1].split()
    table = torch.tensor([[float(value) for value in line.split(",")] for line in lines])
    return table[:, :-2], {"heating": table[:, -2], "cooling": table[:, -1]}


def naval(folder: Path) -> Tensor:
    """All 18 columns, in float64: some have a spread of 1 % of their value."""
    lines = (folder / "naval/data.txt").read_text(encoding="utf-8").splitlines()
    return torch.tensor([[float(value) for value in line.split()] for line in lines], dtype=torch.float64)


def problems(folder: Path) -> list[Table]:
    """The tables, by name."""
    columns = naval(folder)
    scaled = z_scored(columns).float()
    loads = enb(folder)
    decay = {"compressor": columns[:, -2].float(), "turbine": columns[:, -1].float()}
    others = [index for index in range(16) if index != TEMPERATURE]
    kind = (columns[:, COMPRESSOR] > columns[:, COMPRESSOR].median()).long()
    mixed = {"temperature": columns[:, TEMPERATURE].float(), "class": kind}
    return [
        table("enb, z-scored", *loads, z=True),
        table("enb, raw", *loads, z=False),
        table("naval, z-scored", scaled[:, :16], decay, z=True),
        table("naval + class, z-scored", scaled[:, others], mixed, z=True),
        table("naval + class, raw", scaled[:, others], mixed, z=False),
    ]


def table(name: str, inputs: Tensor, targets: dict[str, Tensor], *, z: bool) -> Table:
    """A problem; integers are classes."""
    kinds = {task: "regression" if target.is_floating_point() else "classification" for task, target in targets.items()}
    if z:
        targets = {task: z_scored(t) if t.is_floating_point() else t for task, t in targets.items()}
    return Table(name=name, inputs=inputs, targets=targets, kinds=kinds, standardize=False)


def z_scored(values: Tensor) -> Tensor:
    spread = values.std(0)
    return (values - values.mean(0)) / torch.where(spread > 0, spread, 1.0)


def compared(problem: Table, *, redrawn: bool) -> tuple[Row, ...]:
    """The rows; in raw units also equal weights of standardized losses; else those with other initial weights."""
    tasks = problem.tasks
    learned, damped = rows.learned(tasks, form=OWN_UNIT), rows.damped(tasks, form=OWN_UNIT)
    if problem.name.endswith("z-scored"):
        own = [rows.redrawn(row, draws=DRAWS) for row in (rows.equal(tasks), damped) if redrawn]
    else:
        own = [standardized(rows.equal(tasks, rate=rate, form=OWN_UNIT)) for rate in ("own", "grown")]
    return (
        *(rows.single(task) for task in tasks),
        rows.equal(tasks),
        rows.equal(tasks, rate="grown"),
        rows.tuned(tasks, draws=DRAWS),
        rows.tuned(tasks, draws=DRAWS, rate="grown"),
        *own,
        damped,
        learned,
        *(rows.learned(tasks, name=name, text=f"{text}{unit}", form=form) for name, text, unit, form in OTHERS),
        rows.control(learned),
        *(rows.torchjd(tasks, name) for name in ("IMTLL", "DWA", "UPGrad")),
    )


def standardized(row: Row) -> Row:
    text = f"{row.info.description}, of losses in the target's spread"
    return replace(row, info=replace(row.info, name=f"{row.name}, standardized", description=text))


@dataclass(frozen=True)
class Trial:
    """Where runs are kept, and whether their rates fall to 0; then the main rows alone are made."""

    folder: Path
    falling: bool

    def plan(self, problem: Table, seeds: tuple[int, ...]) -> Plan:
        every = compared(problem, redrawn=min(seeds) < REDRAWN_SEEDS and not self.falling)
        return Plan(
            problem=problem,
            rows=tuple(row for row in every if row.name in MAIN) if self.falling else every,
            seeds=seeds,
            lrs=RATES,
            budget=replace(BUDGET, decay=1.0) if self.falling else BUDGET,
            folder=self.folder / (problem.name.replace(", ", "-").replace(" ", "-") + "-falling" * self.falling),
            reference="equal",
        )

    def make(self, found: list[Table], seeds: int, end: float) -> None:
        """Make runs seed by seed until the time is over."""
        for seed in range(seeds):
            start = time.monotonic()
            for problem in found:
                one = self.plan(problem, (seed,))
                for index in one.pending():
                    if time.monotonic() > end:
                        return
                    one.make(index)
            print(f"seed {seed}: {time.monotonic() - start:.0f} s", flush=True)

    def whole(self, problem: Table, seeds: int) -> tuple[int, ...]:
        """The seeds of which all runs are made."""
        return tuple(seed for seed in range(seeds) if not self.plan(problem, (seed,)).pending())


def shown(comparison: Comparison, folder: Path) -> str:
    tables.write(comparison, folder)
    summary = summarize(comparison)
    return f"## {comparison.title}\n\n{tables.markdown(summary)}\n{paragraph(summary)}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with enb/ and naval/")
    parser.add_argument("--folder", type=Path, default=Path("build/comparison"), help="where the runs are kept")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after this time")
    parser.add_argument("--only", default="", help="a part of the names of the tables to compare on")
    parser.add_argument("--falling", action="store_true", help="the main rows with rates that fall to 0")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = [problem for problem in problems(arguments.data) if arguments.only in problem.name]
    end = time.monotonic() + 60.0 * arguments.minutes
    trial = Trial(arguments.folder, arguments.falling)
    trial.make(found, arguments.seeds, end)
    for problem in found:
        if seeds := trial.whole(problem, arguments.seeds):
            one = trial.plan(problem, seeds)
            print(shown(one.collect(), one.folder))


if __name__ == "__main__":
    main()
