"""The settings of a comparison, as recipes spell them, and their ranges."""

from dataclasses import dataclass, field

from equipoise.scenes.config.ranges import Range, between

DEFAULT_ROWS = (
    *("alone", "equal", "equal-grown", "tuned", "tuned-grown"),
    *("pairs", "damped", "learned", "learned-matched", "closed-form", "paper"),
)
"""Those of the paper's Table 1, and what tells the ratio of the weights from the growth of the effective rate."""


@dataclass(frozen=True, kw_only=True)
class ComparisonRecipe:
    """What ``equipoise compare`` compares; see docs/comparing-scenes.md.

    Attributes:
        rows: the rows of the table, such as ``alone``, ``equal-grown``, ``learned`` or ``DWA``.
        seeds: each row's best candidate is trained with the seeds 0, 1, … up to so many.
        tune_every_seed: train every candidate with every seed, and let each seed choose; otherwise the candidates are
            trained with the seed 0, and the best of them alone with the others.
        lr_factors: the learning rates that each row is tuned over, as multiples of ``optimizer.lr``. A
            ``log_variance_lr`` changes with it.
        steps: optimizer steps of every run; left out: those of ``training.steps``.
        validate_every: validate every so many steps; left out: as ``training.validate_every`` says, or ten times a run.
        weights: the weight of each task, for the row ``fixed``.
        draws: how many weights the rows ``tuned`` try: equal ones, and log-uniform ones with ratios up to 100.
        levels: the weights that the rows ``grid`` combine; combinations that differ by a factor are tried once.
        sweep: two tasks, for weights of one against the other, as in the paper's figure 2.
        sweep_shares: the first task's share of the weights in a sweep.
        test: the split that figures are reported on; it is never used for choosing. Left out: the recipe's validation
            split, and a part of the training split serves for choosing instead.
        held_out: the percentage of the training split that serves for choosing if no ``test`` split is given: the last
            ones in the order of the names.
    """

    rows: tuple[str, ...] = DEFAULT_ROWS
    seeds: int = 3
    tune_every_seed: bool = False
    lr_factors: tuple[float, ...] = (0.3, 1.0, 3.0)
    steps: int | None = None
    validate_every: int | None = None
    weights: dict[str, float] = field(default_factory=dict)
    draws: int = 12
    levels: tuple[float, ...] = (1.0, 0.1, 0.01)
    sweep: tuple[str, ...] = ()
    sweep_shares: tuple[float, ...] = (0.95, 0.9, 0.8, 0.5, 0.2, 0.1, 0.05)
    test: str = ""
    held_out: int = 20


def _factors(values: tuple[float, ...]) -> bool:
    return len(values) == len(set(values)) > 0 and all(0 < value <= 1e6 for value in values)


COMPARISON_RANGES: dict[str, Range] = {
    "rows": (lambda v: 0 < len(v) == len(set(v)), "at least one row, each once"),
    "seeds": between(1, 1000),
    "lr_factors": (_factors, "different numbers above 0"),
    "steps": between(1, 10**9),
    "validate_every": between(1, 10**9),
    "draws": between(1, 1000),
    "levels": (_factors, "different numbers above 0"),
    "sweep": (lambda v: len(v) in (0, 2) and len(v) == len(set(v)), "two tasks, or none"),
    "sweep_shares": (
        lambda v: len(v) == len(set(v)) and all(0 < x < 1 for x in v),
        "different numbers between 0 and 1",
    ),
    "held_out": between(1, 90),
}
