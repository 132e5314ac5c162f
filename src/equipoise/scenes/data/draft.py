"""Look at a folder, and draft its description."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from equipoise.errors import DataError
from equipoise.scenes.data.outline_tables import Table, find_outlines
from equipoise.scenes.data.patterns import aligned, find_patterns, split_of
from equipoise.scenes.io.arrays import is_array
from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.images import SUFFIXES, read_image
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.labels.drafts import Group, drafted_tables, guessed_table, read_group
from equipoise.scenes.labels.outline_drafts import quoted
from equipoise.scenes.wording import counted

SAMPLED = 50
"""Files of each kind that are read."""
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
    photos = [p for p in readable if _are_photos(p, paths[next(iter(patterns[p].values()))])]
    if not photos:
        raise DataError(f"{folder}: expected images (PNG, JPEG or WebP), found none")
    images = max(photos, key=lambda p: len(patterns[p]))
    names = patterns[images]
    outlines = find_outlines(patterns, names, paths)
    labels = [p for p in readable if p not in photos and p not in outlines.used]
    groups, unread = _read_groups({p: aligned(p, patterns[p], names) for p in labels}, names, paths)
    pictures = {name: _table(drafted, names) for name, drafted in drafted_tables(groups).items()}
    tables, hidden = pictures, [table for name, table in outlines.tables.items() if name in pictures]
    if not hidden:
        tables = {name: (outlines.tables | pictures)[name] for name in (*outlines.tables, *pictures)}
    splits, about = _splits(images, names, paths)
    first = "# Drafted by equipoise describe. Lines with CHECK are guesses: correct them, then run equipoise check."
    lines = [first, f"images = {quoted(images)}", *splits, *(line for n, t in tables.items() for line in t.text(n))]
    used = {
        images,
        *outlines.used,
        *(p for p, group in groups.items() if group.pattern in {t.files for t in pictures.values()}),
    }
    return Draft(
        text="\n".join(lines) + "\n",
        found=(
            *(f"{counted(len(names), 'image')}: {images}", about),
            *(f"{counted(table.count, 'label')} for [{name}]: {table.files}" for name, table in tables.items()),
            *(
                f"not described: {counted(len(patterns[p]), 'file')} {p}"
                for p in patterns
                if p not in used and not p.endswith(".toml")
            ),
            *(
                f"could not decide: {line}"
                for line in (*outlines.undecided, *unread, *_undescribed(groups, pictures), *_instead(hidden, pictures))
            ),
        ),
    )


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
    """Read some files of each group that has names of images; return a line for each group that has none."""
    own = {p: {name: paths[text] for name, text in files.items()} for p, (_, files) in labels.items()}
    fitting = {p: files for p, files in own.items() if set(files) & set(images)}
    some = sorted(set(images).intersection(*fitting.values()) or images)
    groups = {p: read_group(labels[p][0], files, _sample(some, files)) for p, files in fitting.items()}
    return groups, [f"which images {p} belongs to: no name is that of an image" for p in own if p not in fitting]


def _are_photos(pattern: str, first: Path) -> bool:
    if is_array(pattern):
        return False
    if not pattern.lower().endswith(".png"):
        return True
    picture = read_image(first)
    grey = (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()
    colors = len(set(map(tuple, picture[::2, ::2].reshape(-1, 3).tolist())))
    return not grey and colors > MOST_COLORS and "normal" not in pattern.lower()


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


def _splits(pattern: str, images: Mapping[str, str], paths: Mapping[str, Path]) -> tuple[list[str], str]:
    """Draft the splits: folders, else lists, else shares."""
    if "{split}" in pattern:
        place = pattern.split("/").index("{split}")
        count = Counter(text.split("/")[place] for text in images.values())
        lines = [line for name in sorted(count) for line in (f"[split.{split_of(name)}]", f"folder = {quoted(name)}")]
        return lines, "splits by folder: " + ", ".join(f"{name} ({n})" for name, n in sorted(count.items()))
    lists = {text: split_of(PurePosixPath(text).stem) for text in sorted(paths) if text.endswith(".txt")}
    named = {split: text for text, split in lists.items() if split and _lists_images(paths[text], images)}
    if named:
        lines = [line for split, text in named.items() for line in (f"[split.{split}]", f"list = {quoted(text)}")]
        return lines, "splits by list: " + ", ".join(named.values())
    lines = ["[split.train]   # CHECK: no folders or lists of splits found", "fraction = 0.8"]
    return [*lines, "[split.val]", "fraction = 0.2"], "no splits: 80 % and 20 % of the images at random"


def _lists_images(path: Path, images: Mapping[str, str]) -> bool:
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first in images or any(f"/{text}".endswith("/" + first) for text in images.values())
