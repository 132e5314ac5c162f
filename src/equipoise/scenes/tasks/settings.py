"""The settings of a task's likelihood, as recipes spell them."""

from dataclasses import dataclass, field
from typing import Literal

from equipoise.scenes.config.ranges import FRACTION, Range
from equipoise.scenes.tasks.class_balance import Balance


@dataclass(frozen=True, kw_only=True)
class LikelihoodRecipe:
    """The likelihood of one task, and how its noise σ is found.

    Attributes:
        kind: the likelihood, one of those listed under *Tasks*; empty: the task's default.
        init: the first log σ² (of dimensionless targets where ``standardize``), or ``first_batch``.
        update: ``gradient`` (the paper) or ``closed_form`` (a running mean of the loss gives σ).
        momentum: of the running mean, with ``closed_form`` only; 0.99 by default.
        standardize: the likelihood owns its target's unit, gathered from the first batches. Regressions only; by
            default all but ``laplace-paper``.
        floor: the least σ, as a fraction of the target's spread, or of a coin flip's σ for classes; 0 turns it off.
            0.01 by default; with ``standardize = false`` 0.0001 of the σ that fits the first batch.
        class_weights: how much each class counts, by name; 1 where it is not named, 0: no label. Semantic task only.
        class_balance: weigh classes by how often they occur in the training labels: ``inverse`` frequency, ``median``
            frequency, or inverse ``effective`` number of images; multiplied by ``class_weights``. Semantic task only.
        label_smoothing: how much of each label is spread evenly over the classes. Semantic task, not
            ``categorical-exact``.
    """

    kind: str = ""
    init: float | Literal["first_batch"] = 0.0
    update: Literal["gradient", "closed_form"] = "gradient"
    momentum: float | None = None
    standardize: bool | None = None
    floor: float | None = None
    class_weights: dict[str, float] = field(default_factory=dict)
    class_balance: Balance = "none"
    label_smoothing: float = 0.0


LIKELIHOOD_RANGES: dict[str, Range] = {
    "init": (lambda v: v == "first_batch" or -40 <= v <= 40, 'a number of −40 … 40, or "first_batch"'),
    "momentum": FRACTION,
    "floor": FRACTION,
    "class_weights": (lambda v: all(0 <= each <= 1e30 for each in v.values()), "0 or more each"),
    "label_smoothing": FRACTION,
}
