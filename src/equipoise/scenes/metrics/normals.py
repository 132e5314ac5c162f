"""Accumulate the angular error of surface normals over the labelled pixels of all images."""

from typing import Any

import numpy as np
import numpy.typing as npt

BINS_PER_DEGREE = 40
THRESHOLDS = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}


class AngularErrors:
    """Mean and median angle in degrees, and the fractions of pixels within 11.25°, 22.5° and 30°.

    The median comes from a histogram and is accurate to 1/40 of a degree.
    """

    def __init__(self) -> None:
        self.count, self.total = 0, 0.0
        self.within = dict.fromkeys(THRESHOLDS, 0)
        self.histogram = np.zeros(180 * BINS_PER_DEGREE, np.int64)

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image of vectors ``(3, H, W)``; NaN targets mean no label."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        labelled = ~np.isnan(target).any(0)
        angle = angles(prediction[:, labelled], target[:, labelled])
        self.count += angle.size
        self.total += float(angle.sum())
        for name, limit in THRESHOLDS.items():
            self.within[name] += int((angle < limit).sum())
        bins = np.minimum((angle * BINS_PER_DEGREE).astype(np.int64), len(self.histogram) - 1)
        self.histogram += np.bincount(bins, minlength=len(self.histogram))

    def merge(self, other: "AngularErrors") -> None:
        """Add the counts of another accumulator."""
        self.count += other.count
        self.total += other.total
        self.histogram += other.histogram
        for name, count in other.within.items():
            self.within[name] += count

    def compute(self) -> dict[str, float]:
        """Return ``mean_deg``, ``median_deg``, and ``within_11``, ``within_22`` and ``within_30`` in 0 … 1."""
        if not self.count:
            return dict.fromkeys(("mean_deg", "median_deg", *THRESHOLDS), float("nan"))
        middle = int(np.searchsorted(np.cumsum(self.histogram), (self.count + 1) // 2))
        shares = {name: count / self.count for name, count in self.within.items()}
        return {"mean_deg": self.total / self.count, "median_deg": (middle + 0.5) / BINS_PER_DEGREE, **shares}


def angles(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the angles in degrees between vectors ``(3, N)`` of any length.

    For unit vectors the angle is 2·atan2(|a − b|, |a + b|), which is accurate near 0° and 180°, unlike the arc cosine.

    >>> angles(np.array([[1.0], [0.0], [0.0]]), np.array([[0.0], [2.0], [0.0]])).tolist()
    [90.0]
    """
    a, b = (v.astype(np.float64) / np.maximum(np.linalg.norm(v, axis=0), 1e-12) for v in (first, second))
    found: npt.NDArray[np.float64] = np.degrees(
        2.0 * np.arctan2(np.linalg.norm(a - b, axis=0), np.linalg.norm(a + b, axis=0))
    )
    return found
