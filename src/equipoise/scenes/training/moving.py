"""Batches on their way to the device that trains on them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from equipoise.scenes.training.memory import naming_memory, training_remedy


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Images ``uint8 (B, 3, H, W)`` (channels last in memory), each task's targets, and where they come from.

    A task's targets are those of the images that have its label, ``rows`` says which; where no image has it, there are
    none. ``weights`` says how much each of those images counts; ``None``: all the same.
    """

    images: Tensor
    targets: dict[str, Tensor]
    rows: dict[str, Tensor]
    epoch: float
    names: tuple[str, ...]
    weights: dict[str, Tensor] | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same batch with every tensor changed."""
        return replace(
            self,
            images=change(self.images),
            targets={name: change(value) for name, value in self.targets.items()},
            rows={name: change(value) for name, value in self.rows.items()},
            weights=None if self.weights is None else {name: change(value) for name, value in self.weights.items()},
        )

    def pin_memory(self) -> Self:
        """The same in page-locked memory, from which a GPU copies by itself; torch's ``DataLoader`` calls this."""
        return self.each(torch.Tensor.pin_memory)

    def to(self, device: torch.device) -> Self:
        """The same on a device; to a CUDA GPU the copy may still be under way."""
        # Only CUDA keeps pinned memory until a copy is done; MPS copies from memory that may be used again meanwhile.
        return self.each(lambda tensor: tensor.to(device, non_blocking=device.type == "cuda"))


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on a device.

    A CUDA GPU copies the next batch on a stream of its own while it still computes with the present one: no step waits
    for the GPU, so the host is ahead of it.
    """
    if device.type == "cpu":
        yield from batches
    elif device.type == "cuda":
        yield from _on_gpu(batches, device)
    else:
        yield from (_moved(batch, device) for batch in batches)


def _moved(batch: Batch, device: torch.device) -> Batch:
    with naming_memory(device, f"a batch of {len(batch.images)} images", training_remedy("")):
        return batch.to(device)


def _on_gpu(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for batch in batches:
        with torch.cuda.stream(copying):
            moved = _moved(batch, device)
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(copying)
        moved.each(lambda tensor, stream=computing: _used_on(tensor, stream))  # type: ignore[misc]
        yield moved


def _used_on(tensor: Tensor, stream: torch.cuda.Stream) -> Tensor:
    """Keep the tensor's memory from being given away before the work of this stream is done with it."""
    tensor.record_stream(stream)
    return tensor
