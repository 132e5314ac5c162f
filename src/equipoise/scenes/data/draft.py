"""Look at a folder, and draft its description."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from equipoise.errors import DataError
from equipoise.scenes.io.arrays import is_array
from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.images import SUFFIXES, read_image
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.labels.drafts import Group, drafted_tables, read_group
from equipoise.scenes.wording import counted

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Name of a folder or list → the split that it probably is."""
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
    readable = {p: names for p, names in patterns.items() if p.endswith(SUFFIXES) or is_array(p)}
    files = {p: {name: paths[text] for name, text in names.items()} for p, names in readable.items()}
    photos = {p: own for p, own in files.items() if _are_photos(p, own)}
    if not photos:
        raise DataError(f"{folder}: expected images (PNG, JPEG or WebP), found none")
    images = max(photos, key=lambda p: len(photos[p]))
    labels = [p for p in files if p not in photos and set(files[p]) & set(files[images])]
    some = sorted(set(files[images]).intersection(*(files[p] for p in labels)) or files[images])
    groups = {p: read_group(p, files[p], _sample(some, files[p])) for p in labels}
    tables = drafted_tables(groups)
    splits, about = _splits(images, files[images], paths)
    text = "\n".join(
        [
            "# Drafted by equipoise describe. Lines with CHECK are guesses: correct them, then run equipoise check.",
            f"images = {quoted(images)}",
            *splits,
            *(line for table, lines in tables.items() for line in _table(table, lines, files[images])),
        ]
    )
    found = [f"{counted(len(files[images]), 'image')}: {images}", about]
    found += [f"{counted(len(own.files), 'label')} for [{table}]: {own.pattern}" for table, (own, _) in tables.items()]
    left = [p for p in patterns if p != images and p not in [group.pattern for group, _ in tables.values()]]
    found += [f"not described: {counted(len(patterns[p]), 'file')} {p}" for p in left if not p.endswith(".toml")]
    return Draft(text=text + "\n", found=tuple(found))


def find_patterns(paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Sort files into patterns: pattern → name → path.

    >>> find_patterns(["rgb/train/a.png", "rgb/val/b.png"])
    {'rgb/{split}/{name}.png': {'a': 'rgb/train/a.png', 'b': 'rgb/val/b.png'}}
    """
    places: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        prefix, stem = _prefix(PurePosixPath(path).with_suffix("").as_posix())
        places.setdefault((prefix, PurePosixPath(path).suffix), {})[path] = stem
    stems: dict[str, set[str]] = {}
    for (prefix, _), found in places.items():
        stems.setdefault(prefix, set()).update(found.values())
    patterns: dict[str, dict[str, str]] = {}
    for (prefix, suffix), found in places.items():
        tails = {stem: _tail(stem) for stem in found.values()}
        shared = len(set(tails.values())) == 1 and len(tails) > 1
        for path, stem in found.items():
            tail = tails[stem] if shared or stem.removesuffix(tails[stem]) in stems[prefix] else ""
            name = stem.removesuffix(tail) if tail else stem
            patterns.setdefault(f"{prefix}{{name}}{tail}{suffix}", {})[name] = path
    return patterns


def quoted(text: str) -> str:
    """Return a string as TOML and JSON write it."""
    return json.dumps(text, ensure_ascii=False)


def _prefix(path: str) -> tuple[str, str]:
    """Split a path into its first folder, with a split's folder as ``{split}``, and the rest."""
    *folders, _ = path.split("/")
    head = 1 if folders else 0
    if len(folders) > 1 and (folders[0] in SPLITS or folders[1] in SPLITS):
        head = 2
    words = ["{split}" if folder in SPLITS else folder for folder in folders[:head]]
    return "".join(f"{word}/" for word in words), "/".join(path.split("/")[head:])


def _tail(stem: str) -> str:
    """Return the last part of a name from an underscore on, unless it is a number."""
    found = re.search(r"_[A-Za-z][A-Za-z0-9]*$", stem)
    return found[0] if found else ""


def _are_photos(pattern: str, files: Mapping[str, Path]) -> bool:
    if is_array(pattern):
        return False
    if not pattern.endswith(".png"):
        return True
    picture = read_image(next(iter(files.values())))
    grey = (picture[..., 0] == picture[..., 1]).all() and (picture[..., 1] == picture[..., 2]).all()
    colors = len(set(map(tuple, picture[::2, ::2].reshape(-1, 3).tolist())))
    return not grey and colors > MOST_COLORS and "normal" not in pattern.lower()


def _sample(names: Sequence[str], files: Mapping[str, Path]) -> list[str]:
    own = [name for name in names if name in files] or sorted(files)
    return own[:: -(-len(own) // SAMPLED)]


def _table(table: str, drafted: tuple[Group, list[str]], images: Mapping[str, Path]) -> list[str]:
    group, lines = drafted
    missing = len(set(images) - set(group.files))
    optional = [f"optional = true   # {counted(missing, 'image')} without this label"] if missing else []
    read = f"# from {len(group.numbers)} of {counted(len(group.files), 'file')}"
    return ["", f"[{table}]", read, f"files = {quoted(group.pattern)}", *optional, *lines]


def _splits(pattern: str, images: Mapping[str, Path], paths: Mapping[str, Path]) -> tuple[list[str], str]:
    """Draft the splits: folders, else lists, else shares."""
    if "{split}" in pattern:
        place = pattern.split("/").index("{split}")
        own = {path: text for text, path in paths.items()}
        count = Counter(own[path].split("/")[place] for path in images.values())
        lines = [line for name in sorted(count) for line in (f"[split.{SPLITS[name]}]", f"folder = {quoted(name)}")]
        return lines, "splits by folder: " + ", ".join(f"{name} ({n})" for name, n in sorted(count.items()))
    lists = [text for text in sorted(paths) if text.endswith(".txt") and PurePosixPath(text).stem in SPLITS]
    named = {SPLITS[PurePosixPath(text).stem]: text for text in lists if _lists_images(paths[text], images)}
    if named:
        lines = [line for split, text in named.items() for line in (f"[split.{split}]", f"list = {quoted(text)}")]
        return lines, "splits by list: " + ", ".join(named.values())
    lines = ["[split.train]   # CHECK: no folders or lists of splits found", "fraction = 0.8"]
    return [*lines, "[split.val]", "fraction = 0.2"], "no splits: 80 % and 20 % of the images at random"


def _lists_images(path: Path, images: Mapping[str, Path]) -> bool:
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return first in images or any(own.as_posix().endswith("/" + first) for own in images.values())
