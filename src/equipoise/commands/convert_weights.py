"""``equipoise convert-weights FILE``."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equipoise.commands.display import output, say
from equipoise.errors import DataError, RecipeError, UsageError
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.tensors import read_tensors, tensors_as_bytes
from equipoise.scenes.networks.encoders import find_encoder
from equipoise.scenes.networks.encoders.encoder import EncoderModule
from equipoise.scenes.networks.encoders.layouts import customary, is_efficientnet_pytorch, unwrapped
from equipoise.scenes.networks.encoders.matching import expect_match, match

WITHIN = ("state_dict", "model", "model_state", "state_dict_ema", "model_ema")
"""Keys below which training programs keep the weights of a checkpoint."""
SUFFIX = ".safetensors"


def convert_weights(
    file: Path, /, *, out: Path | None = None, encoder: str | None = None, overwrite: bool = False
) -> None:
    """Convert published weights to a safetensors file, which model.encoder_weights can name.

    A .pth file is a pickle and may hold code: only tensors and plain values are read, and a file with anything else is
    refused. Prefixes such as "module." are removed; of a file that holds other parts, too, the encoder is kept.

    Args:
        file: a .pth, .pt, .bin or .safetensors file.
        out: the file to write; by default FILE with the suffix .safetensors.
        encoder: the encoder that the weights are for, named as in model.encoder_name: says how many of its tensors the
            file has, and refuses a file of another encoder.
        overwrite: replace a file that lies there.
    """
    target = out or file.with_suffix(SUFFIX)
    _check_target(file, target, overwrite=overwrite)
    tensors = unwrapped(read_published(file))
    if encoder is None:
        if is_efficientnet_pytorch(tensors):
            raise UsageError(
                f"{file}: expected --encoder, found none: the file has EfficientNet-PyTorch's names, and the encoder "
                "says what they become (tf_efficientnet_lite0, say)"
            )
        says = f"{len(tensors)} tensors; --encoder NAME would say how many fit an encoder"
    else:
        found, module = max(((match(tensors, module), module) for module in blanks(encoder)), key=lambda m: m[0].share)
        expect_match(found, module, str(file), encoder)
        tensors = customary(tensors, module.state_dict())
        says = f"for {encoder}, {found}"
    write_atomic(target, tensors_as_bytes({name: tensor.clone() for name, tensor in tensors.items()}))
    say(f"{target}: {says}", output())


def blanks(encoder_name: str) -> list[EncoderModule]:
    """An encoder at each of its strides, without values: some have fewer layers at some strides.

    Raises ``UsageError`` where there is none of this name.
    """
    made, refusal = [], ""
    try:
        entry = find_encoder(encoder_name)
    except RecipeError as error:
        raise UsageError(str(error).replace("model.encoder_name", "--encoder")) from None
    for stride in reversed(entry.strides):
        try:
            with torch.device("meta"):
                made.append(entry.build(stride, "batch"))
        except RecipeError as error:
            refusal = str(error).replace("model.encoder_name", "--encoder")
    if not made:
        raise UsageError(refusal)
    return made


def read_published(file: Path) -> dict[str, Tensor]:
    """The tensors of a published file, by name, whatever checkpoint they lie in; runs no code from it.

    Raises:
        DataError: the file holds code, or no weights, or cannot be read.
    """
    if file.suffix == SUFFIX:
        return read_tensors(file)
    if not file.is_file():
        raise DataError(f"expected weights at {file}, found no file: check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About the pickle's version: what cannot be read raises.
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(f"{file}: expected tensors and plain values alone, found {_cause(error)}") from None
    except OSError as error:
        raise DataError(f"{file}: expected a readable file, found: {error.strerror or error}") from None
    except (RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError, IndexError) as error:
        reason = f": {' '.join(str(error).split())[:120]}" if isinstance(error, RuntimeError) else ""
        raise DataError(
            f"{file}: expected weights saved by torch.save, found a damaged or other file{reason}"
        ) from None
    return _weights_within(content, file)


def _cause(error: pickle.UnpicklingError) -> str:
    """What was refused, of PyTorch's long explanation."""
    found = re.search(r"Unsupported (?:global: GLOBAL|class) ([\w.]+)|GLOBAL ([\w.]+)", str(error))
    if found is None:
        return "something else: it is damaged, or holds code, and was not read"
    return (
        f"{found[1] or found[2]}, which could run code: it was not read; where you trust its source, save its "
        "state_dict alone"
    )


def _weights_within(content: Any, file: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint."""
    seen = content
    while isinstance(seen, Mapping) and not _is_state_dict(seen):
        inner = next((key for key in WITHIN if isinstance(seen.get(key), Mapping)), None)
        if inner is None:
            break
        seen = seen[inner]
    if not isinstance(seen, Mapping) or not _is_state_dict(seen):
        keys = ", ".join(map(str, list(seen)[:4])) if isinstance(seen, Mapping) else type(seen).__name__
        raise DataError(
            f"{file}: expected a state dict, alone or below one of {', '.join(WITHIN)}, found {keys or 'nothing'}"
        )
    found = {str(name): tensor for name, tensor in seen.items() if isinstance(tensor, Tensor)}
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            kind = "quantized" if tensor.is_quantized else "without values" if tensor.is_meta else "sparse"
            raise DataError(
                f"{file}: expected dense tensors, found {name}, which is {kind}: save it by to_dense() or dequantize()"
            )
    return found


def _is_state_dict(content: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in content.values())


def _check_target(file: Path, target: Path, *, overwrite: bool) -> None:
    if target.suffix != SUFFIX:
        raise UsageError(f"--out: expected a name that ends in {SUFFIX}, found {target}")
    if path_exists(target):
        if file.exists() and file.samefile(target):
            raise UsageError(f"--out: expected another file than {file} itself: name one")
        if target.is_dir():
            raise UsageError(f"--out: expected a file, found a folder: {target}")
        if not overwrite:
            raise UsageError(f"expected no file at {target}, found one: choose another --out, or --overwrite it")
    if not target.parent.is_dir():
        raise UsageError(f"--out: expected the folder {target.parent}, found none: make it")
