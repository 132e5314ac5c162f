"""The car's camera: a pinhole camera whose principal point is at the row of the horizon.

A small pitch is modelled as a shift of the principal point's row. So vertical edges stay vertical, and
disparity = baseline · fx / depth holds exactly with the written intrinsics.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

REFERENCE_WIDTH, REFERENCE_FX, REFERENCE_BASELINE = 2048, 2262.52, 0.209313
"""The camera of Cityscapes."""


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
        """Return X/Z of each column."""
        return (np.arange(self.size[1]) - self.u0) / self.fx

    def slope_y(self) -> npt.NDArray[np.floating[Any]]:
        """Return (Y − camera height)/Z of each row; Y points up."""
        return (self.v0 - np.arange(self.size[0])) / self.fx

    def row(self, y_m: float, z_m: float) -> float:
        """Return the image row of a point with this height above the ground and this depth."""
        return self.v0 + self.fx * (self.height_m - y_m) / z_m

    def as_table(self) -> dict[str, Any]:
        """Return the content of a camera file in the format of Cityscapes."""
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
    """Draw a camera similar to that of Cityscapes: fx ± 8 %, height 1.15 … 1.75 m, the horizon above the middle."""
    height, width = size
    return StreetCamera(
        size=size,
        fx=float(REFERENCE_FX * width / REFERENCE_WIDTH * rng.uniform(0.92, 1.08)),
        baseline_m=REFERENCE_BASELINE,
        height_m=float(rng.uniform(1.15, 1.75)),
        u0=float(width / 2 - 0.5 + width * rng.uniform(-0.02, 0.02)),
        v0=float(height * rng.uniform(0.38, 0.5)),
    )
