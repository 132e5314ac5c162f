"""Methods of weighing behind one interface, so that a training loop can change its method by one argument.

``weighting.backward(joint, shared_parameters)`` leaves gradients in ``.grad``, as ``joint.loss.backward()`` does.
``Scalarized`` and ``Aggregated`` adapt the methods of TorchJD, which they need (``pip install
'equipoise[baselines]'``).

All methods but ``Learned`` set the weights themselves. They work on ``standardized_loss``, the raw loss in the
network's own numbers, which does not depend on the target's unit where the likelihood owns it.
"""

import functools
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._joint import JointLoss
from equipoise._reduction import add_over_ranks, is_distributed
from equipoise._stepping import Followed, follow, holds
from equipoise.likelihoods._watch import OwnershipWatch

if TYPE_CHECKING:
    from torch.amp import GradScaler
    from torchjd.aggregation import Aggregator
    from torchjd.scalarization import Scalarizer


class Weighting(Protocol):
    """The interface of a method of weighing.

    >>> class Total:
    ...     def backward(self, joint, shared_parameters=(), *, scaler=None):
    ...         sum(task.raw_loss for task in joint.tasks.values()).backward()
    >>> method: Weighting = Total()
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add this batch's gradients to ``.grad``.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
            shared_parameters: the parameters that several tasks train, any shapes; only ``Aggregated`` uses them.
            scaler: with fp16, the ``torch.amp.GradScaler`` whose ``step`` comes next; gradients are scaled by it.
        """
        ...


class Learned:
    """The joint likelihood itself: weights by learned noise.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Learned().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([1., 2.])
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of joint.loss. Arguments: see ``Weighting``."""
        _backward(joint.loss, joint, scaler)


class Equal:
    """Equal weights: the mean Σ L_k/K of the K standardized losses. A task without labels adds nothing.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Equal().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([2., 4.])
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of Σ L_k/K. Arguments: see ``Weighting``."""
        _backward(_weighted({name: 1.0 / len(joint.tasks) for name in joint.tasks}, joint), joint, scaler)


class Fixed:
    """Weights of your own: Σ w_k·L_k of the standardized losses.

    Args:
        weights: one for each task name, 0 or more.

    Raises:
        ValueError: a weight below 0; in ``backward``, weights for other tasks than those of the joint loss.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Fixed({"depth": 0.5}).backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([1., 2.])
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"task {name!r}: expected a weight of 0 or more, found {weight!r}")
        self.weights = dict(weights)

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of Σ w_k·L_k. Arguments: see ``Weighting``."""
        if self.weights.keys() != joint.tasks.keys():
            raise ValueError(
                f"Fixed: expected a weight for each of {sorted(joint.tasks)}, found {sorted(self.weights)}"
            )
        _backward(_weighted(self.weights, joint), joint, scaler)


class Scalarized(Followed):
    """A scalarizer of TorchJD (DWA, FAMO, IMTLL, GeometricMean, Random, STCH, UW …) on the standardized losses.

    For a task without labels in a batch, the scalarizer gets the task's last loss (1 before any), without gradient, so
    that methods that compare losses over time see no change.

    Some methods do nothing unless you call more than ``backward``. A warning says which call is missing:

    - IMTLL and UW have parameters: add ``scalarizer.parameters()`` to the optimizer.
    - FAMO: call ``scalarizer.update(method.values(joint))`` after each step, with the new losses of the same batch.
    - DWA: call ``scalarizer.step()`` at the end of each epoch.

    Args:
        scalarizer: an instance of ``torchjd.scalarization.Scalarizer``.

    Raises:
        TypeError: an object of another class.
        ModuleNotFoundError: TorchJD is not installed.

    >>> import equipoise as eq
    >>> from torchjd.scalarization import Sum
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Scalarized(Sum()).backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([2., 4.])
    """

    def __init__(self, scalarizer: "Scalarizer") -> None:
        _expect(scalarizer, "torchjd.scalarization", "Scalarizer")
        self.scalarizer = scalarizer
        self._last: dict[str, Tensor] = {}
        self._watches = {name: OwnershipWatch() for name, _ in scalarizer.named_parameters()}
        self._own_step = next((n for n in PATIENCE if callable(getattr(scalarizer, n, None))), None)
        self._batches_without = 0
        if self._own_step is not None:
            self._listen(self._own_step)
        follow(self)

    def _listen(self, name: str) -> None:
        """Notice when the scalarizer's own ``step`` or ``update`` is called."""
        original = getattr(self.scalarizer, name)

        @functools.wraps(original)
        def heard(*args: Any, **kwargs: Any) -> Any:
            self._own_step = None
            return original(*args, **kwargs)

        setattr(self.scalarizer, name, heard)

    def values(self, joint: JointLoss) -> Tensor:
        """The standardized losses of a ``joint`` loss, ``(tasks,)`` in their order, with their graph."""
        shown = []
        for name, term in joint.tasks.items():
            loss = term.standardized_loss
            value = torch.where(term.count > 0, loss, self._last.get(name, torch.ones_like(loss)))
            self._last[name] = value.detach()
            shown.append(value)
        return torch.stack(shown)

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of the scalarizer's value. Arguments: see ``Weighting``."""
        self._warn_of_own_step()
        _backward(self.scalarizer(self.values(joint)), joint, scaler)

    def _warn_of_own_step(self) -> None:
        self._batches_without += 1
        if self._own_step is not None and self._batches_without > PATIENCE[self._own_step]:
            name, self._own_step = self._own_step, None
            method = type(self.scalarizer).__name__
            when = "after each optimizer step" if name == "update" else "at the end of each epoch"
            warnings.warn(
                f"{method}: {name}() has not been called in {self._batches_without - 1} batches, so its weights "
                f"have not changed: call scalarizer.{name} {when}, as TorchJD's documentation says",
                stacklevel=3,
            )

    def before_step(self, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Warn if the scalarizer's parameters have gradients, but no optimizer moves them."""
        for name, parameter in self.scalarizer.named_parameters():
            watch = self._watches[name]
            watch.settled = watch.settled or holds(optimizer, parameter)
            watch.after_step(optimizer, parameter, self._ownership_message)

    def _ownership_message(self) -> str:
        return (
            f"{type(self.scalarizer).__name__}: the optimizer steps, but does not hold the scalarizer's parameters, so "
            "its weights never change: add scalarizer.parameters() to the optimizer"
        )


PATIENCE = {"update": 2, "step": 100}
"""The number of batches without a call of a method's own ``update`` or ``step`` before a warning."""


class Aggregated:
    """A gradient aggregator of TorchJD (UPGrad, PCGrad, CAGrad, MGDA, NashMTL, AlignedMTL …) on standardized losses.

    Aggregates the Jacobian of the tasks' losses by the shared parameters into one gradient; all other parameters get
    the gradient of the sum. Tasks without labels in the batch are left out, for which a GPU's counts are read back. The
    cost is one backward pass per task and one more. With several ranks, each aggregates the Jacobian of the whole
    batch, so the shared gradient is the same on all of them; DistributedDataParallel averages the other gradients.

    Args:
        aggregator: an instance of ``torchjd.aggregation.Aggregator``.

    Raises:
        TypeError: an object of another class.
        ValueError: in ``backward``, no shared parameters.
        ModuleNotFoundError: TorchJD, or a solver it needs, is not installed.

    >>> import equipoise as eq
    >>> from torchjd.aggregation import UPGrad
    >>> shared = torch.tensor(2.0, requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"})
    >>> joint = likelihood({"a": shared, "b": 3 * shared}, {"a": torch.tensor(0.0), "b": torch.tensor(0.0)})
    >>> Aggregated(UPGrad()).backward(joint, [shared])
    >>> shared.grad  # the mean of 4 and 36
    tensor(20.)
    """

    def __init__(self, aggregator: "Aggregator") -> None:
        _expect(aggregator, "torchjd.aggregation", "Aggregator")
        self.aggregator = aggregator

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the aggregated gradient of the shared parameters, and the gradients of Σ L_k of the others.

        Arguments: see ``Weighting``.
        """
        from torchjd.autojac import jac

        shared = [p for p in shared_parameters if p.requires_grad]
        if not shared:
            raise ValueError("Aggregated: expected the shared parameters, found none: pass them to backward")
        losses = [term.standardized_loss for term in joint.tasks.values() if bool(term.count > 0)]
        if not losses:
            return
        factor = torch.ones((), device=losses[0].device) if scaler is None else scaler.scale(torch.ones_like(losses[0]))
        rows = jac([loss * factor for loss in losses], shared, retain_graph=True, parallel_chunk_size=1)
        matrix = torch.cat([row.reshape(len(losses), -1) for row in rows], 1) / factor
        gradient = self._aggregate(matrix) * factor
        before = [None if p.grad is None else p.grad.clone() for p in shared]
        _backward(torch.stack(losses).sum(), joint, scaler)
        for parameter, part, earlier in zip(
            shared, torch.split(gradient, [p.numel() for p in shared]), before, strict=True
        ):
            new = part.reshape(parameter.shape).to(parameter.dtype)
            _put_gradient(parameter, new if earlier is None else earlier + new)

    def _aggregate(self, matrix: Tensor) -> Tensor:
        """One gradient of the Jacobian of the whole batch, the same on every rank."""
        if not is_distributed():
            return _aggregate(self.aggregator, matrix)
        matrix = add_over_ranks(matrix) / dist.get_world_size()
        gradient = _aggregate(self.aggregator, matrix)
        # Some aggregators draw at random.
        dist.broadcast(gradient, 0)
        return gradient


def _put_gradient(parameter: Tensor, gradient: Tensor) -> None:
    """Write in place where there is a gradient, because those of DistributedDataParallel are views of its buckets."""
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad.copy_(gradient)


def _aggregate(aggregator: Any, matrix: Tensor) -> Tensor:
    if not bool(torch.isfinite(matrix).all()):
        # An overflow in fp16, which makes the scaler skip the step.
        return torch.full_like(matrix[0], torch.nan)
    try:
        result: Tensor = aggregator(matrix)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{type(aggregator).__name__} needs a solver that is not installed ({error}): "
            "pip install 'equipoise[baselines]'"
        ) from None
    return result


def _weighted(weights: Mapping[str, float], joint: JointLoss) -> Tensor:
    return torch.stack([weights[name] * term.standardized_loss for name, term in joint.tasks.items()]).sum()


def _backward(loss: Tensor, joint: JointLoss, scaler: "GradScaler | None") -> None:
    loss = joint.with_anchor(loss)
    if not loss.requires_grad:
        return  # no task has labels
    torch.autograd.backward(loss if scaler is None else scaler.scale(loss))


def _expect(value: object, module: str, kind: str) -> None:
    """Raise unless a value is an instance of a class of TorchJD."""
    import importlib

    try:
        expected = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "this method needs TorchJD, which is not installed: pip install 'equipoise[baselines]'"
        ) from None
    if not isinstance(value, expected):
        raise TypeError(f"expected an instance of {module}.{kind}, found {type(value).__name__}")
