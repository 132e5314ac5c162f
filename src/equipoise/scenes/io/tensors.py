"""Named tensors in the safetensors format."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from equipoise.errors import RunError
from equipoise.scenes.io.files import path_exists


def tensors_as_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors in the safetensors format."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors from a safetensors file; raises ``RunError`` in one line."""
    if not path_exists(path):
        raise RunError(f"expected weights at {path}, found none: was the run finished?")
    if not path.is_file():
        raise RunError(f"{path}: expected safetensors, found no regular file")
    try:
        with path.open("rb"):
            pass  # Rust's own message of a file that may not be read says that there is none.
        return safetensors.torch.load_file(path)
    except OSError as error:
        raise RunError(f"{path}: expected safetensors that may be read, found: {error.strerror or error}") from None
    except SafetensorError as error:
        raise RunError(f"{path}: expected safetensors, found something else: {error}") from None
