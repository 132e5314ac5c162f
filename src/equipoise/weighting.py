"""Methods of weighing behind one interface: a training loop changes its method by one argument.

``weighting.backward(joint, shared_parameters)`` leaves gradients in ``.grad``, as ``joint.loss.backward()`` does. Only
methods that are not Equipoise's own need TorchJD (``pip install 'equipoise[baselines]'``), which implements them.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from equipoise.multitask import JointTerm

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator
    from torchjd.scalarization import Scalarizer


class Weighting(Protocol):
    """A method of weighing."""

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """Add this batch's gradients to ``.grad``.

        Args:
            joint: what ``MultiTaskLikelihood`` gave.
            shared_parameters: the parameters that several tasks train; only gradient methods look at them.
        """
        ...


class Learned:
    """The joint likelihood itself: weights by learned noise."""

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """∂ joint.loss."""
        torch.autograd.backward(joint.loss)


class Equal:
    """The mean of the raw losses, 1/K each, K the number of tasks. A task without labels adds nothing."""

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """∂ Σ L_k/K."""
        _backward({name: 1.0 / len(joint.tasks) for name in joint.tasks}, joint)


class Fixed:
    """Σ w_k·L_k of the raw losses, with weights of your own.

    Args:
        weights: one for each task, 0 or more.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"task {name!r}: expected a weight of 0 or more, found {weight!r}")
        self.weights = dict(weights)

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """∂ Σ w_k·L_k."""
        if self.weights.keys() != joint.tasks.keys():
            raise ValueError(
                f"Fixed: expected a weight for each of {sorted(joint.tasks)}, found {sorted(self.weights)}"
            )
        _backward(self.weights, joint)


class Scalarized:
    """A scalarizer of TorchJD: DWA, FAMO, IMTLL, GeometricMean, Random, STCH, UW …, on the raw losses.

    A task without labels in a batch is shown to it with the last loss it had (1 before any), without gradient: methods
    that compare losses over time then see no change.

    Args:
        scalarizer: an instance of ``torchjd.scalarization.Scalarizer``. Its own parameters, if it has any, belong in
            the optimizer; its own ``step`` or ``update``, if it has one, is called as TorchJD's documentation says.

    Raises:
        TypeError: it is none.
        ModuleNotFoundError: TorchJD is absent; says how to install it.
    """

    def __init__(self, scalarizer: "Scalarizer") -> None:
        _expect(scalarizer, "torchjd.scalarization", "Scalarizer")
        self.scalarizer = scalarizer
        self._last: dict[str, Tensor] = {}

    def values(self, joint: JointTerm) -> Tensor:
        """The raw losses, in the order of the tasks."""
        shown = []
        for name, term in joint.tasks.items():
            labelled = term.count > 0
            last = self._last.get(name, torch.ones_like(term.objective))
            value = torch.where(labelled, term.objective, last)
            self._last[name] = value.detach()
            shown.append(value)
        return torch.stack(shown)

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """∂ of the scalarizer's value."""
        torch.autograd.backward(self.scalarizer(self.values(joint)))


class Aggregated:
    """A gradient aggregator of TorchJD: UPGrad, PCGrad, CAGrad, MGDA, NashMTL, AlignedMTL …, on the raw losses.

    The Jacobian of the tasks' losses by the shared parameters is aggregated into one gradient; all other parameters get
    the gradient of the sum. Rows of tasks without labels in the batch are left out (on a GPU that reads their counts
    back). Costs one backward pass a task, and one more.

    Args:
        aggregator: an instance of ``torchjd.aggregation.Aggregator``.

    Raises:
        TypeError: it is none.
        ModuleNotFoundError: TorchJD, or the solver it wants, is absent; says how to install it.
    """

    def __init__(self, aggregator: "Aggregator") -> None:
        _expect(aggregator, "torchjd.aggregation", "Aggregator")
        self.aggregator = aggregator

    def backward(self, joint: JointTerm, shared_parameters: Iterable[Tensor] = ()) -> None:
        """The aggregated gradient on the shared parameters, ∂ Σ L_k on the others."""
        from torchjd.autojac import jac

        shared = [p for p in shared_parameters if p.requires_grad]
        if not shared:
            raise ValueError("Aggregated: expected the shared parameters, found none: pass them to backward")
        losses = [term.objective for term in joint.tasks.values() if bool(term.count > 0)]
        if not losses:
            return
        rows = jac(losses, shared, retain_graph=True, parallel_chunk_size=1)
        matrix = torch.cat([row.reshape(len(losses), -1) for row in rows], 1)
        gradient = _aggregate(self.aggregator, matrix)
        before = [None if p.grad is None else p.grad.clone() for p in shared]
        torch.autograd.backward(torch.stack(losses).sum())
        parts = torch.split(gradient, [p.numel() for p in shared])
        for parameter, part, earlier in zip(shared, parts, before, strict=True):
            new = part.reshape(parameter.shape).to(parameter.dtype)
            parameter.grad = new if earlier is None else earlier + new


def _aggregate(aggregator: Any, matrix: Tensor) -> Tensor:
    try:
        result: Tensor = aggregator(matrix)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{type(aggregator).__name__} needs a solver that is absent ({error}): pip install 'equipoise[baselines]'"
        ) from None
    return result


def _backward(weights: Mapping[str, float], joint: JointTerm) -> None:
    total = torch.stack([weights[name] * term.objective for name, term in joint.tasks.items()]).sum()
    torch.autograd.backward(total)


def _expect(value: object, module: str, kind: str) -> None:
    """An instance of a class of TorchJD, which must be there."""
    import importlib

    try:
        expected = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "this method is TorchJD's, which is absent: pip install 'equipoise[baselines]'"
        ) from None
    if not isinstance(value, expected):
        raise TypeError(f"expected an instance of {module}.{kind}, found {type(value).__name__}")
