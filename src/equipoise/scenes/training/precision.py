"""The number format of the network's forward pass."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

from equipoise.errors import RecipeError

Precision = Literal["float32", "bfloat16", "float16"]
Products = Literal["ieee", "tf32"]
"""How a CUDA GPU multiplies float32 numbers: exactly, or by TensorFloat32, with 10 bits of mantissa."""

COARSEST_FIRST: tuple[Precision, ...] = ("bfloat16", "float16", "float32")
"""Where processes differ in what they can, all take the last of theirs."""
TENSOR_CORES = (7, 0)
"""The CUDA capability from which on float16 is much faster than float32."""


def choose_precision(wanted: Literal["auto", "float32", "bfloat16", "float16"], device: torch.device) -> Precision:
    """Resolve ``auto``: bfloat16 where the device computes in it natively, float16 on older GPUs, otherwise float32.

    A processor without bfloat16 instructions emulates it, which is several times slower than float32. On Apple's GPU
    ``auto`` is float32.

    Raises:
        RecipeError: float16 on a CPU, or bfloat16 on a GPU that cannot compute in it.
    """
    if wanted == "float16" and device.type == "cpu":
        raise RecipeError(
            "training.precision: expected bfloat16, float32 or auto on a CPU, found 'float16', which is a hundred "
            "times slower there: set another, or --device cuda"
        )
    if wanted == "bfloat16" and device.type == "cuda" and not _computes_bfloat16(device, emulated=True):
        raise RecipeError(
            "training.precision: expected float16, float32 or auto on this GPU, found 'bfloat16', which it lacks"
        )
    return _best(device) if wanted == "auto" else wanted


def _best(device: torch.device) -> Precision:
    if device.type == "cuda":
        if _computes_bfloat16(device):
            return "bfloat16"
        return "float16" if torch.cuda.get_device_capability(device) >= TENSOR_CORES else "float32"
    if device.type != "cpu":
        return "float32"
    flags = torch.cpu.get_capabilities()
    native = flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16")
    return "bfloat16" if native else "float32"


def _computes_bfloat16(device: torch.device, *, emulated: bool = False) -> bool:
    with torch.cuda.device(device):  # The question is about the current device.
        return bool(torch.cuda.is_bf16_supported(including_emulation=emulated))


def precision_on(recorded: Precision, device: torch.device) -> Precision:
    """The precision for a model of another device: the one that it was trained in, or float32 where that is too slow.

    So a model trained in float16 predicts in float32 on a CPU, and one trained in bfloat16 on a GPU that lacks it.
    """
    if recorded == "float16" and device.type == "cpu":
        return "float32"
    if recorded == "bfloat16" and device.type == "cuda" and not _computes_bfloat16(device):
        return "float32"
    return recorded


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context for the network's forward pass. The meta device has no autocast."""
    if precision == "float32" or device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))


def products(precision: Precision) -> Products:
    """How a CUDA GPU multiplies float32 numbers: exactly if that is the precision, else those left over by TF32."""
    return "ieee" if precision == "float32" else "tf32"


@contextmanager
def float32_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """On a CUDA GPU set ``products`` for matrix products and convolutions; restore afterwards."""
    if device.type != "cuda":
        yield
        return
    before, switches = [kind.fp32_precision for kind in _kinds()], _switches()
    chosen = products(precision)
    _set_products([chosen] * len(before), (chosen == "tf32",) * 2)
    try:
        yield
    finally:
        _set_products(before, switches)


def _kinds() -> tuple[Any, ...]:
    """The operations with a setting of their own."""
    cudnn: Any = torch.backends.cudnn
    return torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn


def _switches() -> tuple[bool, bool] | None:
    """PyTorch's older switches; ``None`` where they contradict the settings, in which case PyTorch does not say."""
    try:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return None


def _set_products(values: Sequence[str], switches: tuple[bool, bool] | None) -> None:
    """Set both interfaces: where they contradict each other PyTorch raises, in ``torch.compile`` for one."""
    if switches is not None:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = switches
    for kind, value in zip(_kinds(), values, strict=True):
        kind.fp32_precision = value
