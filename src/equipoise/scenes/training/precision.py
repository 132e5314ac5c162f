"""The number format of the network's forward pass."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def choose_precision(wanted: Literal["auto", "float32", "bfloat16"], device: torch.device) -> Precision:
    """Resolve ``auto``: bfloat16 where the processor or GPU computes in it natively, otherwise float32.

    A processor without such instructions emulates bfloat16, which is several times slower than float32.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    flags = torch.cpu.get_capabilities()
    native = flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16")
    return "bfloat16" if native else "float32"
