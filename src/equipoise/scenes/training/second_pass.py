"""A second forward pass of the same batch after the optimizer's step, which leaves no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.precision import Precision, autocast


@torch.no_grad()
def new_losses(model: SceneModel, network: nn.Module, batch: Batch, precision: Precision) -> dict[str, Tensor]:
    """Each task's standardized loss over the batches of all processes, detached; all of them must call it.

    The network computes as it does in training, with the statistics of the batch, so that these losses differ from the
    first ones by the step alone. Running statistics, units, noises and the random generators stay as they are.

    Args:
        model: in training mode.
        network: the model's own network, or what wraps it.
        batch: of this process.
        precision: of the forward pass.
    """
    # DistributedDataParallel would copy the first process's buffers to the others.
    own = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
    with _without_trace(model.network, batch.images.device), autocast(precision, batch.images.device):
        outputs = own(batch.images, batch.rows)
    return model.likelihood.standardized_losses(outputs, batch.targets, weights=batch.weights)


@contextmanager
def _without_trace(network: nn.Module, device: torch.device) -> Iterator[None]:
    """A context after which the network's buffers and the random generators are what they were."""
    buffers = list(network.buffers())
    kept = [buffer.clone() for buffer in buffers]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            torch._foreach_copy_(buffers, kept)
