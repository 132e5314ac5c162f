"""Which step's model is the best, and when to stop early.

Both depend on the validations alone, so a resumed run decides as an uninterrupted one does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Validation = dict[str, Any]
"""One validation, as JSON holds it: ``step``, ``seconds`` since training began, ``figures`` (name → value) and
``score``, by which validations are compared. A value is ``None`` where a figure has none."""

Better = Literal["higher", "lower"]

COMBINED = "geometric mean of the errors"
SMALLEST_ERROR = 1e-12
"""Smaller errors count as this one, so that logarithms are finite."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How validations are compared.

    A single figure is compared directly. Several are compared by the geometric mean of their errors, lower being
    better: a figure's error is the figure itself where lower is better, and 1 − figure where higher is better (such
    figures, IoU for one, lie in 0 … 1). Halving any task's error then counts the same, whatever its unit or scale.

    Args:
        figures: whether higher or lower is better, by the figure's name; at least one.
    """

    figures: Mapping[str, Better]

    @property
    def name(self) -> str:
        """The name of the score."""
        return COMBINED if len(self.figures) > 1 else next(iter(self.figures))

    @property
    def better(self) -> Better:
        """Whether a higher or a lower score is better."""
        return "lower" if len(self.figures) > 1 else next(iter(self.figures.values()))

    def score(self, values: Mapping[str, float | None]) -> float | None:
        """The value to compare; ``None`` where one of the figures has no value.

        >>> both = Selection(figures={"semantic.mean_iou": "higher", "depth.mae": "lower"})
        >>> round(both.score({"semantic.mean_iou": 0.5, "depth.mae": 8.0}), 6)
        2.0
        """
        known = [(values.get(name), better) for name, better in self.figures.items()]
        if len(known) == 1:
            return known[0][0]
        errors = [None if value is None else value if better == "lower" else 1 - value for value, better in known]
        logarithms = [math.log(max(error, SMALLEST_ERROR)) for error in errors if error is not None]
        return math.exp(sum(logarithms) / len(logarithms)) if len(logarithms) == len(errors) else None

    def best(self, validations: Sequence[Validation]) -> Validation | None:
        """The first validation with the best score; ``None`` where none has a score."""
        return best_of(validations, self.better)

    def exhausted(self, validations: Sequence[Validation], patience: int) -> bool:
        """Whether the last ``patience`` validations brought no improvement; never with a patience of 0."""
        best = self.best(validations)
        since_best = len(validations) if best is None else len(validations) - 1 - list(validations).index(best)
        return 0 < patience <= since_best


def best_of(validations: Sequence[Validation], better: Better) -> Validation | None:
    """The validation whose score is the highest, or the lowest; see ``Selection.best``."""
    scored = [validation for validation in validations if validation["score"] is not None]
    choose = max if better == "higher" else min
    return choose(scored, key=lambda validation: float(validation["score"]), default=None)
