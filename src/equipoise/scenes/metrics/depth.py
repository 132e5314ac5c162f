"""Accumulate errors of inverse depth, and of depth in metres, over the labelled pixels of all images."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

FARTHEST_M, NEAREST_M = 80.0, 1e-3
"""The range in which depth from disparity is compared.

Farther away, a small fraction of a pixel of disparity is hundreds of metres.
"""


@dataclass(frozen=True, kw_only=True)
class Metres:
    """How to convert inverse depth to metres: ``factor`` / inverse depth.

    Attributes:
        factor: fx · baseline [m · px] for disparity, 1 for inverse metres.
        farthest: labels farther away than this, m, are left out; ``None``: no limit, for labels made in metres.
    """

    factor: float
    farthest: float | None = None


class InverseDepthErrors:
    """Mean absolute and root mean square error in the unit of the arrays, with and without the sky; also in metres.

    The sky (true inverse depth 0) counts like any other label. In metres it is infinitely far, and left out.

    Args:
        metres: how to convert to metres; ``None``: metres are unknown.
    """

    def __init__(self, metres: Metres | None = None) -> None:
        self.count, self.absolute, self.square = 0, 0.0, 0.0
        self.near_count, self.near_absolute, self.near_square = 0, 0.0, 0.0
        self.depth = DepthErrors()
        self._metres = metres

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image ``(1, H, W)``; NaN targets mean no label."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        labelled = ~np.isnan(target)
        truth, found = target[labelled].astype(np.float64), prediction[labelled].astype(np.float64)
        error = np.abs(found - truth)
        near = error[truth > 0]
        self.count += error.size
        self.absolute += float(error.sum())
        self.square += float((error**2).sum())
        self.near_count += near.size
        self.near_absolute += float(near.sum())
        self.near_square += float((near**2).sum())
        if self._metres is not None:
            self.depth.update(found[truth > 0], truth[truth > 0], self._metres)

    def merge(self, other: "InverseDepthErrors") -> None:
        """Add the sums of another accumulator."""
        for name in ("count", "absolute", "square", "near_count", "near_absolute", "near_square"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.depth.merge(other.depth)

    def compute(self) -> dict[str, float]:
        """Return ``mae`` and ``rmse`` over all labelled pixels, and ``mae_without_sky`` and ``rmse_without_sky``.

        If metres are known in some image, the metrics of ``DepthErrors`` are included.
        """
        return {
            "mae": _ratio(self.absolute, self.count),
            "rmse": _ratio(self.square, self.count) ** 0.5,
            "mae_without_sky": _ratio(self.near_absolute, self.near_count),
            "rmse_without_sky": _ratio(self.near_square, self.near_count) ** 0.5,
            **self.depth.compute(),
        }


@dataclass
class DepthErrors:
    """The usual errors of depth in metres (Eigen et al. 2014) over all pixels of all images.

    With true depth z, predicted depth ẑ and d = ln ẑ − ln z: ``abs_rel`` = mean |ẑ − z| / z, ``sq_rel`` =
    mean (ẑ − z)² / z in m, ``rmse_m`` = √mean (ẑ − z)², ``rmse_log`` = √mean d², ``silog`` = √(mean d² − (mean d)²), of
    which KITTI reports 100 times the value, ``delta_k`` = fraction of pixels with max(ẑ/z, z/ẑ) < 1.25ᵏ.

    Predictions are clipped to ``Metres.farthest``, or without it to the farthest label of the image, because
    predictions can be infinitely far.
    """

    labelled: int = 0
    count: int = 0
    relative: float = 0.0
    relative_square: float = 0.0
    square: float = 0.0
    log_square: float = 0.0
    log: float = 0.0
    within_1: int = 0
    within_2: int = 0
    within_3: int = 0

    def update(self, found: npt.NDArray[np.float64], truth: npt.NDArray[np.float64], metres: Metres) -> None:
        """Add the labelled pixels of one image, given as positive inverse depth."""
        true_m = metres.factor / truth
        counted = true_m <= (np.inf if metres.farthest is None else metres.farthest)
        self.labelled += truth.size
        if not counted.any():
            return
        true_m = true_m[counted]
        limit = float(true_m.max()) if metres.farthest is None else metres.farthest
        found_m = metres.factor / np.maximum(found[counted], metres.factor / limit)
        found_m = np.maximum(found_m, min(NEAREST_M, float(true_m.min())))
        ratio = np.maximum(found_m / true_m, true_m / found_m)
        self.count += true_m.size
        self.relative += float((np.abs(found_m - true_m) / true_m).sum())
        square = (found_m - true_m) ** 2
        self.relative_square += float((square / true_m).sum())
        self.square += float(square.sum())
        self.log_square += float((np.log(ratio) ** 2).sum())
        self.log += float(np.log(found_m / true_m).sum())
        self.within_1 += int((ratio < 1.25).sum())
        self.within_2 += int((ratio < 1.25**2).sum())
        self.within_3 += int((ratio < 1.25**3).sum())

    def merge(self, other: "DepthErrors") -> None:
        """Add the sums of another accumulator."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def compute(self) -> dict[str, float]:
        """Return the metrics, and ``share_in_metres``: the fraction of labelled pixels without sky that count here."""
        if not self.labelled:
            return {}
        mean_square = _ratio(self.log_square, self.count)
        return {
            "abs_rel": _ratio(self.relative, self.count),
            "sq_rel": _ratio(self.relative_square, self.count),
            "rmse_m": _ratio(self.square, self.count) ** 0.5,
            "rmse_log": mean_square**0.5,
            "silog": float(np.maximum(mean_square - _ratio(self.log, self.count) ** 2, 0.0) ** 0.5),
            "delta_1": _ratio(self.within_1, self.count),
            "delta_2": _ratio(self.within_2, self.count),
            "delta_3": _ratio(self.within_3, self.count),
            "share_in_metres": _ratio(self.count, self.labelled),
        }


def _ratio(total: float, count: int) -> float:
    return total / count if count else float("nan")
