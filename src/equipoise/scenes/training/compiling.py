"""Compile the network with ``torch.compile``, where a recipe asks for it."""

from typing import Any, cast

import torch
from torch import nn

from equipoise.errors import RunError


def compiled(network: nn.Module) -> nn.Module:
    """The network, compiled at its first step; its weights keep their names.

    Raises:
        RunError: when it is called first: it cannot be compiled here, for want of a C++ compiler, say.
    """
    return _Compiled(network)


def as_it_is(network: nn.Module) -> nn.Module:
    """The network, not compiled."""
    return network


class _Compiled(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = cast(nn.Module, torch.compile(network))

    def forward(self, *args: Any) -> Any:
        from torch._dynamo.exc import ShortenTraceback  # Of a backend that fails, triton that is missing, an old GPU.

        try:
            return self.network(*args)
        except ShortenTraceback as error:
            reason = str(getattr(error, "inner_exception", error)).strip().splitlines()[:1]
            raise RunError(
                f"training.compile: expected to compile the network, found: {''.join(reason):.200}: set it to "
                "false, or install what PyTorch needs to compile (a C++ compiler on a CPU, triton on a GPU)"
            ) from None
