"""The rows of a comparison: a name, the tasks that it trains, and the candidates of which validation chooses one."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from equipoise.comparison.methods import Fixed, Form, Learned, Method, Rate, TorchJD
from equipoise.comparison.records import RowInfo
from equipoise.weighting import DAMPING

DRAWS = 12
"""How many weights a random search tries, equal ones among them."""
SPAN = 100.0
"""The largest ratio of two weights that a search tries."""
CLOSED = Form(noise={"update": "closed_form"})
FIRST_BATCH = Form(noise={"init": "first_batch"})
PAPER = Form(standardize=False, log_variance_factor=1.0)
"""s from 0 in the target's own unit, learned at the network's rate."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One setting of a row.

    Attributes:
        name: unique in its row; empty where the row has one candidate.
        method: what it does about weights.
        draw: 0 for the initial weights that all rows of a seed start from; each other number draws others.
    """

    name: str
    method: Method
    draw: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        info: what the table says about it.
        candidates: of which the best on validation data counts; each is tried with every learning rate.
    """

    info: RowInfo
    candidates: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        names = [candidate.name for candidate in self.candidates]
        if not names:
            raise ValueError(f"row {self.info.name!r}: expected at least one candidate, found none")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"row {self.info.name!r}: expected candidates of different names, found {twice} twice")

    @property
    def name(self) -> str:
        """The row's name."""
        return self.info.name


def single(task: str, *, form: Form | None = None) -> Row:
    """One task trained alone."""
    method = Fixed(weights={task: 1.0}, form=form or Form())
    return _row(f"{task} alone", f"{task} trained alone", (task,), method)


def equal(tasks: Sequence[str], *, rate: Rate = "own", form: Form | None = None) -> Row:
    """Equal weights 1/K of the K tasks."""
    text = f"equal weights{_OF_RATE[rate]}"
    return _row(f"equal{_NAMED[rate]}", text, tasks, Fixed(weights=_equal(tasks), rate=rate, form=form or Form()))


def fixed(name: str, weights: Mapping[str, float], *, rate: Rate = "own", form: Form | None = None) -> Row:
    """Weights that the caller gives, scaled to the sum 1."""
    scaled = _to_sum_one(weights)
    text = f"fixed weights {_shown(scaled)}{_OF_RATE[rate]}"
    return _row(name, text, tuple(weights), Fixed(weights=scaled, rate=rate, form=form or Form()))


def grid(
    tasks: Sequence[str],
    *,
    levels: Sequence[float] = (0.01, 0.1, 1.0),
    rate: Rate = "own",
    form: Form | None = None,
) -> Row:
    """Fixed weights from a log-spaced grid on the simplex: every mixture of the levels, each ratio once, of sum 1."""
    mixtures = itertools.product(levels, repeat=len(tasks))
    highest = max(levels)
    weights = [_to_sum_one(dict(zip(tasks, mixture, strict=True))) for mixture in mixtures if max(mixture) == highest]
    text = f"fixed weights, the best of a grid of {len(weights)}{_OF_RATE[rate]}"
    return _searched(f"grid{_NAMED[rate]}", text, tasks, weights, rate, form)


def tuned(
    tasks: Sequence[str], *, draws: int = DRAWS, seed: int = 0, rate: Rate = "own", form: Form | None = None
) -> Row:
    """Fixed weights by random search: equal ones, and log-uniform draws whose ratios lie within 1 : 100."""
    generator = random.Random(seed)
    drawn = [{task: math.exp(generator.uniform(0.0, math.log(SPAN))) for task in tasks} for _ in range(draws - 1)]
    weights = [_equal(tasks), *map(_to_sum_one, drawn)]
    text = f"fixed weights, the best of {draws} random ones{_OF_RATE[rate]}"
    return _searched(f"tuned{_NAMED[rate]}", text, tasks, weights, rate, form)


def learned(
    tasks: Sequence[str],
    *,
    name: str = "learned",
    text: str = "",
    form: Form | None = None,
    damping: float | None = None,
) -> Row:
    """Weights that the likelihoods learn; with ``damping`` as ``equipoise.weighting.Damped`` uses them."""
    return _row(name, text or "learned weights", tasks, Learned(form=form or Form(), damping=damping))


def damped(
    tasks: Sequence[str], *, damping: float = DAMPING, name: str = "learned, damped", form: Form | None = None
) -> Row:
    """Learned weights whose ratios are damped: see ``equipoise.weighting.Damped``."""
    return learned(
        tasks, name=name, text=f"learned weights, their ratios damped by {damping:g}", form=form, damping=damping
    )


def pairs(tasks: Sequence[str], *, form: Form | None = None) -> list[Row]:
    """Learned weights for every pair of tasks."""
    return [
        learned(pair, name=f"learned, {' + '.join(pair)}", text=f"learned weights of {' and '.join(pair)}", form=form)
        for pair in itertools.combinations(tasks, 2)
    ]


def torchjd(tasks: Sequence[str], name: str, *, form: Form | None = None, **arguments: Any) -> Row:
    """A method of TorchJD by the name of its class."""
    return _row(name, f"{name} (TorchJD)", tasks, TorchJD(name=name, arguments=arguments, form=form or Form()))


def control(row: Row) -> Row:
    """The control of a row's effective rate: the same weights, divided by Σ_k w_k·L_k of the first batch's losses.

    With learned weights the ratios still move, but their scale is such that Σ_k w_k·L_k, L_k the losses of the first
    batch, stays 1: what is left of the gain is due to the ratios.

    Raises:
        ValueError: a method without weights, such as an aggregator of gradients.
    """
    candidates = tuple(replace(candidate, method=_matched(candidate.method)) for candidate in row.candidates)
    info = replace(
        row.info,
        name=f"{row.name}, rate matched",
        description=f"{row.info.description}; their scale fixed by the first batch",
        control_of=row.name,
    )
    return Row(info=info, candidates=candidates)


def redrawn(row: Row, *, draws: int = DRAWS) -> Row:
    """The row with several initial weights, the best chosen on validation data: the control of the number of runs.

    A search over weights also chooses the best of many runs. What is left of its gain over this row is due to the
    weights it found.

    Args:
        row: what to repeat.
        draws: how many initial weights, the usual ones among them.

    Raises:
        ValueError: no draws.
    """
    if draws < 1:
        raise ValueError(f"redrawn: draws: expected 1 or more, found {draws}")
    candidates = tuple(
        replace(candidate, name=", ".join(filter(None, (candidate.name, f"draw {draw}"))), draw=draw)
        for candidate in row.candidates
        for draw in range(draws)
    )
    text = f"{row.info.description}, the best of {draws} initial weights"
    return Row(info=replace(row.info, name=f"{row.name}, redrawn", description=text), candidates=candidates)


def sweep(
    first: str, second: str, *, shares: Sequence[float] = (0.95, 0.9, 0.8, 0.5, 0.2, 0.1), form: Form | None = None
) -> list[Row]:
    """Fixed weights of two tasks from one end to the other, a row each, with both alone and learned weights.

    They draw the figure of task errors against weights (Fig. 2 of the paper).
    """
    both = [fixed(f"{first} {share:g}", {first: share, second: 1.0 - share}, form=form) for share in shares]
    return [single(first, form=form), *both, single(second, form=form), learned((first, second), form=form)]


def share_of(row: RowInfo) -> float | None:
    """The share of the first task in a row that ``sweep`` made, from its name; ``None`` for other rows.

    >>> [share_of(row.info) for row in sweep("a", "b", shares=(0.9, 0.5))]
    [None, 0.9, 0.5, None, None]
    """
    if len(row.tasks) != 2 or not row.name.startswith(f"{row.tasks[0]} "):
        return None
    try:
        share = float(row.name.removeprefix(f"{row.tasks[0]} "))
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None


def standard(tasks: Sequence[str], *, draws: int = DRAWS, seed: int = 0, controls: bool = True) -> list[Row]:
    """The rows of ``equipoise.compare`` unless others are given.

    Each task alone; equal weights, also grown; tuned weights, also grown, and equal weights from as many initial
    weights as these have runs; learned weights: damped, as they are, from the first batch, in closed form, the paper's
    form and with Laplace noise; every pair, where there are more than two tasks; and the control of each learned row
    but the damped one.
    """
    own = [learned(tasks, name=name, text=text, form=form) for name, text, form in LEARNED]
    shown = [damped(tasks), *own]
    searches = [tuned(tasks, draws=draws, seed=seed), tuned(tasks, draws=draws, seed=seed, rate="grown")]
    return [
        *(single(task) for task in tasks),
        equal(tasks),
        equal(tasks, rate="grown"),
        *searches,
        redrawn(equal(tasks), draws=draws),
        *shown,
        *(pairs(tasks) if len(tasks) > 2 else ()),
        *(control(row) for row in own if controls),
    ]


LEARNED: tuple[tuple[str, str, Form], ...] = (
    ("learned", "learned weights, as the joint likelihood has them", Form()),
    ("learned, first batch", "learned weights that start at the optimum of the first batch", FIRST_BATCH),
    ("learned, closed form", "weights at the optimum of a running mean of the losses", CLOSED),
    ("learned, paper's form", "learned weights from σ = 1 in the target's unit, at the network's rate", PAPER),
    ("learned, Laplace", "learned weights with Laplace noise and absolute error in regressions", Form(laplace=True)),
)
_NAMED = {"own": "", "matched": ", rate matched", "grown": ", grown"}
_OF_RATE = {
    "own": "",
    "matched": ", the sum divided by its value at the first batch",
    "grown": ", the sum divided by its running mean",
}


def _row(name: str, text: str, tasks: Sequence[str], method: Method) -> Row:
    info = RowInfo(name=name, description=text, tasks=tuple(tasks))
    return Row(info=info, candidates=(Candidate(name="", method=method),))


def _searched(
    name: str,
    text: str,
    tasks: Sequence[str],
    tried: Sequence[Mapping[str, float]],
    rate: Rate,
    form: Form | None,
) -> Row:
    candidates = tuple(
        Candidate(name=f"weights {_shown(weights)}", method=Fixed(weights=weights, rate=rate, form=form or Form()))
        for weights in tried
    )
    return Row(info=RowInfo(name=name, description=text, tasks=tuple(tasks)), candidates=candidates)


def _matched(method: Method) -> Method:
    if isinstance(method, Learned):
        return replace(method, matched=True)
    if isinstance(method, Fixed):
        return replace(method, rate="matched")
    raise ValueError(f"control: expected learned or fixed weights, found {type(method).__name__}")


def _equal(tasks: Sequence[str]) -> dict[str, float]:
    return {task: 1.0 / len(tasks) for task in tasks}


def _to_sum_one(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {task: weight / total for task, weight in weights.items()}


def _shown(weights: Mapping[str, float]) -> str:
    return " : ".join(f"{weight:.3g}" for weight in weights.values())
