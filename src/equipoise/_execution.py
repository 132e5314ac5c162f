"""How the code is being run: whether numbers may be read back from a device, and whether state may change."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def is_traced() -> bool:
    """Whether tensors are symbols: under ``torch.compile``, ``torch.export`` or a functorch transform."""
    return torch.compiler.is_compiling() or in_functorch()


def in_functorch() -> bool:
    """Whether a functorch transform (``vmap``, ``grad`` …) is active, in which nothing may be changed in place."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def is_readable(*tensors: Tensor) -> bool:
    """Whether reading these numbers costs nothing: they lie on the CPU and are not traced."""
    return not is_traced() and all(t.device.type == "cpu" for t in tensors)


def may_wait_for(tensor: Tensor, occasion: int) -> bool:
    """Whether to read a tensor back at the n-th occasion (``occasion``, from 1).

    On the CPU always. On an accelerator, which would stall each time, only at the 1st, 2nd, 4th, 8th … occasion. On the
    meta device, which has no data, never.
    """
    if tensor.device.type == "cpu":
        return True
    return not tensor.is_meta and occasion & (occasion - 1) == 0


def without_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """A context in which operations keep their dtypes; the meta device has no autocast."""
    return nullcontext() if tensor.is_meta else torch.autocast(tensor.device.type, enabled=False)


def is_recomputing() -> bool:
    """Whether this is the second forward pass of activation checkpointing, which runs inside the backward pass."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
