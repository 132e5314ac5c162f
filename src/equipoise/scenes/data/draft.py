"""Look at a folder, and draft its description."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.data.outline_tables import Table, find_outlines
from equipoise.scenes.data.patterns import aligned, find_patterns, split_in, split_of
from equipoise.scenes.io.arrays import is_array
from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.images import SUFFIXES, read_image
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.labels.drafts import Group, drafted_tables, guessed_table, read_group
from equipoise.scenes.labels.outline_drafts import quoted
from equipoise.scenes.wording import counted

SAMPLED = 50
"""Files of each kind that are read."""
TRIED = 5
"""Pictures of each kind that are read until one is readable."""
MOST_COLORS = 256
"""Pictures of more colours are photographs."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The text of a drafted description, and a line for everything found."""

    text: str
    found: tuple[str, ...]


def draft_description(folder: Path) -> Draft:
    """Draft the description of a folder. Guesses carry a comment that begins with CHECK.

    Raises:
        DataError: there is no such folder, it holds no images, or a file cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"expected a folder at {folder}, found none: check the path")
    folder = folder.resolve()
    paths = {path.relative_to(folder).as_posix(): path for path in list_files(folder)}
    patterns = find_patterns([text for text in paths if not is_hidden(text, "{name}")])
    readable = [p for p in patterns if p.lower().endswith(SUFFIXES) or is_array(p)]
    photos = [p for p in readable if _are_photos(p, [paths[text] for text in patterns[p].values()])]
    if not photos:
        found = f"{counted(len(paths), 'file')}, none of them a photograph" if paths else "none"
        raise DataError(f"{folder}: expected images (PNG, JPEG or WebP), found {found}")
    images = max(photos, key=lambda p: len(patterns[p]))
    names = patterns[images]
    outlines = find_outlines(patterns, names, paths)
    labels = [p for p in readable if p not in photos and p not in outlines.used]
    groups, unread = _read_groups({p: aligned(p, patterns[p], names) for p in labels}, names, paths)
    pictures = {name: _table(drafted, names) for name, drafted in drafted_tables(groups).items()}
    tables, hidden = pictures, [table for name, table in outlines.tables.items() if name in pictures]
    if not hidden:
        tables = {name: (outlines.tables | pictures)[name] for name in (*outlines.tables, *pictures)}
    lists = {} if "{split}" in images else outlines.lists or _lists(names, paths)
    splits, about = _splits(images, names, lists)
    first = "# Drafted by equipoise describe. Lines with CHECK are guesses: correct them, then run equipoise check."
    lines = [first, f"images = {quoted(images)}", *splits, *(line for n, t in tables.items() for line in t.text(n))]
    drawn = {p for p, group in groups.items() if group.pattern in {t.files for t in pictures.values()}}
    rest = _not_described(patterns, {images, *outlines.used, *drawn}, {*outlines.of_names, *lists.values()})
    undecided = (*outlines.undecided, *unread, *_undescribed(groups, pictures), *_instead(hidden, pictures))
    return Draft(
        text="\n".join(lines) + "\n",
        found=(
            *(f"{counted(len(names), 'image')}: {images}", about),
            *(f"{counted(table.count, 'label')} for [{name}]: {table.files}" for name, table in tables.items()),
            *(() if tables else ("no labels were found, and without any nothing can be trained",)),
            *rest,
            *(f"could not decide: {line}" for line in undecided),
        ),
    )


def _not_described(patterns: Mapping[str, Mapping[str, str]], described: Set[str], read: Set[str]) -> Iterator[str]:
    """Yield a line for each pattern of files that are neither described nor read for other purposes."""
    for pattern, files in patterns.items():
        left = [text for text in files.values() if text not in read]
        if left and pattern not in described and not pattern.endswith(".toml"):
            yield f"not described: {counted(len(left), 'file')} {pattern}"


def _undescribed(groups: Mapping[str, Group], pictures: Mapping[str, Table]) -> Iterator[str]:
    """Say why label files were left out."""
    described = {table.files for table in pictures.values()}
    for group in groups.values():
        if group.pattern not in described:
            table, kind = guessed_table(group), "colours" if group.colors else "numbers"
            found = f"{len(group.values):,} different {kind} in {counted(len(group.numbers), 'file')}"
            why = f"[{table}] describes {pictures[table].files}" if table in pictures else found
            yield f"what {group.pattern} means: {why}"


def _instead(hidden: Sequence[Table], pictures: Mapping[str, Table]) -> list[str]:
    """Say which outlines could be described instead of pictures."""
    other = " and ".join(table.files for table in pictures.values())
    return [f"whether {table.files} is to be described instead of {other}" for table in hidden[:1]]


def _read_groups(
    labels: Mapping[str, tuple[str, Mapping[str, str]]], images: Mapping[str, str], paths: Mapping[str, Path]
) -> tuple[dict[str, Group], list[str]]:
    """Read some files of each group that has names of images; return a line for whatever cannot be read."""
    own = {p: {name: paths[text] for name, text in files.items()} for p, (_, files) in labels.items()}
    fitting = {p: files for p, files in own.items() if set(files) & set(images)}
    some = sorted(set(images).intersection(*fitting.values()) or images)
    unread = [f"which images {p} belongs to: no name is that of an image" for p in own if p not in fitting]
    groups = {}
    for p, files in fitting.items():
        try:
            groups[p] = read_group(labels[p][0], files, _sample(some, files))
            unread += [f"what a file holds that cannot be read: {fault}" for fault in groups[p].faults]
        except DataError as error:
            unread.append(f"what {p} means: {error}")
    return groups, unread


def _are_photos(pattern: str, files: Sequence[Path]) -> bool:
    """Whether the first readable ones are photographs; files of which none can be read are taken for labels."""
    if is_array(pattern):
        return False
    if not pattern.lower().endswith(".png"):
        return True
    picture = next((found for path in files[:TRIED] if (found := _picture(path)) is not None), None)
    if picture is None:
        return False
    grey = (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()
    colors = len(set(map(tuple, picture[::2, ::2].reshape(-1, 3).tolist())))
    return not grey and colors > MOST_COLORS and "normal" not in pattern.lower()


def _picture(path: Path) -> npt.NDArray[np.uint8] | None:
    try:
        return read_image(path)
    except DataError:  # Reported by check.
        return None


def _sample(names: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    own = [name for name in names if name in files] or sorted(files)
    return own[:: -(-len(own) // SAMPLED)]


def _table(drafted: tuple[Group, list[str]], images: Mapping[str, str]) -> Table:
    group, lines = drafted
    return Table(
        files=group.pattern,
        read=f"# from {len(group.numbers)} of {counted(len(group.files), 'file')}",
        lines=tuple(lines),
        missing=len(set(images) - set(group.files)),
        count=len(group.files),
    )


def _splits(pattern: str, images: Mapping[str, str], lists: Mapping[str, str]) -> tuple[list[str], str]:
    """Draft the splits: folders, else lists, else shares."""
    if "{split}" in pattern:
        count = Counter(split_in(text, pattern) for text in images.values())
        lines = [line for name in sorted(count) for line in (f"[split.{split_of(name)}]", f"folder = {quoted(name)}")]
        return lines, "splits by folder: " + ", ".join(f"{name} ({n})" for name, n in sorted(count.items()))
    if lists:
        lines = [line for split, text in lists.items() for line in (f"[split.{split}]", f"list = {quoted(text)}")]
        if not {"train", "val"} <= set(lists):
            lines.insert(0, "# CHECK: runs read train and val, or what data.train and data.validation of a recipe name")
        return lines, "splits by list: " + ", ".join(lists.values())
    return _shares(len(images))


def _lists(images: Mapping[str, str], paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the text files that list images, by split."""
    lists = {text: split_of(PurePosixPath(text).stem) for text in sorted(paths) if text.endswith(".txt")}
    return {split: text for text, split in lists.items() if split and _lists_images(paths[text], images)}


def _shares(count: int) -> tuple[list[str], str]:
    """Draft shares of the images at random, none of them empty."""
    first = "[split.train]   # CHECK: no folders or lists of splits found"
    if count == 1:
        return [first, "fraction = 1.0"], "no splits: one image, which leaves none for val"
    train, val = (0.5, 0.5) if count == 2 else (0.8, 0.2)
    lines = [first, f"fraction = {train}", "[split.val]", f"fraction = {val}"]
    return lines, f"no splits: {train:.0%} and {val:.0%} of the images at random".replace("%", " %")


def _lists_images(path: Path, images: Mapping[str, str]) -> bool:
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first in images or any(f"/{text}".endswith("/" + first) for text in images.values())
