"""What a run does about weights, as values that are written down, compared and sent to other processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from equipoise.comparison.weighers import (
    DampedWeigher,
    FixedWeigher,
    LearnedWeigher,
    MatchedLearnedWeigher,
    TorchJDWeigher,
    Weigher,
)
from equipoise.likelihoods import NoiseOptions
from equipoise.multitask import MultiTaskLikelihood
from equipoise.optim import LOG_VARIANCE_FACTOR

Rate = Literal["own", "matched", "grown"]


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the likelihoods of a run are to be built; the problem builds them.

    Attributes:
        laplace: whether regressions are to have Laplace noise and absolute error, whatever they have otherwise.
        standardize: whether regressions own their target's unit; ``None``: as the problem has it.
        noise: settings of the noise of every task, see ``NoiseSettings``.
        log_variance_factor: how much faster than the network the log-variances learn.
        log_variance_limit: their highest learning rate; ``None``: none.
    """

    laplace: bool = False
    standardize: bool | None = None
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    log_variance_factor: float = LOG_VARIANCE_FACTOR
    log_variance_limit: float | None = None

    def log_variance_lr(self, lr: float) -> float:
        """The learning rate of the log-variances for that of the network."""
        rate = lr * self.log_variance_factor
        return rate if self.log_variance_limit is None else min(rate, self.log_variance_limit)


class Method(Protocol):
    """A method of weighing as a frozen dataclass, so that it has a text and goes to other processes."""

    @property
    def form(self) -> Form:
        """How the likelihoods are to be built."""
        ...

    def weigher(self, likelihood: MultiTaskLikelihood) -> Weigher:
        """A fresh weigher for one run."""
        ...


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Weights that the likelihoods learn.

    Attributes:
        form: how the likelihoods are built.
        matched: whether the effective rate is that of the first batch throughout: the control.
        damping: see ``equipoise.weighting.Damped``; ``None``: the joint likelihood itself.

    Raises:
        ValueError: both.
    """

    form: Form = field(default_factory=Form)
    matched: bool = False
    damping: float | None = None

    def __post_init__(self) -> None:
        if self.matched and self.damping is not None:
            raise ValueError("Learned: expected matched or a damping, found both")

    def weigher(self, likelihood: MultiTaskLikelihood) -> Weigher:
        """A fresh weigher for one run."""
        if self.damping is not None:
            return DampedWeigher(self.damping)
        return MatchedLearnedWeigher() if self.matched else LearnedWeigher()


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Weights that stay.

    Attributes:
        weights: by task name.
        rate: ``"own"``: the weighted sum as it is. ``"matched"``: divided by its value at the first batch. ``"grown"``:
            divided by its own running mean, so that the effective rate grows as the loss falls.
        form: how the likelihoods are built; their noise has no effect.
    """

    weights: Mapping[str, float]
    rate: Rate = "own"
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        if not self.weights or not all(weight >= 0.0 for weight in self.weights.values()) or not self.total > 0.0:
            raise ValueError(f"Fixed: expected weights of 0 or more, one above 0, found {dict(self.weights)}")

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return sum(self.weights.values())

    def weigher(self, likelihood: MultiTaskLikelihood) -> Weigher:
        """A fresh weigher for one run."""
        if set(self.weights) != set(likelihood.keys()):
            raise ValueError(
                f"Fixed: expected a weight for each of {sorted(likelihood.keys())}, found {sorted(self.weights)}"
            )
        return FixedWeigher(self.weights, self.rate)


@dataclass(frozen=True, kw_only=True)
class TorchJD:
    """A scalarizer or aggregator of TorchJD (extra ``[baselines]``).

    Attributes:
        name: of its class, such as ``"DWA"``, ``"FAMO"``, ``"IMTLL"``, ``"UPGrad"`` or ``"PCGrad"``.
        arguments: of the class; the number of tasks is passed where the class takes it.
        form: how the likelihoods are built; their noise has no effect.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    form: Form = field(default_factory=Form)

    def weigher(self, likelihood: MultiTaskLikelihood) -> Weigher:
        """A fresh weigher for one run."""
        return TorchJDWeigher(self.name, len(likelihood.keys()), self.arguments)


def settings(method: Any) -> dict[str, Any]:
    """A method as JSON can hold it.

    >>> settings(Fixed(weights={"a": 1.0}, rate="grown"))["rate"]
    'grown'
    """
    return {"method": type(method).__name__, **asdict(method)}
