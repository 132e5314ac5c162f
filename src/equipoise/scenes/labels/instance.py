"""The instance label: the id of the object that each pixel belongs to, ``int32``; 0 = none."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from equipoise.errors import RecipeError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.io.images import stored_bits
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.class_description import SemanticDescription
from equipoise.scenes.labels.drawn import READERS
from equipoise.scenes.labels.instance_ids import (
    DescribedIds,
    DrawnIds,
    InstanceDescription,
    InstanceIds,
    PanopticIds,
    check_instances,
)
from equipoise.scenes.labels.label import (
    Array,
    CityscapesPlace,
    Label,
    LabelDescription,
    LabelledImage,
    Points,
    Reader,
    Source,
)
from equipoise.scenes.labels.one_class import misplaced, unlike_their_ids
from equipoise.scenes.labels.panoptic import PANOPTIC
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.stored import count_stored, largest_numbers
from equipoise.scenes.labels.values import such
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import Picture, instance_colors
from equipoise.scenes.wording import counted

FEW = 0.01
"""Ignore findings on a smaller share of pixels."""
MOST = 0.8
"""Report objects without an id if they are in a larger share of images.

Crowds and other pixels that have no id on purpose are in fewer; an object whose id is listed as background is in more.
"""


class InstanceLabel(Label):
    """Object ids that are unique in the image, ``int32 (H, W)``; 0 = none."""

    name = table = "instance"
    title, about = "instances", "the instance labels."
    dtype, absent = "int32", 0
    mixed_bits = "note"
    description = InstanceDescription
    cityscapes = CityscapesPlace(
        folder="gtFine",
        ending="gtFine_instanceIds.png",
        reader=lambda source: InstanceIds(source.vocabulary),
    )

    def reader(self, source: Source) -> Reader:
        """Create the reader of described instance labels."""
        described = cast(InstanceDescription, source.descriptions[self.name])
        semantic = cast(SemanticDescription | None, source.descriptions.get(SemanticLabel.name))
        if described.encoding == PANOPTIC:
            return PanopticIds(described, semantic, source.vocabulary, source.below(described.segments))
        reader = DrawnIds if described.encoding in READERS else DescribedIds
        return reader(described, semantic, source.vocabulary)

    def check_description(
        self, described: InstanceDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Check the ranges of numbers, and whether the table fits that of the classes."""
        check_instances(described, cast(SemanticDescription | None, others.get(SemanticLabel.name)), where)

    def check_given(self, given: Mapping[str, Any], described: InstanceDescription, where: str) -> None:
        """Refuse a factor with an encoding that does not use it."""
        if described.encoding != "class_factor" and "factor" in given:
            raise RecipeError(
                f'{where}: instance.factor: expected it with encoding = "class_factor", found '
                f'"{described.encoding}", which has none: leave it out, or change the encoding'
            )

    def points(self, array: Array) -> Points:
        """Return the centroids: an object that a crop cuts keeps its centroid in the whole image."""
        ids, centroids = instance_centroids(array, {})
        return {int(k): (float(x), float(y)) for k, (x, y) in zip(ids.tolist(), centroids, strict=True)}

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Count the objects, compare their classes with those that their ids imply, and count how they are stored."""
        array, path = image.labels[self.name], image.files[self.name]
        report.instances = np.unique(array[array != 0]).size
        report.agreement, crossed = unlike_their_ids(image, self.name)
        if crossed:
            report.crossed.append(f"{path}: expected instances on the class that their ids imply, found {crossed}")
        _count_countable(report, image, self.name)
        stored = count_stored(report, image, self.name)
        report.full += [str(path)] * (stored is not None and stored_bits(path) == 8 and report.instances >= 255)

    def faults(self, image: LabelledImage) -> Iterator[str]:
        """Report instances without a class or on a class that is not countable."""
        if SemanticLabel.name in image.labels and (wrong := misplaced(image, self.name)):
            yield (
                f"{image.files[self.name]}: expected instances on countable classes, found {wrong}: mark the class "
                "countable, or set instance.only_countable = true"
            )

    def split_faults(self, report: SplitReport) -> Iterator[str]:
        """Report instances on another class than their ids imply, if most ids imply the right class."""
        yield from report.crossed if report.agreement > 0 else ()

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Report ids that imply other classes, labels without objects, and ids that may have wrapped around."""
        if report.crossed and report.agreement <= 0:
            own = "do ids number the classes differently, or is the factor wrong?"
            yield f"{report.crossed[0]} ({counted(len(report.crossed), 'such label')}): {own}"
        if (count := report.labels[self.name]) and not report.instances:
            those = "the only one that has" if count == 1 else f"all {count} that have"
            yield (
                f"expected an instance in some image, found none in {those} such labels: "
                "check the instances' encoding, factor and background"
            )
        yield from largest_numbers(report, self.name, "instance", "background", own=False)
        message = "expected at most 254 objects in 8 bit, found every number used: did further ids wrap around? Save"
        yield from such(report.full, f"{message} as 16 bit")
        yield from such(report.uncounted, "expected instances on countable classes, found none at all")
        if len(report.without_id) >= MOST * report.countable:
            message = "expected ids on countable classes, found none on some of them: is an object's id in"
            yield from such(report.without_id, f"{message} instance.background?")

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Draw each object in its own colour."""
        return instance_colors(array)

    def facts(self, array: Array, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
        """Return the number of objects."""
        return [counted(int(np.count_nonzero(np.unique(array))), "object")]


def _count_countable(report: SplitReport, image: LabelledImage, name: str) -> None:
    """Count whether the pixels of countable classes have ids."""
    semantic, countable = image.labels.get(SemanticLabel.name), image.vocabulary.countable
    if semantic is None or not np.isin(semantic, countable).any():
        return
    path, with_id, reader = str(image.files[name]), image.labels[name] > 0, image.readers[name]
    report.countable = 1
    if not with_id.any():
        report.uncounted.append(path)
    elif reader.class_of(1) is None and not isinstance(reader, DrawnIds | PanopticIds):  # These mark groups otherwise.
        counted_pixels = np.isin(semantic, countable)
        report.without_id += [path] * bool(np.mean(with_id[counted_pixels]) < 1 - FEW)
