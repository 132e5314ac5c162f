"""The inverse depth label, ``float32``: disparity, inverse metres, or relative depth without a unit; NaN = no label."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.distances import (
    DISTANCE_NAMES,
    DISTANCE_UNITS,
    InverseDepthUnit,
    distances,
    range_text,
    round_to_3_digits,
)
from equipoise.scenes.io.images import read_labels
from equipoise.scenes.labels.label import (
    Array,
    CityscapesPlace,
    Files,
    Label,
    LabelDescription,
    LabelledImage,
    Labels,
    Reader,
    Source,
    Stored,
)
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.stored import count_stored, largest_numbers, wraps
from equipoise.scenes.labels.values import expect_storable, such
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import Picture, disparity_colors

UNITS: dict[str, InverseDepthUnit] = {"disparity_px": "px", "depth_m": "1/m", "relative": "relative"}
SAMPLED = 4096
"""Depth statistics use about this number of pixels of each image."""
FEW = 0.01
"""Ignore findings on a smaller share of pixels."""
NEAREST_M, FARTHEST_M = 0.01, 10_000.0
USUAL_M = (0.1, 100.0)
"""Usual medians of depth. Others suggest that metres, centimetres and millimetres were confused."""


@dataclass(frozen=True, kw_only=True)
class DepthDescription:
    """Where depth labels are and how depth is stored: value = (p + offset) / divisor for the stored number p.

    Attributes:
        files: the pattern of the pictures, 8 or 16 bit.
        kind: ``disparity_px``: the value is disparity in px of the picture; ``depth_m``: depth in metres; ``relative``:
            a number without a unit, larger is nearer.
        offset: added to the stored number.
        divisor: divides the sum; its absolute value is 10^-6 … 10^9.
        invalid: stored numbers that mean no label.
        infinite: stored numbers that mean infinitely far.
        optional: images may lack this label.
    """

    files: str
    kind: Literal["disparity_px", "depth_m", "relative"]
    offset: float = 0.0
    divisor: float = 1.0
    invalid: tuple[int, ...] = ()
    infinite: tuple[int, ...] = ()
    optional: bool = False


class StoredDepth(Reader):
    """Reads depth as a data description defines it. A depth of 0 m has no inverse and counts as no label."""

    def __init__(self, described: DepthDescription, source: Source, *, palette: bool = False) -> None:
        self._described, self._sky, self._palette = described, source.vocabulary.sky, palette
        self._at_sky = 0.0 if source.sky_is_zero else np.nan
        self.special = (*described.invalid, *described.infinite)
        self._wide = min((n for n in self.special if n), default=0) > 255 or abs(described.divisor) > 255

    def stored(self, path: Path) -> Stored:
        """Read grey numbers of 8 or 16 bits."""
        return read_labels(path, wide=self._wide, palette=self._palette)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.float32]:
        """Convert to inverse depth. Raises ``DataError`` for negative values."""
        described = self._described
        value = (stored.astype(np.float64) + described.offset) / described.divisor + 0.0  # no negative zero
        invalid, infinite = (np.isin(stored, numbers) for numbers in (described.invalid, described.infinite))
        below_zero = (value < 0) & ~invalid & ~infinite
        if below_zero.any():
            raise DataError(
                f"{path}: expected depth of 0 or more, found {value[below_zero].min():.4g} for the stored number "
                f"{stored[below_zero].min()}: check depth.offset and depth.divisor, or add it to depth.invalid"
            )
        if described.kind == "depth_m":
            value = np.divide(1.0, value, out=np.full(value.shape, np.nan), where=value > 0)
        value[invalid] = np.nan
        value[infinite] = 0.0
        return value.astype(np.float32)

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """Set the sky to infinitely far or to no label, whatever is stored there."""
        semantic = found.get(SemanticLabel.name)
        if semantic is None or self._sky is None:
            return found[name]
        return np.where(semantic == self._sky, np.float32(self._at_sky), found[name])


CITYSCAPES = DepthDescription(files="", kind="disparity_px", offset=-1.0, divisor=256.0, invalid=(0,))
"""Disparity d = (p − 1)/256 px for p > 0, no label for p = 0."""


class InverseDepthLabel(Label):
    """Inverse depth, ``float32 (H, W)``; 0 = infinitely far. The unit px refers to the width of the array itself."""

    name, table = "inverse_depth", "depth"
    title, about = "depth", "the depth labels."
    dtype, absent = "float32", np.nan
    mixed_bits = "fault"
    description = DepthDescription
    cityscapes = CityscapesPlace(
        folder="disparity",
        ending="disparity.png",
        reader=lambda source: StoredDepth(CITYSCAPES, source, palette=True),
        meaning={"inverse_depth_unit": UNITS[CITYSCAPES.kind]},
    )

    def reader(self, source: Source) -> Reader:
        """Create the reader of described depth labels."""
        return StoredDepth(cast(DepthDescription, source.descriptions[self.name]), source)

    def meaning(self, described: DepthDescription) -> dict[str, object]:
        """Return the unit."""
        return {"inverse_depth_unit": UNITS[described.kind]}

    def check_description(
        self, described: DepthDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Check the ranges of numbers, and that each number has one meaning."""
        if not abs(described.offset) <= 1e9:
            raise RecipeError(
                f"{where}: depth.offset: expected a finite number of at most 10^9, found {described.offset}"
            )
        if not 1e-6 <= abs(described.divisor) <= 1e9:
            raise RecipeError(f"{where}: depth.divisor: expected 10^-6 … 10^9 in size, found {described.divisor}")
        for key in ("invalid", "infinite"):
            for value in getattr(described, key):
                expect_storable(value, f"{where}: depth.{key}")
        if both := set(described.invalid) & set(described.infinite):
            raise RecipeError(f"{where}: depth: expected {min(both)} in invalid or in infinite, found it in both")

    def resized(self, array: Array, ratio: float, vocabulary: SceneVocabulary) -> Array:
        """Scale disparity with the width of the array."""
        return array * np.float32(ratio) if vocabulary.inverse_depth_unit == "px" else array

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Count the depths, and how they are stored."""
        array, path, unit = image.labels[self.name], image.files[self.name], image.vocabulary.inverse_depth_unit
        report.depth_kind, report.depth_unit = DISTANCE_NAMES[unit], DISTANCE_UNITS[unit]
        far = distances(array, unit)
        if far.size:
            some = np.concatenate([far[:: -(-far.size // SAMPLED)], [far.min(), far.max()]])
            values, pixels = np.unique(round_to_3_digits(some), return_counts=True)
            report.depth.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
        stored = count_stored(report, image, self.name, pixels=far.size)
        if stored is None:
            return
        special = image.readers[self.name].special
        if unit == "px" and 0 not in special:
            report.zeros += [str(path)] * bool(np.mean((stored == 0) & ~_sky(image, stored.shape)) > FEW)
        report.wrapped += [str(path)] * wraps(stored, ~np.isin(stored, special))

    def faults(self, image: LabelledImage) -> Iterator[str]:
        """Report images without depth except for the sky, disparity above the image's width, and implausible metres."""
        array, path, unit = image.labels[self.name], image.files[self.name], image.vocabulary.inverse_depth_unit
        sky = _sky(image, array.shape)
        if not np.any(~np.isnan(array) & ~sky) and not np.all(sky):
            apart = " except for the sky" if np.any(sky) else ""
            yield f"{path}: expected depth labels, found none in the whole image{apart}"
        near = array[array > 0]
        if not near.size or unit == "relative":
            return
        low, high, width = float(near.min()), float(near.max()), array.shape[1]
        if unit == "px" and high > width:
            message = f"disparity of 0 … {width} px (the width of the image), found {low:.4g} … {high:.4g} px"
        elif unit == "1/m" and not 1 / FARTHEST_M <= low <= high <= 1 / NEAREST_M:
            message = f"depth of {NEAREST_M:g} … {FARTHEST_M:,.0f} m, found {1 / high:.4g} … {1 / low:.4g} m"
        else:
            return
        yield f"{path}: expected {message}: check depth.offset, depth.divisor and depth.invalid"

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Report metres in another unit, numbers with a special meaning, and numbers that may have wrapped around."""
        found = report.depth_range()
        if found is not None and report.depth_unit == "m" and not USUAL_M[0] <= found[1] <= USUAL_M[1]:
            yield (
                f"expected a median depth of {USUAL_M[0]:g} … {USUAL_M[1]:g} m, found {range_text(*found, 'm')}: check "
                "depth.divisor (1 if metres are stored, 100 for centimetres, 1000 for millimetres)"
            )
        yield from largest_numbers(report, self.name, "depth", "infinite or depth.invalid", own=True)
        first = "expected numbers that do not wrap around, found jumps by the whole range of values on smooth surfaces"
        yield from such(report.wrapped, f"{first}: was depth saved in too few bits?")
        line = "expected 0 in depth.invalid (no label) or depth.infinite, found it in neither: it means infinitely far"
        yield from such(report.zeros, line)

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Draw near pixels bright."""
        return disparity_colors(array)

    def facts(self, array: Array, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
        """Return the range and the median of depth, and a legend."""
        return [
            depth_caption(array, vocabulary.inverse_depth_unit, camera),
            "near is bright, grey has no label",
        ]


def depth_caption(
    inverse_depth: npt.NDArray[np.float32], unit: InverseDepthUnit | None, camera: Camera | None = None
) -> str:
    """Describe the range and the median of depth in metres, or of disparity, with metres if a camera is known.

    >>> depth_caption(np.array([0.5, 0.25, 0.1, np.nan, 0.0], np.float32), "1/m")
    'depth 2 … 10 m, median 4 m'
    """
    found = distances(inverse_depth, unit)
    if not found.size:
        return "no depth"
    said = (
        f"{DISTANCE_NAMES[unit]} {range_text(found.min(), float(np.median(found)), found.max(), DISTANCE_UNITS[unit])}"
    )
    if unit == "px" and camera is not None:
        height, width = inverse_depth.shape
        if metre_pixels := camera.scaled_to((height, width)).metre_pixels:
            metres = metre_pixels / found
            said += f" (depth {range_text(metres.min(), float(np.median(metres)), metres.max(), 'm')})"
    return said


def _sky(image: LabelledImage, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return which pixels show the sky; none if that is unknown."""
    semantic, sky = image.labels.get(SemanticLabel.name), image.vocabulary.sky
    return np.zeros(shape, bool) if semantic is None or sky is None else semantic == sky
