"""How far a step moves the network: under Adam the gradient's norm does not tell."""

from collections.abc import Sequence

from torch import Tensor, nn


def copied(network: nn.Module) -> list[Tensor]:
    """Copies of the network's parameters, for ``moved``."""
    return [parameter.detach().clone() for parameter in network.parameters()]


def moved(before: Sequence[Tensor], network: nn.Module) -> Tensor:
    """The Euclidean norm of what the parameters changed by since ``copied``, a scalar on their device.

    >>> import torch
    >>> layer = nn.Linear(2, 1)
    >>> before = copied(layer)
    >>> with torch.no_grad():
    ...     _ = layer.weight.add_(torch.tensor([[3.0, 4.0]]))
    >>> round(moved(before, layer).item(), 4)
    5.0
    """
    changes = [new.detach() - old for old, new in zip(before, network.parameters(), strict=True)]
    return nn.utils.get_total_norm(changes)
