"""The settings of a task's noise: the keywords that every likelihood takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Init = float | Literal["first_batch"]
Update = Literal["gradient", "closed_form"]

DEFAULT_MOMENTUM = 0.99
REFERENCED_FLOOR, FIRST_BATCH_FLOOR = 1e-2, 1e-4
HINTS = {
    "standardize": "this likelihood has no target with a unit",
    "weights": "weights of elements go to the call, not to the constructor",
    "lr": "rates go to equipoise.param_groups(model, likelihood, lr=..., log_variance_lr=...)",
}


class NoiseOptions(TypedDict, total=False):
    """The keywords of ``NoiseSettings``, to annotate a signature with: ``**noise: Unpack[NoiseOptions]``.

    >>> options: NoiseOptions = {"init": "first_batch", "floor": 0.001}
    >>> NoiseSettings(**options).floor
    0.001
    """

    channels: int | None
    init: Init
    update: Update
    momentum: float | None
    bounds: tuple[float, float]
    prior: tuple[float, float] | None
    floor: float | None


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    r"""How a log-variance s = log σ² starts, moves and is kept within bounds.

    Every likelihood takes these as keywords. All numbers are dimensionless where the likelihood owns its target's unit.

    Attributes:
        channels: the number of log-variances, one for each channel (axis 1 of the outputs, unless the class says
            otherwise); ``None``: a single one.
        init: the first s, or ``"first_batch"``: the optimum for the first batch that has information.
        update: ``"gradient"``: s is a parameter, as in the paper. ``"closed_form"``: s is a buffer, which training sets
            to the optimum for a bias-corrected running mean of the raw loss that includes the current batch.
        momentum: m of the running mean r ← m·r + (1 − m)·L, 0 or more, below 1; closed form only. ``None``: 0.99.
        bounds: s stays between these; reaching one warns.
        prior: (σ₀, strength), both above 0: adds strength·(½·s + ½·σ₀²·e^(−s)) to the nll, as if that fraction of each
            batch were observations with error σ₀.
        floor: σ stays above this fraction of a reference, so that the weight of a task stays finite where its loss
            tends to zero; reaching it warns. The reference is the target's spread where the likelihood owns the
            target's unit; the σ of a coin flip (e^s = 2·log 2) for approximate classes; otherwise the σ that fits the
            first batch with information. ``None``: 0.01, or 0.0001 of the first batch's σ. 0 turns the floor off.

    Raises:
        ValueError: a value out of range, or one that would do nothing beside the others.

    >>> NoiseSettings(channels=3).shape
    (3,)
    >>> NoiseSettings(momentum=0.9)
    Traceback (most recent call last):
    ...
    ValueError: momentum: it does nothing with update='gradient', found 0.9: leave it out, or use update='closed_form'
    """

    channels: int | None = None
    init: Init = 0.0
    update: Update = "gradient"
    momentum: float | None = None
    bounds: tuple[float, float] = (-40.0, 40.0)
    prior: tuple[float, float] | None = None
    floor: float | None = None

    @classmethod
    def read(cls, owner: str, given: Mapping[str, Any]) -> "NoiseSettings":
        """Check the keywords that a class was called with; errors name that class.

        Args:
            owner: the name of the class.
            given: its keywords.

        Raises:
            TypeError: an unknown keyword.
            ValueError: a value out of range.
        """
        for name in given:
            if name not in cls.__dataclass_fields__:
                hint = HINTS.get(name, f"known are {', '.join(cls.__dataclass_fields__)}")
                raise TypeError(f"{owner}: unexpected argument {name!r}: {hint}")
        try:
            return cls(**given)
        except ValueError as error:
            raise ValueError(f"{owner}: {error}") from None

    def __post_init__(self) -> None:
        low, high = self.bounds
        _expect(low < high, "bounds", "(low, high) with low < high", self.bounds)
        channels = self.channels
        whole = isinstance(channels, int) and not isinstance(channels, bool) and channels >= 1
        _expect(channels is None or whole, "channels", "a whole number of at least 1 or None", channels)
        _expect(self.update in ("gradient", "closed_form"), "update", "'gradient' or 'closed_form'", self.update)
        number = isinstance(self.init, int | float) and not isinstance(self.init, bool)
        within = self.init == "first_batch" or (number and low <= float(self.init) <= high)
        _expect(within, "init", f"a number within {self.bounds} or 'first_batch'", self.init)
        _expect(self.momentum is None or 0.0 <= self.momentum < 1.0, "momentum", "0 or more, below 1", self.momentum)
        prior = self.prior
        _expect(prior is None or (prior[0] > 0 and prior[1] > 0), "prior", "(sigma0, strength), both above 0", prior)
        _expect(self.floor is None or 0.0 <= self.floor < 1.0, "floor", "0 or more, below 1", self.floor)
        if self.update == "gradient" and self.momentum is not None:
            raise ValueError(
                f"momentum: it does nothing with update='gradient', found {self.momentum}: leave it out, or use "
                "update='closed_form'"
            )
        if self.update == "closed_form" and self.init not in (0.0, "first_batch"):
            raise ValueError(
                f"init: a closed form starts at the first batch, so init={self.init!r} does nothing: leave it out, or "
                "use update='gradient'"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of s: ``()`` or ``(channels,)``."""
        return () if self.channels is None else (self.channels,)

    @property
    def starts_at_first_batch(self) -> bool:
        """Whether s starts at the optimum of the first batch that has information."""
        return self.init == "first_batch" or self.update == "closed_form"

    def floor_below(self, reference_known: bool) -> float:
        """The floor as a fraction of the reference; its default depends on ``reference_known``."""
        if self.floor is not None:
            return self.floor
        return REFERENCED_FLOOR if reference_known else FIRST_BATCH_FLOOR


def _expect(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, found {found!r}")
