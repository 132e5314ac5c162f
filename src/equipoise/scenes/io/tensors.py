"""Read and write named tensors in the safetensors format."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from equipoise.errors import RunError
from equipoise.scenes.io.files import path_exists


def tensors_as_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Encode named tensors in the safetensors format."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises ``RunError`` with a message of one line."""
    if not path_exists(path):
        raise RunError(f"expected weights at {path}, found none: did the run finish?")
    if not path.is_file():
        raise RunError(f"{path}: expected a safetensors file, found no regular file")
    try:
        with path.open("rb"):
            pass  # safetensors reports an unreadable file as missing; Python's error is right.
        return safetensors.torch.load_file(path)
    except OSError as error:
        raise RunError(f"{path}: expected a readable safetensors file, found: {error.strerror or error}") from None
    except SafetensorError as error:
        raise RunError(f"{path}: expected a safetensors file, found invalid content: {error}") from None
