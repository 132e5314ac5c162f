"""Inverse depth as people read it: metres where they are known, else disparity, else a number without a unit."""

from typing import Literal

import numpy as np
import numpy.typing as npt

InverseDepthUnit = Literal["px", "1/m", "relative"]
"""``px``: stereo disparity in pixels of the image it lies on; ``1/m``: inverse metres; ``relative``: no unit."""
READ_AS: dict[InverseDepthUnit | None, str] = {"1/m": "m", "px": "px", "relative": "", None: ""}
"""The unit of ``distances`` for each unit of inverse depth."""
KINDS: dict[InverseDepthUnit | None, str] = {
    "1/m": "depth",
    "px": "disparity",
    "relative": "relative depth (larger is nearer)",
    None: "depth",
}
"""What they are called."""


def distances(inverse_depth: npt.NDArray[np.float32], unit: InverseDepthUnit | None) -> npt.NDArray[np.float64]:
    """The labelled pixels that are not infinitely far, as a list: metres for 1/m, else as they are."""
    known = inverse_depth[np.isfinite(inverse_depth) & (inverse_depth > 0)].astype(np.float64)
    return 1.0 / known if unit == "1/m" else known


def rounded(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Positive numbers to 3 significant digits.

    >>> rounded(np.array([1234.5, 0.067891])).tolist()
    [1230.0, 0.0679]
    """
    places = 2 - np.floor(np.log10(values))
    finer, coarser = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    result: npt.NDArray[np.float64] = np.round(values * finer / coarser) / finer * coarser
    return result


def spread(least: float, median: float, largest: float, unit: str) -> str:
    """The range and the median in words.

    >>> spread(1.5, 12.0, 80.0, "m")
    '1.5 … 80 m, median 12 m'
    """
    end = f" {unit}" if unit else ""
    return f"{short(least)} … {short(largest)}{end}, median {short(median)}{end}"


def short(value: float) -> str:
    """A number to 3 digits, without powers of ten where it is read more easily.

    >>> short(12345.0), short(0.0123456)
    ('12300', '0.0123')
    """
    return f"{float(f'{value:.3g}'):.10g}"
