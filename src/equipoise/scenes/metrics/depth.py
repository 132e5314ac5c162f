"""Errors of inverse depth, over all labelled pixels of all images."""

from typing import Any

import numpy as np
import numpy.typing as npt


class InverseDepthErrors:
    """Mean absolute and root mean square error, in the unit of the arrays, with and without the sky.

    The sky (true inverse depth 0) is a label like any other: dividing by the count of non-zero targets would drop it.
    """

    def __init__(self) -> None:
        self.count, self.absolute, self.square = 0, 0.0, 0.0
        self.near_count, self.near_absolute, self.near_square = 0, 0.0, 0.0

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image ``(1, H, W)``; a NaN target is no label."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        labelled = ~np.isnan(target)
        truth = target[labelled].astype(np.float64)
        error = np.abs(prediction[labelled].astype(np.float64) - truth)
        near = error[truth > 0]
        self.count += error.size
        self.absolute += float(error.sum())
        self.square += float((error**2).sum())
        self.near_count += near.size
        self.near_absolute += float(near.sum())
        self.near_square += float((near**2).sum())

    def merge(self, other: "InverseDepthErrors") -> None:
        """Add another accumulator's sums."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def compute(self) -> dict[str, float]:
        """``mae``, ``rmse`` over all labelled pixels, ``mae_without_sky``, ``rmse_without_sky`` over those nearer."""
        return {
            "mae": _ratio(self.absolute, self.count),
            "rmse": _ratio(self.square, self.count) ** 0.5,
            "mae_without_sky": _ratio(self.near_absolute, self.near_count),
            "rmse_without_sky": _ratio(self.near_square, self.near_count) ** 0.5,
        }


def _ratio(total: float, count: int) -> float:
    return total / count if count else float("nan")
