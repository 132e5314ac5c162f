"""Recognise files of outlines and COCO's panoptic JSON by their contents, and draft their tables of a description."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.names import to_nfc
from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.labels.coco import read_whole_file
from equipoise.scenes.labels.panoptic import PANOPTIC
from equipoise.scenes.labels.shape_files import LABELME, NOT_DRAWN

MOST_NAMES = 255
"""More classes than this cannot be described."""
COUNTABLE = frozenset(c.name for c in CLASSES if c.countable)
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")
OUTSIDE = '# CHECK: the class of pixels outside all outlines; "" if they have no label'


@dataclass(kw_only=True)
class Labels:
    """What some files of annotations contain.

    Attributes:
        encoding: the encoding that reads them; empty if it is not known.
        things: whether the objects of each class count, by the name of the class (of YOLO: its number).
        undecided: what could not be decided, a line each.
    """

    encoding: str = ""
    things: dict[str, bool] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)


def look_at_one(path: Path) -> Labels:
    """Recognise the annotations of one image: labelme, Cityscapes' polygons, or YOLO."""
    try:
        if path.suffix == ".txt":
            return _yolo(path.read_text(encoding="utf-8"))
        table = read_json(path)
        if isinstance(table, dict) and isinstance(table.get("shapes"), list):
            return _labelme(table["shapes"])
        if isinstance(table, dict) and "imgHeight" in table and isinstance(table.get("objects"), list):
            return _cityscapes(table["objects"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Labels(undecided=[f"a file that cannot be read: {' '.join(str(error).split())[:60]}"])
    keys = ", ".join(map(str, list(table)[:6])) if isinstance(table, dict) else "a list"
    return Labels(undecided=[f"a JSON of another form ({keys})"])


def look_at_some(paths: Sequence[Path]) -> Labels:
    """Recognise the annotations of some images, which are all of one kind."""
    found = [look_at_one(path) for path in paths]
    known = sorted({one.encoding for one in found if one.encoding})
    result = Labels(encoding=known[0] if len(known) == 1 else "")
    if len(known) > 1:
        result.undecided.append(f"files of several kinds ({', '.join(known)})")
    for one in found:
        for name, thing in one.things.items():
            result.things[name] = thing or result.things.get(name, False)
        result.undecided += [line for line in one.undecided if line not in result.undecided]
    return result


def look_at_whole(path: Path) -> tuple[Labels, set[str]]:
    """Recognise a JSON about all images: COCO's instances, or panoptic labels.

    Returns:
        The labels, and the names of the files that they are about: images, or for panoptic labels PNGs.
    """
    try:
        table = read_whole_file(path, path.stat().st_size)
        if not isinstance(table, dict) or not {"images", "annotations", "categories"} <= table.keys():
            return Labels(), set()
        names, things = [str(one["name"]) for one in table["categories"]], table["categories"]
        if "segments_info" in next(iter(table["annotations"]), ()):
            of_things = {str(one["name"]): bool(one.get("isthing")) for one in things}
            return Labels(encoding=PANOPTIC, things=of_things), _file_names(table["annotations"])
        if any(one.get("segmentation") for one in table["annotations"]):
            return Labels(encoding="coco", things=dict.fromkeys(names, True)), _file_names(table["images"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Labels(undecided=[f"a file that cannot be read: {' '.join(str(error).split())[:60]}"]), set()
    return Labels(undecided=["COCO annotations without segmentations: boxes have no outline"]), set()


def _file_names(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    return {to_nfc(str(entry["file_name"])) for entry in entries}


def drafted_tables(found: Labels, names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines of the tables of classes and, if any can be counted, of instances.

    Args:
        found: what the files contain; no table for more than ``MOST_NAMES`` labels.
        names: those of YOLO's classes, by number, as far as they are known.
    """
    if not 0 < len(found.things) <= MOST_NAMES:
        return {}
    tables = {"semantic": _classes(found, names)}
    if any(found.things.values()):
        tables["instance"] = [f'encoding = "{found.encoding}"']
    return tables


def _classes(found: Labels, names: Mapping[str, str]) -> list[str]:
    lines = [f'encoding = "{found.encoding}"']
    if found.encoding != PANOPTIC:
        lines.append(f'outside = ""   {OUTSIDE}')
    if found.encoding == "cityscapes_polygons":
        lines.append('others = "ignore"   # CHECK: labels that are not listed have no class')
    lines += ["# CHECK: which classes have instances (countable); whether one is the sky", "classes = ["]
    for label, thing in _in_order(found.things, found.encoding):
        number = f"value = {label}, " if found.encoding == "yolo" else ""
        text = f"{number}name = {quoted(names.get(label, f'class_{label}') if number else label)}"
        lines.append(f"  {{ {text}{', countable = true' if thing else ''} }},")
    return [*lines, "]"]


def quoted(text: str) -> str:
    """Return a string as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def yolo_names(texts: Iterable[str]) -> dict[str, str]:
    r"""Return the names of YOLO's classes by number, from the text of ``classes.txt`` or ``data.yaml``.

    >>> yolo_names(["names: ['person', 'car']"])
    {'0': 'person', '1': 'car'}
    >>> yolo_names(["path: x\nnames:\n  0: person\n  2: car\n"])
    {'0': 'person', '2': 'car'}
    >>> yolo_names(["person\ncar\n"])
    {'0': 'person', '1': 'car'}
    """
    for text in texts:
        if listed := re.search(r"^names:\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL):
            words = [word.strip().strip("'\"") for word in listed[1].split(",")]
        elif block := re.search(r"^names:[ \t]*\n((?:[ \t]*(?:-|\d+:)[^\n]*\n?)+)", text, re.MULTILINE):
            if pairs := re.findall(r"^[ \t]*(\d+):[ \t]*(.+?)[ \t]*$", block[1], re.MULTILINE):
                return {number: word.strip("'\"") for number, word in pairs}
            words = [line.strip().lstrip("-").strip().strip("'\"") for line in block[1].splitlines()]
        elif ":" not in text:
            words = [line.strip() for line in text.splitlines()]
        else:
            continue
        return {str(number): word for number, word in enumerate(words) if word}
    return {}


def _in_order(things: Mapping[str, bool], encoding: str) -> list[tuple[str, bool]]:
    return sorted(things.items(), key=lambda one: int(one[0])) if encoding == "yolo" else list(things.items())


def _labelme(shapes: Sequence[Any]) -> Labels:
    kinds = {str(shape.get("shape_type", "polygon")) for shape in shapes}
    unread = sorted(kinds - LABELME.keys())
    undecided = [f"labelme shapes of type {', '.join(unread)}, which are not read"] if unread else []
    return Labels(encoding="labelme", things={str(s["label"]): True for s in shapes}, undecided=undecided)


def _cityscapes(objects: Sequence[Any]) -> Labels:
    labels = [str(one["label"]) for one in objects if not one.get("deleted")]
    groups = {label.removesuffix("group") for label in labels if label.endswith("group")}
    names = dict.fromkeys(label.removesuffix("group") for label in labels if label != NOT_DRAWN)
    return Labels(encoding="cityscapes_polygons", things={name: name in COUNTABLE or name in groups for name in names})


def _yolo(text: str) -> Labels:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    numbers = all(NUMBER.fullmatch(word) for words in lines for word in words)
    if not numbers or any(len(words) < 5 or not words[0].isdigit() for words in lines):
        return Labels(undecided=["a text that is not YOLO's"])
    if any(len(words) == 5 for words in lines):
        return Labels(undecided=["YOLO boxes, which have no outline"])
    return Labels(encoding="yolo", things={words[0]: True for words in lines})
