"""How the present code is being run: what may be read back, and what may change state."""

import torch
from torch import Tensor


def is_traced() -> bool:
    """Whether numbers are symbols now: under ``torch.compile``, ``torch.export`` or a functorch transform."""
    return torch.compiler.is_compiling() or in_functorch()


def in_functorch() -> bool:
    """Whether a functorch transform (``vmap``, ``grad`` …) is active: nothing may be changed in place then."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def is_readable(*tensors: Tensor) -> bool:
    """Whether looking at these numbers costs nothing: they lie on the CPU and are no symbols."""
    return not is_traced() and all(t.device.type == "cpu" for t in tensors)


def is_recomputing() -> bool:
    """Whether this is a second forward pass within a backward pass: activation checkpointing runs it again."""
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
