"""The settings of a task's likelihood in recipes, and their ranges."""

from dataclasses import dataclass, field
from typing import Literal

from equipoise.scenes.config.ranges import FRACTION, Range
from equipoise.scenes.tasks.class_balance import Balance


@dataclass(frozen=True, kw_only=True)
class LikelihoodRecipe:
    """The likelihood of one task, and how its noise σ is determined.

    Attributes:
        kind: the likelihood, one of those listed under *Tasks*; empty: the task's default.
        init: the initial log σ² (of dimensionless targets with ``standardize``), or ``first_batch``.
        update: ``gradient`` (the paper), or ``closed_form`` (from a running mean of the loss).
        momentum: the momentum of the running mean, with ``closed_form`` only; 0.99 by default.
        standardize: learn the target's offset and scale from the first batches, so that its unit does not matter.
            Regressions only; the default for all but ``laplace-paper``.
        floor: the smallest σ, as a fraction of the target's spread, or for classes of a coin flip's σ; 0 turns it off.
            0.01 by default; with ``standardize = false`` 0.0001 of the σ that fits the first batch.
        class_weights: the weight of each class by name; 1 if not named; 0 means no label. Task ``semantic`` only.
        class_balance: weight classes by how often they occur in the training labels: ``inverse`` frequency, ``median``
            frequency, or inverse ``effective`` number of images; multiplied by ``class_weights``. Task ``semantic``
            only.
        label_smoothing: the fraction of each label that is spread evenly over the classes. Task ``semantic`` only, and
            not with ``categorical-exact``.
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
