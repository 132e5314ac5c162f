"""The inverse depth label, ``float32``: disparity, inverse metres, or relative depth without a unit; NaN = no label."""

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.distances import (
    DISTANCE_NAMES,
    DISTANCE_UNITS,
    InverseDepthUnit,
    distances,
    range_text,
    round_to_3_digits,
)
from equipoise.scenes.labels.label import (
    Array,
    CityscapesPlace,
    Label,
    LabelDescription,
    LabelledImage,
    Reader,
    Source,
)
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.stored import count_stored, largest_numbers, wraps
from equipoise.scenes.labels.stored_depth import DepthDescription, StoredDepth, check_depth, check_ray_camera
from equipoise.scenes.labels.values import such
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import Picture, disparity_colors

UNITS: dict[str, InverseDepthUnit] = {
    "disparity_px": "px",
    "depth_m": "1/m",
    "ray_distance_m": "1/m",
    "relative": "relative",
}
SAMPLED = 4096
"""Depth statistics use about this number of pixels of each image."""
FEW = 0.01
"""Ignore findings on a smaller share of pixels."""
NEAREST_M, FARTHEST_M = 0.01, 10_000.0
USUAL_M = (0.1, 100.0)
"""Usual medians of depth. Others suggest that metres, centimetres and millimetres were confused."""


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
        check_depth(described, where)

    def check_camera(self, described: DepthDescription, camera: Camera | None, where: str) -> None:
        """Check that the camera is known if it defines what is stored."""
        check_ray_camera(described, camera, where)

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
        reader, grey = image.readers[self.name], count_stored(report, image, self.name, pixels=far.size)
        stored = reader.stored(path) if grey is None else grey
        special = reader.special
        if unit == "px" and 0 not in special:
            report.zeros += [str(path)] * bool(np.mean((stored == 0) & ~_sky(image, stored.shape)) > FEW)
        if grey is None:
            return
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
