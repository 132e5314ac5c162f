"""Errors of the vectors to instance centroids, over all instance pixels of all images."""

from typing import Any

import numpy as np
import numpy.typing as npt


class OffsetErrors:
    """Mean absolute error per component (what is trained), and the mean Euclidean error, in px."""

    def __init__(self) -> None:
        self.count, self.absolute, self.euclidean = 0, 0.0, 0.0

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image ``(2, H, W)``; a NaN target is no instance."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        labelled = ~np.isnan(target).any(0)
        error = prediction[:, labelled].astype(np.float64) - target[:, labelled]
        self.count += error.shape[1]
        self.absolute += float(np.abs(error).sum())
        self.euclidean += float(np.hypot(error[0], error[1]).sum())

    def merge(self, other: "OffsetErrors") -> None:
        """Add another accumulator's sums."""
        self.count += other.count
        self.absolute += other.absolute
        self.euclidean += other.euclidean

    def compute(self) -> dict[str, float]:
        """``mae_px`` a component and ``euclidean_px``."""
        if not self.count:
            return {"mae_px": float("nan"), "euclidean_px": float("nan")}
        return {"mae_px": self.absolute / (2 * self.count), "euclidean_px": self.euclidean / self.count}
