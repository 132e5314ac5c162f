"""TorchJD's gradient aggregators as methods of weighing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor

from equipoise._joint import JointLoss
from equipoise._reduction import add_over_ranks, is_distributed
from equipoise.weighting._torchjd import expect_instance
from equipoise.weighting._weights import backward_of

if TYPE_CHECKING:
    from torch.amp import GradScaler
    from torchjd.aggregation import Aggregator


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
        expect_instance(aggregator, "torchjd.aggregation", "Aggregator")
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
        backward_of(joint.with_noise(torch.stack(losses).sum()), scaler)
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
