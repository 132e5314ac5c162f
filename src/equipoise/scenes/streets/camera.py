"""The car's camera: a pinhole whose principal point lies at the horizon.

Pitch is a shift of the principal point's row, as a small pitch is, so that uprights stay upright and
disparity = baseline · fx / depth holds exactly with the written intrinsics.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

REFERENCE_WIDTH, REFERENCE_FX, REFERENCE_BASELINE = 2048, 2262.52, 0.209313
"""Cityscapes' own camera."""


@dataclass(frozen=True, kw_only=True)
class StreetCamera:
    """Intrinsics in px of the image, lengths in m."""

    size: tuple[int, int]
    fx: float
    baseline_m: float
    height_m: float
    u0: float
    v0: float

    def slope_x(self) -> npt.NDArray[np.floating[Any]]:
        """X/Z of each column."""
        return (np.arange(self.size[1]) - self.u0) / self.fx

    def slope_y(self) -> npt.NDArray[np.floating[Any]]:
        """(Y − camera height)/Z of each row, upwards."""
        return (self.v0 - np.arange(self.size[0])) / self.fx

    def row(self, y_m: float, z_m: float) -> float:
        """The row that shows a height above the ground at a depth."""
        return self.v0 + self.fx * (self.height_m - y_m) / z_m

    def as_table(self) -> dict[str, Any]:
        """In the form of Cityscapes' camera files."""
        return {
            "extrinsic": {
                "baseline": self.baseline_m,
                "pitch": 0.0,
                "roll": 0.0,
                "x": 0.0,
                "y": 0.0,
                "yaw": 0.0,
                "z": self.height_m,
            },
            "intrinsic": {"fx": self.fx, "fy": self.fx, "u0": self.u0, "v0": self.v0},
        }


def random_camera(size: tuple[int, int], rng: np.random.Generator) -> StreetCamera:
    """A camera near Cityscapes' own: fx ± 8 %, height 1.15 … 1.75 m, the horizon above the middle."""
    height, width = size
    return StreetCamera(
        size=size,
        fx=float(REFERENCE_FX * width / REFERENCE_WIDTH * rng.uniform(0.92, 1.08)),
        baseline_m=REFERENCE_BASELINE,
        height_m=float(rng.uniform(1.15, 1.75)),
        u0=float(width / 2 - 0.5 + width * rng.uniform(-0.02, 0.02)),
        v0=float(height * rng.uniform(0.38, 0.5)),
    )
