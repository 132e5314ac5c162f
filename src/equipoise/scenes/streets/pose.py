"""The position and direction of a vehicle."""

from dataclasses import dataclass

import numpy as np

from equipoise.scenes.streets.canvas import Floats


@dataclass(frozen=True, kw_only=True)
class Pose:
    """The middle of a vehicle's near end [m], and its direction away from the camera [rad]."""

    x: float
    z: float
    heading: float
    oncoming: bool = False

    def axes(self) -> tuple[Floats, Floats]:
        """Return unit vectors (x, y, z): from the near to the far end, and to the right."""
        sine, cosine = np.sin(self.heading), np.cos(self.heading)
        return np.array([sine, 0.0, cosine]), np.array([cosine, 0.0, -sine])
