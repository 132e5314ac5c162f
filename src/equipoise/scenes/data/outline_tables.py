"""Find files of outlines and COCO's panoptic labels in a folder, and draft their tables of a description."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from equipoise.scenes.data.patterns import SPLIT_WORD, aligned
from equipoise.scenes.io.names import longest_end
from equipoise.scenes.labels.outline_drafts import (
    Labels,
    drafted_tables,
    look_at_some,
    look_at_whole,
    quoted,
    yolo_names,
)
from equipoise.scenes.labels.panoptic import PANOPTIC
from equipoise.scenes.labels.shape_files import YOLO_NAMES
from equipoise.scenes.wording import counted

MOST_FILES = 50


@dataclass(frozen=True, kw_only=True)
class Table:
    """One drafted table of a description.

    Attributes:
        files: the pattern.
        read: a comment that says what it was drafted from.
        lines: its other lines.
        count: the number of files.
        missing: the number of images without this label.
    """

    files: str
    read: str
    lines: tuple[str, ...]
    count: int
    missing: int = 0

    def text(self, name: str) -> list[str]:
        """Return the lines of the table."""
        optional = [f"optional = true   # {counted(self.missing, 'image')} without this label"] if self.missing else []
        return ["", f"[{name}]", self.read, f"files = {quoted(self.files)}", *optional, *self.lines]


@dataclass(kw_only=True)
class Outlines:
    """What was found.

    Attributes:
        tables: by name.
        lists: the file that lists the images of each split.
        used: the patterns of the files that were understood.
        of_names: files with the names of classes.
        undecided: what could not be decided, a line each.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    of_names: set[str] = field(default_factory=set)
    undecided: list[str] = field(default_factory=list)


def find_outlines(
    patterns: Mapping[str, Mapping[str, str]], images: Mapping[str, str], paths: Mapping[str, Path]
) -> Outlines:
    """Look at all JSON and text files of a folder.

    Args:
        patterns: the files by pattern and name, as paths relative to the folder.
        images: the images by name.
        paths: the full paths, by relative path.
    """
    result = Outlines()
    whole: list[str] = []
    for pattern, files in patterns.items():
        if not pattern.endswith((".json", ".txt")):
            continue
        own_pattern, own = aligned(pattern, files, images)
        if set(own) & set(images):
            _add_own(result, own_pattern, {n: paths[t] for n, t in own.items() if n in images}, images, paths)
            result.used.add(pattern)
        elif pattern.endswith(".json"):
            whole += files.values()
    _add_whole(result, whole, patterns, images, paths)
    return result


def _add_own(
    result: Outlines, pattern: str, files: Mapping[str, Path], images: Mapping[str, str], paths: Mapping[str, Path]
) -> None:
    """Add files with the annotations of one image each."""
    names = sorted(files)[:: -(-len(files) // MOST_FILES)]
    found = look_at_some([files[name] for name in names])
    result.undecided += [f"{counted(len(files), 'file')} {pattern}: {line}" for line in found.undecided]
    if not found.encoding:
        return
    named = [text for text in paths if PurePosixPath(text).name in YOLO_NAMES and found.encoding == "yolo"]
    known = yolo_names(paths[text].read_text(encoding="utf-8", errors="replace") for text in named)
    result.of_names |= set(named) if known else set()
    read = f"# from {len(names)} of {counted(len(files), 'file')}"
    missing = len(images) - len(files)
    _add(result, found, Table(files=pattern, read=read, lines=(), count=len(files), missing=missing), known)


def _add_whole(
    result: Outlines,
    files: Sequence[str],
    patterns: Mapping[str, Mapping[str, str]],
    images: Mapping[str, str],
    paths: Mapping[str, Path],
) -> None:
    """Add files about all images: one, or one for each split."""
    groups: dict[str, list[str]] = {}
    for text in files:
        groups.setdefault(SPLIT_WORD.sub("{split}", text), []).append(text)
    split = any("{split}" in p for p, own in patterns.items() if own is images)
    for pattern, texts in groups.items():
        smallest = min(texts, key=lambda text: paths[text].stat().st_size)
        found, names = look_at_whole(paths[smallest])
        what = pattern if split else texts[0]
        result.undecided += [f"{what}: {line}" for line in found.undecided]
        if not found.encoding:
            continue
        result.used |= {p for p, own in patterns.items() if set(own.values()) & set(texts)}
        if len(texts) > 1 and not split:
            lists = {} if found.encoding == PANOPTIC else _lists(texts)
            if not lists:
                result.undecided.append(
                    f"which image belongs to which of {', '.join(texts)}: write a list of the images of each split, "
                    f"and describe files = {quoted(pattern)}"
                )
                continue
            result.lists = result.lists or lists
            what = SPLIT_WORD.sub(r"{split}\2", texts[0])
        table = Table(files=what, read=f"# from {smallest}", lines=(), count=len(texts))
        _add_one(result, found, table, names, patterns, images)


def _lists(texts: Sequence[str]) -> dict[str, str]:
    """Return files about the images of one split each by the word that ``{split}`` stands for; empty if it varies."""
    words = {text: {found[1] for found in SPLIT_WORD.finditer(text)} for text in texts}
    lists = {word: text for text, own in words.items() for word in own}
    return lists if len(lists) == len(texts) == sum(map(len, words.values())) else {}


def _add_one(
    result: Outlines,
    found: Labels,
    drafted: Table,
    names: Set[str],
    patterns: Mapping[str, Mapping[str, str]],
    images: Mapping[str, str],
) -> None:
    """Add a file about all images (or with ``{split}`` several), if the images or PNGs that it names exist."""
    if found.encoding != PANOPTIC:
        lost = [text for text in images.values() if longest_end(Path(text), names) is None]
        if len(lost) == len(images):
            result.undecided.append(f"which images {drafted.files} is about: none has one of its file names")
            return
        if lost and "{split}" not in drafted.files:
            result.undecided.append(
                f"what {counted(len(lost), 'image')} without an entry in {drafted.files} show: add an entry each, or "
                f"list the others in the splits ({lost[0]})"
            )
        _add(result, found, drafted, {})
        return
    for pattern, files in patterns.items():
        if files is images or not any(longest_end(Path(text), names) for text in files.values()):
            continue
        own_pattern, own = aligned(pattern, files, images)
        if own_pattern.endswith(".png") and set(own) & set(images):
            result.used.add(pattern)
            lines, missing = (f"segments = {quoted(drafted.files)}",), len(set(images) - set(own))
            _add(result, found, replace(drafted, files=own_pattern, lines=lines, count=len(own), missing=missing), {})
            return
    result.undecided.append(f"which PNGs {drafted.files} is about: none has a file_name of its annotations")


def _add(result: Outlines, found: Labels, table: Table, names: Mapping[str, str]) -> None:
    """Add the tables of classes and instances, unless others were found before. ``table.lines`` come first in both."""
    drafted = drafted_tables(found, names)
    if not drafted:
        result.undecided.append(f"the classes of {table.files}, which has {counted(len(found.things), 'label')}")
    elif result.tables:
        former = next(iter(result.tables.values())).files
        result.undecided.append(f"whether {table.files} is to be described instead of {former}")
    else:
        result.tables = {name: replace(table, lines=(*table.lines, *lines)) for name, lines in drafted.items()}
