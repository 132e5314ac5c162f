"""An exponential moving average of a model: often better than its last weights, and what a run then ends with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from equipoise.errors import RunError


class Average:
    r"""The running mean a ← d·a + (1 − d)·w of a model's parameters and buffers.

    With t the number of steps done, d = min(decay, (1 + t)/(10 + t)), so that the first weights, which are random, are
    forgotten soon (as in TensorFlow's ``ExponentialMovingAverage``).

    Everything that is floating point is averaged: weights, log σ², the targets' units, and the running means and
    variances of batch normalisation, which so belong to the averaged weights. Counts are copied.

    Args:
        model: its present values are the first average.
        decay: d in the long run, 0 … 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.values = {name: value.detach().clone() for name, value in tensors_of(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the model's present values, after ``step`` steps. Reads nothing back from the device."""
        keep = min(self.decay, (1 + step) / (10 + step))
        pairs = [(self.values[name], value) for name, value in tensors_of(self.model).items()]
        floating = [(own, value) for own, value in pairs if own.is_floating_point()]
        torch._foreach_lerp_([own for own, _ in floating], [value for _, value in floating], 1 - keep)
        for own, value in pairs:
            if not own.is_floating_point():
                own.copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the model holds the average; afterwards it holds its own values again, to the bit."""
        present = tensors_of(self.model)
        kept = {name: value.detach().clone() for name, value in present.items()}
        _copy(self.values, present)
        try:
            yield
        finally:
            _copy(kept, present)

    def load(self, values: Mapping[str, Tensor], where: str) -> None:
        """Continue from saved ``values``; raises ``RunError``, naming ``where``, if they are of another model."""
        if {n: v.shape for n, v in values.items()} != {n: v.shape for n, v in self.values.items()}:
            raise RunError(f"{where}: expected the average of this model, found another: start again with --overwrite")
        _copy(values, self.values)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter and every buffer that is saved, by name, each once."""
    passing = {id(module._buffers[name]) for module in model.modules() for name in module._non_persistent_buffers_set}
    kept = {name: buffer for name, buffer in model.named_buffers() if id(buffer) not in passing}
    return {**dict(model.named_parameters()), **kept}


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in target.items():
        value.copy_(source[name])
