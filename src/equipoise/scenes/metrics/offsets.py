"""Accumulate errors of the vectors to instance centroids over the instance pixels of all images."""

from typing import Any

import numpy as np
import numpy.typing as npt


class OffsetErrors:
    """Mean absolute error per component (the training loss) and mean Euclidean error, px."""

    def __init__(self) -> None:
        self.count, self.absolute, self.euclidean = 0, 0.0, 0.0

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image ``(2, H, W)``; NaN targets mean no instance."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        labelled = ~np.isnan(target).any(0)
        error = prediction[:, labelled].astype(np.float64) - target[:, labelled]
        self.count += error.shape[1]
        self.absolute += float(np.abs(error).sum())
        self.euclidean += float(np.hypot(error[0], error[1]).sum())

    def merge(self, other: "OffsetErrors") -> None:
        """Add the sums of another accumulator."""
        self.count += other.count
        self.absolute += other.absolute
        self.euclidean += other.euclidean

    def compute(self) -> dict[str, float]:
        """Return ``mae_px`` (per component) and ``euclidean_px``."""
        if not self.count:
            return {"mae_px": float("nan"), "euclidean_px": float("nan")}
        return {"mae_px": self.absolute / (2 * self.count), "euclidean_px": self.euclidean / self.count}
