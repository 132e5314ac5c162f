"""Join several data sets. Classes with the same name are one class; what a data set does not label has no label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.parts import Choose, read_part, whole
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.semantic import reindexed
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary
from equipoise.scenes.visual.colors import distinct_colors


def renamed(vocabulary: SceneVocabulary, names: Mapping[str, str]) -> tuple[SceneVocabulary, npt.NDArray[np.uint8]]:
    """Rename the classes of a vocabulary.

    Args:
        vocabulary: what the labels mean.
        names: old name → new name. Classes with the same new name become one class with the properties of the first;
            an empty name means no label.

    Returns:
        The new vocabulary, and a table ``uint8 (256,)`` from old to new indices; ``IGNORE`` = no label.

    Raises:
        RecipeError: ``names`` contains an unknown class.
    """
    known = [c.name for c in vocabulary.classes]
    for name in names:
        if name not in known:
            message = suggestion(name, known) if known else ": the data set has no classes"
            raise RecipeError(f"classes: found {name!r}{message}")
    if unclean := [name for name in names.values() if name != name.strip()]:
        raise RecipeError(f"classes: expected names without surrounding spaces, found {unclean[0]!r}")
    called = [names.get(name, name) for name in known]
    classes: dict[str, SceneClass] = {}
    for c, name in zip(vocabulary.classes, called, strict=True):
        if name:
            classes.setdefault(name, replace(c, name=name))
    order = list(classes)
    table = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(called):
        table[index] = order.index(name) if name else IGNORE
    sky = called[vocabulary.sky] if vocabulary.sky is not None else ""
    changed = replace(vocabulary, classes=tuple(classes.values()), sky=order.index(sky) if sky else None)
    return changed, table


def union(vocabularies: Mapping[str, SceneVocabulary]) -> SceneVocabulary:
    """Merge the vocabularies of several data sets; classes with the same name are one class.

    A class is countable if it is countable in any of the data sets.

    Raises:
        RecipeError: the sky is not the same class everywhere, units of depth differ, or there are over 255 classes.
    """
    classes: dict[str, SceneClass] = {}
    for vocabulary in vocabularies.values():
        for c in vocabulary.classes:
            if c.name not in classes:
                classes[c.name] = replace(c, color=_unused(c.color, [other.color for other in classes.values()]))
            known = classes[c.name]
            classes[c.name] = replace(known, countable=known.countable or c.countable)
    skies = {name: v.classes[v.sky].name for name, v in vocabularies.items() if v.sky is not None}
    units = {name: v.inverse_depth_unit for name, v in vocabularies.items() if v.inverse_depth_unit is not None}
    for what, found in (("class that is the sky", skies), ("unit of inverse depth", units)):
        if len(set(found.values())) > 1:
            message = ", ".join(f"{value} ({name})" for name, value in found.items())
            raise RecipeError(f"also: expected one {what} in all data sets, found {message}")
    if len(classes) > IGNORE:
        raise RecipeError(f"also: expected at most {IGNORE} classes in all data sets, found {len(classes)}")
    return SceneVocabulary(
        classes=tuple(classes.values()),
        sky=list(classes).index(next(iter(skies.values()))) if skies else None,
        inverse_depth_unit=next(iter(units.values()), None),
        labels=tuple(name for name in LABELS if any(name in v.labels for v in vocabularies.values())),
    )


def _unused(color: tuple[int, int, int], taken: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    """Return a class's colour, or another one if it is taken."""
    return distinct_colors(1, taken)[0] if color in taken else color


class RenamedDataset:
    """A data set with renamed classes: see ``renamed``."""

    def __init__(self, dataset: SceneDataset, names: Mapping[str, str]) -> None:
        self.names = dataset.names
        self.vocabulary, self._table = renamed(dataset.vocabulary, names)
        self.faults: tuple[str, ...] = getattr(dataset, "faults", ())
        self._dataset = dataset

    def __len__(self) -> int:
        """The number of images."""
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample, with the new class indices."""
        return self.part(index, whole)

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of one sample."""
        sample = read_part(self._dataset, index, choose)
        return replace(sample, labels=reindexed(sample.labels, self._table))

    def camera(self, index: int) -> Camera | None:
        """The camera of one image."""
        return self._dataset.camera(index)

    def fingerprint(self) -> str:
        """Return a hash that changes when the files or the names do."""
        return self._dataset.fingerprint() + self._table.tobytes().hex()


class JoinedDataset:
    """Several data sets, one after another, with a common vocabulary. Images are named ``SET/NAME``.

    Args:
        sets: the data sets by name.
        repeats: how often each data set is repeated.
        weights: the weight of the images of each data set; ``None``: 1.
    """

    def __init__(
        self, sets: Mapping[str, SceneDataset], repeats: Sequence[int], weights: Sequence[float] | None = None
    ) -> None:
        self._weights = [1.0] * len(sets) if weights is None else list(weights)
        self.vocabulary = union({name: one.vocabulary for name, one in sets.items()})
        order = {c.name: index for index, c in enumerate(self.vocabulary.classes)}
        self._sets, self._tables = list(sets.values()), []
        for one in self._sets:
            table = np.full(256, IGNORE, np.uint8)
            table[: len(one.vocabulary.classes)] = [order[c.name] for c in one.vocabulary.classes]
            self._tables.append(table)
        self._places = [
            (number, index)
            for number, (one, repeat) in enumerate(zip(self._sets, repeats, strict=True))
            for index in list(range(len(one))) * repeat
        ]
        titles = list(sets)
        self.names = tuple(f"{titles[number]}/{self._sets[number].names[index]}" for number, index in self._places)

    def __len__(self) -> int:
        """The number of images, repeats included."""
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample, with the common class indices."""
        return self.part(index, whole)

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of one sample."""
        number, own = self._places[index]
        sample = read_part(self._sets[number], own, choose)
        labels = reindexed(sample.labels, self._tables[number])
        return replace(sample, name=self.names[index], labels=labels, weight=self._weights[number])

    def camera(self, index: int) -> Camera | None:
        """The camera of one image."""
        number, own = self._places[index]
        return self._sets[number].camera(own)

    def fingerprint(self) -> str:
        """Return a hash that changes when any of the data sets does."""
        return " ".join(one.fingerprint() for one in self._sets)
