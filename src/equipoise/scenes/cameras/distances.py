"""Show inverse depth to people: as metres if they are known, else as disparity or as relative depth."""

from typing import Literal

import numpy as np
import numpy.typing as npt

InverseDepthUnit = Literal["px", "1/m", "relative"]
"""``px``: stereo disparity in pixels of the image it lies on; ``1/m``: inverse metres; ``relative``: no unit."""
DISTANCE_UNITS: dict[InverseDepthUnit | None, str] = {"1/m": "m", "px": "px", "relative": "", None: ""}
"""The unit in which ``distances`` returns values, by unit of inverse depth."""
DISTANCE_NAMES: dict[InverseDepthUnit | None, str] = {
    "1/m": "depth",
    "px": "disparity",
    "relative": "relative depth (larger is nearer)",
    None: "depth",
}
"""What these values are called, by unit of inverse depth."""


def distances(inverse_depth: npt.NDArray[np.float32], unit: InverseDepthUnit | None) -> npt.NDArray[np.float64]:
    """Return a flat array of the labelled, finite distances: in metres for unit 1/m, otherwise unconverted."""
    known = inverse_depth[np.isfinite(inverse_depth) & (inverse_depth > 0)].astype(np.float64)
    return 1.0 / known if unit == "1/m" else known


def round_to_3_digits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round positive numbers to 3 significant digits.

    >>> round_to_3_digits(np.array([1234.5, 0.067891])).tolist()
    [1230.0, 0.0679]
    """
    places = 2 - np.floor(np.log10(values))
    finer, coarser = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    result: npt.NDArray[np.float64] = np.round(values * finer / coarser) / finer * coarser
    return result


def range_text(least: float, median: float, largest: float, unit: str) -> str:
    """Format a range and its median.

    >>> range_text(1.5, 12.0, 80.0, "m")
    '1.5 … 80 m, median 12 m'
    """
    end = f" {unit}" if unit else ""
    return f"{short_number(least)} … {short_number(largest)}{end}, median {short_number(median)}{end}"


def short_number(value: float) -> str:
    """Format a number with 3 significant digits, without an exponent unless it is very small or large.

    >>> short_number(12345.0), short_number(0.0123456)
    ('12300', '0.0123')
    """
    return f"{float(f'{value:.3g}'):.10g}"
