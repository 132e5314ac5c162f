"""The devices of this machine, and the precisions that tests run in."""

from dataclasses import dataclass

import torch

DTYPES = (torch.float64, torch.float32, torch.bfloat16)
DEVICES = ["cpu"]
DEVICES += ["cuda"] if torch.cuda.is_available() else []
DEVICES += ["mps"] if torch.backends.mps.is_available() else []


@dataclass(frozen=True)
class Setting:
    """A device, and the precision of the network's outputs there.

    Noise, sums and losses have at least float32, so a loss is as exact for bfloat16 as for float32; gradients by the
    outputs are rounded to the outputs' precision.
    """

    device: str
    dtype: torch.dtype

    @property
    def wide(self) -> torch.dtype:
        """The dtype of the noise, of targets and losses."""
        return torch.float64 if self.dtype == torch.float64 else torch.float32

    @property
    def tolerance(self) -> float:
        """Relative, of a loss."""
        return 1e-10 if self.dtype == torch.float64 else 3e-5

    @property
    def gradient_tolerance(self) -> float:
        """Of gradients by the outputs, relative to the largest."""
        return 2e-2 if self.dtype == torch.bfloat16 else self.tolerance

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


SETTINGS = [
    Setting(device, dtype) for device in DEVICES for dtype in DTYPES if not (device == "mps" and dtype == torch.float64)
]
