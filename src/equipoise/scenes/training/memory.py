"""Too little memory, on a GPU or the CPU, in one line that names what took it and what to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from equipoise.errors import OutOfMemoryError

CAUSES = ("DefaultCPUAllocator", "out of memory", "STATUS_ALLOC_FAILED")
"""How allocators that raise a plain ``RuntimeError`` say it: of CUDA, HIP and MPS, and of cuBLAS and cuDNN."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error only says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(cause in str(error) for cause in CAUSES)


@contextmanager
def naming_memory(device: torch.device, work: str, remedy: str) -> Iterator[None]:
    """Turn an error of too little memory in this context into one line.

    Args:
        device: that ran out of it.
        work: what was computed, with its sizes.
        remedy: what to lower.

    Raises:
        OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"expected enough memory on {device} for {work}, found too little: {remedy}") from None


def training_remedy(precision: str) -> str:
    """What to lower where a training step takes too much memory."""
    sixteen = " set training.precision = 'bfloat16'," if precision == "float32" else ""
    return (
        f"lower training.batch_size, raise training.accumulate,{sixteen} lower data.size or augmentation.crop, or take "
        "a smaller model"
    )
