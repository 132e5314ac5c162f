"""What is probably meant otherwise than a data set says: seen in the counts of a split."""

from collections.abc import Iterator, Sequence

from equipoise.scenes.cameras.distances import range_text
from equipoise.scenes.data.sample import SceneVocabulary
from equipoise.scenes.data.split_report import SplitReport
from equipoise.scenes.wording import counted

USUAL_M = (0.1, 100.0)
"""Medians of depth outside of it are rare: metres, millimetres and centimetres were mistaken for each other."""
PLATEAU, OWN_PLATEAU = 0.05, 0.2
"""Larger shares of pixels hold one number for a reason: where it is the largest of its bits, or of the data."""

MOST = 0.8
"""Crowds and other parts without an id are not in so many images; an object whose id means none is."""


def suspicions(report: SplitReport, vocabulary: SceneVocabulary) -> Iterator[str]:
    """What should be looked at in a split, a line each."""
    yield from _by_ids(report)
    yield from _nowhere(report, vocabulary)
    yield from _median(report)
    yield from _plateaus(report)
    first = "expected numbers that do not wrap around, found smooth surfaces that jump by the whole range of"
    yield from _such(report.wrapped, f"{first} the picture's bits: was depth saved in too few?")
    told = "expected at most 254 objects in 8 bit, found every number used: did further ids wrap around? save 16 bit"
    yield from _such(report.full, told)
    yield from _such(report.void, "expected class labels, found none in the whole image")
    told = "expected instances on countable classes, found none at all"
    yield from _such(report.uncounted, told)
    told = "expected 0 in depth.invalid (no label) or depth.infinite, found it in neither: read as infinitely far"
    yield from _such(report.zeros, told)
    if len(report.without_id) >= MOST * report.countable:
        told = (
            "expected ids on countable classes, found none on some of them: is an object's id in instance.background?"
        )
        yield from _such(report.without_id, told)


def _such(paths: Sequence[str], told: str) -> Iterator[str]:
    if paths:
        yield f"{paths[0]}: {told} ({counted(len(paths), 'such label')})"


def _by_ids(report: SplitReport) -> Iterator[str]:
    """Instances that mostly lie on another class than their ids tell."""
    if report.crossed and report.agreement <= 0:
        own = "do ids count classes in their own way, or is the factor wrong?"
        yield f"{report.crossed[0]} ({counted(len(report.crossed), 'such label')}): {own}"


def _nowhere(report: SplitReport, vocabulary: SceneVocabulary) -> Iterator[str]:
    """Kinds of label that are described and that no readable image has."""
    for kind in vocabulary.labels if report.readable else ():
        if not report.labels[kind]:
            yield f"expected {kind} labels in some image, found none in {_all(report.readable)}: check where they lie"
    if (count := report.labels["instance"]) and not report.instances:
        those = f"{_all(count)} that {'has' if count == 1 else 'have'} such labels"
        yield (
            f"expected an instance in some image, found none in {those}: "
            "check the instances' encoding, factor and background"
        )


def _all(images: int) -> str:
    return "the only one" if images == 1 else f"all {images}"


def _median(report: SplitReport) -> Iterator[str]:
    """Metres that are no metres."""
    found = report.depth_range()
    if found is None or report.depth_unit != "m" or USUAL_M[0] <= found[1] <= USUAL_M[1]:
        return
    yield (
        f"expected a median depth of {USUAL_M[0]:g} … {USUAL_M[1]:g} m, found {range_text(*found, 'm')}: check "
        "depth.divisor (1 where metres are stored, 100 for centimetres, 1000 for millimetres)"
    )


def _plateaus(report: SplitReport) -> Iterator[str]:
    """Many pixels with the largest stored number: what is too far, or has no label, and is not described as such."""
    keys = {"inverse_depth": ("depth", "infinite or depth.invalid"), "instance": ("instance", "background")}
    for kind, (table, key) in keys.items():
        largest = [entry for entry in report.largest if entry[0] == kind]
        if not largest:
            continue
        _, bits, number = top = max(largest, key=lambda entry: entry[2])
        limit = number == (1 << bits) - 1
        share = report.largest[top] / report.pixels[kind]
        if share >= PLATEAU if limit else kind == "inverse_depth" and share >= OWN_PLATEAU:
            what = f"the largest number of {bits} bit" if limit else "the largest one stored"
            yield (
                f"expected {table} labels of many values, found {number:,}, {what}, on {share:.0%} of their pixels: if "
                f"it stands for something else, such as no label, add it to {table}.{key}"
            )
