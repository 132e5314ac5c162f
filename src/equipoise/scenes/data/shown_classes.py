"""Notices about classes that no image shows, that training never sees, or that are the only one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.scenes.labels.split_report import SplitReport

SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """The number of images of a split that show each class.

    Attributes:
        split: the name of the split.
        trains: whether it is used for training.
        images: the number of images that show each class, by the class's name in the run; may be 0.
        described: whether the user listed the classes; a fixed layout has classes that a data set need not show.
    """

    split: str
    trains: bool
    images: Mapping[str, int]
    described: bool


def class_counts(
    split: str,
    report: SplitReport,
    classes: Sequence[str],
    *,
    trains: bool,
    described: bool,
    names: Mapping[str, str] | None = None,
) -> ClassCounts:
    """The class counts of a split after renaming by ``names``; classes with an empty name are dropped."""
    images: Counter[str] = Counter()
    for own in classes:
        if name := (names or {}).get(own, own):
            images[name] += report.classes[own]
    return ClassCounts(split=split, trains=trains, images=images, described=described)


def class_notes(splits: Sequence[ClassCounts]) -> Iterator[tuple[str, str]]:
    """Yield notices, each with the split that it belongs to."""
    splits = [one for one in splits if one.images]
    if not splits:
        return
    training = [one for one in splits if one.trains]
    trained = _shown(training)
    first = (training or splits)[0].split
    known = list(dict.fromkeys(name for one in splits for name in one.images))
    if len(known) == 1:
        message = "the network will predict it everywhere; describe the rest as a class instead of ignoring it"
        yield first, f"expected at least two classes, found {known[0]!r} alone: {message}"
    elif len(trained) == 1:
        yield first, f"expected at least two classes in the images to train on, found {min(trained)!r} alone"
    described = {name for one in splits if one.described for name in one.images}
    if unseen := [name for name in known if name in described - _shown(splits)]:
        where = " and ".join(dict.fromkeys(one.split for one in splits))
        message = f"found no image of {where} that shows {_some(unseen)}: check the numbers or colours of these classes"
        yield first, f"expected each class in some image, {message}"
    yield from _untrained(splits, trained)


def _shown(splits: Sequence[ClassCounts]) -> set[str]:
    return {name for one in splits for name, count in one.images.items() if count}


def _untrained(splits: Sequence[ClassCounts], trained: set[str]) -> Iterator[tuple[str, str]]:
    for one in splits:
        only = [f"{name} ({count})" for name, count in one.images.items() if count and name not in trained]
        if only and trained and not one.trains:
            message = "the network cannot learn them: split the images differently"
            yield one.split, f"expected only classes that training images show, found others, {_some(only)}: {message}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
