"""The instance label: an id for every pixel of a counted object, ``int32``, 0 where there is none."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np

from equipoise.errors import RecipeError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.io.images import stored_bits
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.instance_ids import DescribedIds, InstanceDescription, InstanceIds, check_instances
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
from equipoise.scenes.labels.semantic import SemanticDescription, SemanticLabel
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.stored import count_largest, largest_numbers, stored_numbers
from equipoise.scenes.labels.values import such
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import Picture, instance_colors
from equipoise.scenes.wording import counted

FEW = 0.01
"""A smaller share of pixels proves nothing."""
MOST = 0.8
"""Crowds and other parts without an id are not in so many images; an object whose id means none is."""


class InstanceLabel(Label):
    """Ids that are unique in the image."""

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
        """Numbers or colours."""
        described = cast(InstanceDescription, source.descriptions[self.name])
        semantic = cast(SemanticDescription | None, source.descriptions.get(SemanticLabel.name))
        return DescribedIds(described, semantic, source.vocabulary)

    def check_description(
        self, described: InstanceDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Numbers in range, and agreement with the classes."""
        check_instances(described, cast(SemanticDescription | None, others.get(SemanticLabel.name)), where)

    def check_given(self, given: Mapping[str, Any], described: InstanceDescription, where: str) -> None:
        """A factor belongs to one encoding."""
        if described.encoding != "class_factor" and "factor" in given:
            raise RecipeError(
                f'{where}: instance.factor: expected it with encoding = "class_factor", found '
                f'"{described.encoding}", which has none: leave it out, or change the encoding'
            )

    def points(self, array: Array, known: Points) -> Points:
        """The centroids: an object that a crop cuts keeps the one it has in the whole image."""
        ids, centroids = instance_centroids(array, known)
        return {int(k): (float(x), float(y)) for k, (x, y) in zip(ids.tolist(), centroids, strict=True)}

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """How many objects an image has, whether they lie on the classes that their ids imply, how they are stored."""
        array, path = image.labels[self.name], image.files[self.name]
        report.instances = np.unique(array[array != 0]).size
        report.agreement, crossed = unlike_their_ids(image, self.name)
        if crossed:
            report.crossed.append(f"{path}: expected instances on the class that their ids tell, found {crossed}")
        _count_countable(report, image, self.name)
        bits = stored_bits(path)
        report.bits[f"{self.name}, {bits} bit"] = 1
        stored = stored_numbers(path)
        if stored is None:
            return
        report.pixels[self.name] = stored.size
        count_largest(report, self.name, bits, stored[array > 0])
        report.full += [str(path)] * (bits == 8 and report.instances >= 255)

    def faults(self, image: LabelledImage) -> Iterator[str]:
        """Instances without a class, or on one whose objects are not counted."""
        if SemanticLabel.name in image.labels and (wrong := misplaced(image, self.name)):
            yield (
                f"{image.files[self.name]}: expected instances on countable classes, found {wrong}: mark the class "
                "countable, or set instance.only_countable = true"
            )

    def split_faults(self, report: SplitReport) -> Iterator[str]:
        """Single instances on another class than their ids imply, where most of them agree."""
        yield from report.crossed if report.agreement > 0 else ()

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Ids that imply other classes, labels without objects, ids that wrapped around."""
        if report.crossed and report.agreement <= 0:
            own = "do ids count classes in their own way, or is the factor wrong?"
            yield f"{report.crossed[0]} ({counted(len(report.crossed), 'such label')}): {own}"
        if (count := report.labels[self.name]) and not report.instances:
            those = "the only one that has" if count == 1 else f"all {count} that have"
            yield (
                f"expected an instance in some image, found none in {those} such labels: "
                "check the instances' encoding, factor and background"
            )
        yield from largest_numbers(report, self.name, "instance", "background", own=False)
        message = "expected at most 254 objects in 8 bit, found every number used: did further ids wrap around? save"
        yield from such(report.full, f"{message} 16 bit")
        yield from such(report.uncounted, "expected instances on countable classes, found none at all")
        if len(report.without_id) >= MOST * report.countable:
            message = "expected ids on countable classes, found none on some of them: is an object's id in"
            yield from such(report.without_id, f"{message} instance.background?")

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Each object in a colour of its own."""
        return instance_colors(array)

    def facts(self, array: Array, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
        """How many objects there are."""
        return [counted(int(np.count_nonzero(np.unique(array))), "object")]


def _count_countable(report: SplitReport, image: LabelledImage, name: str) -> None:
    """Whether the pixels of countable classes have ids."""
    semantic, countable = image.labels.get(SemanticLabel.name), image.vocabulary.countable
    if semantic is None or not np.isin(semantic, countable).any():
        return
    path, with_id = str(image.files[name]), image.labels[name] > 0
    report.countable = 1
    if not with_id.any():
        report.uncounted.append(path)
    elif image.readers[name].class_of(1) is None:  # Where ids imply classes, smaller numbers mean groups.
        counted_pixels = np.isin(semantic, countable)
        report.without_id += [path] * bool(np.mean(with_id[counted_pixels]) < 1 - FEW)
