"""Where a vehicle stands."""

from dataclasses import dataclass

import numpy as np

from equipoise.scenes.streets.canvas import Floats


@dataclass(frozen=True, kw_only=True)
class Pose:
    """The middle of a vehicle's near end, and its direction away from the camera, in m and rad."""

    x: float
    z: float
    heading: float
    oncoming: bool = False

    def axes(self) -> tuple[Floats, Floats]:
        """Unit vectors (x, y, z) from the near end to the far one, and to the right."""
        sine, cosine = np.sin(self.heading), np.cos(self.heading)
        return np.array([sine, 0.0, cosine]), np.array([cosine, 0.0, -sine])
