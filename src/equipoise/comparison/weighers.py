"""How a run turns its joint loss into gradients: the library's methods of weighing, and those made to compare."""

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from equipoise import weighting
from equipoise._joint import JointLoss

NewLosses = Callable[[], Mapping[str, Tensor]]
"""Computes the standardized losses of the same batch once more, after the optimizer's step; nothing else changes."""


class Weigher:
    """A method of weighing in a comparison: what ``equipoise.weighting`` has, and what a training loop must know of it.

    Args:
        method: turns a joint loss into gradients; ``None`` for subclasses that do so themselves.
    """

    def __init__(self, method: weighting.Weighting | None = None) -> None:
        self.method = method

    def backward(self, joint: JointLoss, shared_parameters: Iterable[Tensor]) -> None:
        """Add the gradients of a batch."""
        if self.method is not None:
            self.method.backward(joint, shared_parameters)

    def parameters(self) -> list[Tensor]:
        """What the optimizer must train besides the network and the noise."""
        return []

    def after_step(self, joint: JointLoss, new_losses: NewLosses, *, epoch_ends: bool) -> None:
        """Do what the method does once a step or once an epoch."""

    def weights(self, joint: JointLoss) -> dict[str, float]:
        """Each task's weight on its standardized loss, to be recorded; empty where there are none to read."""
        return {}


class LearnedWeigher(Weigher):
    """The joint likelihood itself."""

    def __init__(self) -> None:
        super().__init__(weighting.Learned())

    def weights(self, joint: JointLoss) -> dict[str, float]:
        """w_k of the standardized losses: the weights ∂nll/∂loss without the target's unit."""
        return learned_weights(joint)


class FixedWeigher(Weigher):
    """Σ w_k·L_k of the standardized losses, with a scale: as it is, matched, or grown.

    Args:
        given: w by task name.
        rate: ``"own"``: the sum as it is. ``"matched"``: divided by its own value at the first batch. ``"grown"``: see
            ``equipoise.weighting.Grown``.
    """

    def __init__(self, given: Mapping[str, float], rate: str) -> None:
        self._grown = weighting.Grown(given) if rate == "grown" else None
        super().__init__(self._grown or weighting.Fixed(given))
        self.given = dict(given)
        self._is_due = rate == "matched"

    def backward(self, joint: JointLoss, shared_parameters: Iterable[Tensor]) -> None:
        """Add the gradients of the scaled sum."""
        if self._is_due:
            self._is_due = False
            first = sum(weight * joint.tasks[name].standardized_loss.item() for name, weight in self.given.items())
            self.given = {name: weight / first for name, weight in self.given.items()}
            self.method = weighting.Fixed(self.given)
        super().backward(joint, shared_parameters)

    def weights(self, joint: JointLoss) -> dict[str, float]:
        """w_k times the present scale."""
        mean = None if self._grown is None else self._grown.mean
        scale = 1.0 if mean is None else 1.0 / float(mean)
        return {name: weight * scale for name, weight in self.given.items()}


class MatchedLearnedWeigher(Weigher):
    """Learned weights whose effective rate is that of the first batch: see ``equipoise.weighting.RateMatched``."""

    def __init__(self) -> None:
        self._matched = weighting.RateMatched()
        super().__init__(self._matched)

    def weights(self, joint: JointLoss) -> dict[str, float]:
        """c·w_k of the standardized losses."""
        factor = 1.0 if self._matched.factor is None else float(self._matched.factor)
        return {name: factor * weight for name, weight in learned_weights(joint).items()}


class DampedWeigher(Weigher):
    """Learned weights with damped ratios: see ``equipoise.weighting.Damped``.

    Args:
        damping: 0 to 1.
    """

    def __init__(self, damping: float) -> None:
        self._damped = weighting.Damped(damping)
        super().__init__(self._damped)

    def weights(self, joint: JointLoss) -> dict[str, float]:
        """c_k·w_k of the standardized losses."""
        factors = self._damped.factors(joint)
        return {name: float(factors[name]) * weight for name, weight in learned_weights(joint).items()}


class TorchJDWeigher(Weigher):
    """A scalarizer or aggregator of TorchJD, given what it wants once a step or once an epoch.

    Args:
        name: of its class in ``torchjd.scalarization``, or else in ``torchjd.aggregation``.
        tasks: how many.
        arguments: of the class, besides the number of tasks.
    """

    def __init__(self, name: str, tasks: int, arguments: Mapping[str, Any]) -> None:
        self._instance = torchjd_instance(name, tasks, arguments)
        is_scalarizer = type(self._instance).__module__.startswith("torchjd.scalarization")
        method: Any = weighting.Scalarized if is_scalarizer else weighting.Aggregated
        super().__init__(method(self._instance))

    def parameters(self) -> list[Tensor]:
        """Those of IMTL-L and UW."""
        return list(self._instance.parameters()) if isinstance(self._instance, nn.Module) else []

    def after_step(self, joint: JointLoss, new_losses: NewLosses, *, epoch_ends: bool) -> None:
        """FAMO wants the new losses of the batch after each step; DWA wants to know where epochs end."""
        if isinstance(self.method, weighting.Scalarized):
            if callable(update := getattr(self._instance, "update", None)):
                update(self.method.values_after(joint, new_losses()))
            elif epoch_ends and callable(step := getattr(self._instance, "step", None)):
                step()


def learned_weights(joint: JointLoss) -> dict[str, float]:
    """∂nll/∂(standardized loss) of each task, at the present noise.

    Tasks whose nll is not linear in their loss, or whose noise has channels, are left out.
    """
    found = {}
    for name, term in joint.tasks.items():
        if term.weight is not None and term.weight.dim() == 0:
            own = float(term.standardized_loss.detach())
            # The unit of the loss cancels. A loss of exactly 0 leaves the weight as it is.
            found[name] = float(term.weight) * (float(term.loss) / own if own > 0.0 else 1.0)
    return found


def torchjd_instance(name: str, tasks: int, arguments: Mapping[str, Any]) -> Any:
    """An instance of a class of TorchJD.

    Raises:
        ValueError: no such class, or arguments that do not fit it.
        ModuleNotFoundError: TorchJD is not installed.
    """
    try:
        rooms = [importlib.import_module(f"torchjd.{room}") for room in ("scalarization", "aggregation")]
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{name} needs TorchJD, which is not installed: pip install 'equipoise[baselines]'"
        ) from None
    known = [public for room in rooms for public in room.__all__]
    if name not in known:
        raise ValueError(f"expected the name of a class of TorchJD ({', '.join(sorted(set(known)))}), found {name!r}")
    kind = next(getattr(room, name) for room in rooms if name in room.__all__)
    counted = {argument: tasks for argument in ("shape", "n_tasks") if argument in _parameters(kind)}
    try:
        return kind(**(counted | dict(arguments)))
    except TypeError as error:
        raise ValueError(f"{name}: expected its arguments in arguments={{...}}: {error}") from None


def _parameters(kind: Any) -> Iterable[str]:
    return inspect.signature(kind).parameters
