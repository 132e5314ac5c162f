"""Tensors that may be sharded over ranks (``fully_shard``): the whole, or this rank's part."""

from typing import Any, cast

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is a DTensor."""
    return hasattr(tensor, "to_local")


def full(tensor: Tensor) -> Tensor:
    """The whole tensor."""
    return cast(Any, tensor).full_tensor() if is_sharded(tensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """This rank's part."""
    return cast(Any, tensor).to_local() if is_sharded(tensor) else tensor


def as_stored(tensor: Tensor, like: Tensor) -> Tensor:
    """This rank's part of a whole tensor, sharded like ``like``."""
    if not is_sharded(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    sharded: Any = like
    return local(distribute_tensor(tensor, sharded.device_mesh, sharded.placements, src_data_rank=None))
