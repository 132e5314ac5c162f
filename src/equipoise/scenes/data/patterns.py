"""Find patterns in the names of files, and the splits that folders and lists define."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Name of a folder or list → the split that it probably is."""
SPLIT_WORD = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(sorted(SPLITS, reverse=True))})(\d{{4}})?(?![A-Za-z0-9])")
"""The name of a split in a path, which a year may follow, as in COCO's ``train2017``."""


def split_of(word: str) -> str:
    """Return the split that a folder or list is probably named after; empty if none.

    >>> split_of("valid"), split_of("train2017"), split_of("images")
    ('val', 'train', '')
    """
    found = SPLIT_WORD.fullmatch(word)
    return SPLITS[found[1]] if found else ""


def find_patterns(paths: Sequence[str]) -> dict[str, dict[str, str]]:
    """Sort files into patterns: pattern → name → path.

    Names contain the split if the same name occurs in several splits. A part of a folder's name stands for a split if
    another folder has another split there.

    >>> find_patterns(["rgb/train/a.png", "rgb/val/b.png"])
    {'rgb/{split}/{name}.png': {'a': 'rgb/train/a.png', 'b': 'rgb/val/b.png'}}
    >>> list(find_patterns(["gt_train/a.png", "gt_val/b.png"])), list(find_patterns(["gt_train/a.png"]))
    (['gt_{split}/{name}.png'], ['gt_train/{name}.png'])
    """
    places: dict[tuple[str, str], dict[str, str]] = {}
    varied = _varied({folder for path in paths for folder in path.split("/")[:-1]})
    for path in paths:
        prefix, stem = _prefix(PurePosixPath(path).with_suffix("").as_posix(), varied)
        places.setdefault((prefix, PurePosixPath(path).suffix), {})[path] = stem
    if any(len(set(found.values())) < len(found) for found in places.values()):
        for (prefix, _), found in places.items():
            if "{split}" in prefix:
                found.update({path: f"{split_in(path, prefix)}/{stem}" for path, stem in found.items()})
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


def split_in(path: str, pattern: str) -> str:
    """Return what ``{split}`` in a pattern's folders stands for in a path.

    >>> split_in("gt_train2017/a.png", "gt_{split}/{name}.png")
    'train2017'
    """
    folders = zip(path.split("/"), pattern.split("/"), strict=False)
    return next(found[0] for own, one in folders if "{split}" in one and (found := SPLIT_WORD.search(own)))


def aligned(pattern: str, files: Mapping[str, str], images: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return a pattern, and its files by name, whose names are those of images, if most names contain one.

    >>> aligned("gt/{name}_polygons.json", {"a_gtFine": "gt/a_gtFine_polygons.json"}, {"a"})
    ('gt/{name}_gtFine_polygons.json', {'a': 'gt/a_gtFine_polygons.json'})
    """
    if not set(files).isdisjoint(images):
        return pattern, dict(files)
    found = {name: around for name in files if (around := _around(name, images)) is not None}
    ends = Counter((SPLIT_WORD.sub("{split}", before), after) for before, _, after in found.values())
    if not ends or ends.most_common(1)[0][1] * 2 < len(files):
        return pattern, dict(files)
    before, after = ends.most_common(1)[0][0]
    own = {
        image: files[name]
        for name, (b, image, a) in found.items()
        if (SPLIT_WORD.sub("{split}", b), a) == (before, after)
    }
    return pattern.replace("{name}", f"{before}{{name}}{after}"), own


def _around(name: str, images: Collection[str]) -> tuple[str, str, str] | None:
    """Split a name into what stands before the name of an image, that name, and what stands after it."""
    parts = name.split("/")
    for start in range(len(parts)):
        rest = "/".join(parts[start:])
        for end in [len(rest), *(place for place in range(len(rest) - 1, 0, -1) if rest[place] in "_-.")]:
            if rest[:end] in images:
                return name[: len(name) - len(rest)], rest[:end], rest[end:]
    return None


def _prefix(path: str, varied: Collection[str]) -> tuple[str, str]:
    """Split a path into its first folder, with the name of a split as ``{split}``, and the rest."""
    *folders, _ = path.split("/")
    general = [_general(folder) for folder in folders[:2]]
    words = [one if one == "{split}" or one in varied else own for one, own in zip(general, folders, strict=False)]
    head = 2 if len(folders) > 1 and any("{split}" in word for word in words) else min(len(folders), 1)
    return "".join(f"{word}/" for word in words[:head]), "/".join(path.split("/")[head:])


def _varied(folders: Collection[str]) -> set[str]:
    """Return the names of folders, with ``{split}`` for the name of a split, that occur for several splits."""
    return {name for name, count in Counter(map(_general, folders)).items() if count > 1}


def _general(folder: str) -> str:
    return SPLIT_WORD.sub("{split}", folder)


def _tail(stem: str) -> str:
    """Return the last part of a name from an underscore on, unless it is a number."""
    found = re.search(r"_[A-Za-z][A-Za-z0-9]*$", stem)
    return found[0] if found else ""
