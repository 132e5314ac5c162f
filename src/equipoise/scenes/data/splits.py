"""Find the images of a split of a described folder."""

from pathlib import Path, PurePosixPath

import numpy as np

from equipoise.errors import DataError
from equipoise.scenes.data.description import FolderDescription
from equipoise.scenes.data.left_out import left_out
from equipoise.scenes.data.lists import ImageList, find_list, read_list
from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.names import duplicate_spelling_message, is_hidden, to_nfc
from equipoise.scenes.io.paths import path_below, pattern_folder, pattern_regex


def fill(pattern: str, description: FolderDescription, split: str, name: str) -> str:
    """Fill in the placeholders of a pattern."""
    folder = description.split[split].folder or split
    return PurePosixPath(pattern).as_posix().replace("{split}", folder).replace("{name}", name)


def split_images(
    description: FolderDescription, split: str, root: Path, beside: Path, *, strict: bool = True
) -> ImageList:
    """Return the images of a split, sorted; those of a list keep its order.

    Args:
        description: the description of the folder.
        split: one of its splits.
        root: the folder that its patterns are relative to.
        beside: the folder of the description, where lists are also looked for.
        strict: raise for listed images that do not exist.
    """
    chosen = description.split[split]
    if not chosen.list:
        return ImageList(names=tuple(_unlisted(description, split, root)))
    path, remarks = find_list(chosen.list, root, beside)
    found = read_list(path, fill(description.images, description, split, "{name}"), root, strict=strict)
    return ImageList(names=found.names, remarks=(*remarks, *found.remarks))


def _unlisted(description: FolderDescription, split: str, root: Path) -> list[str]:
    """Return the names of a split that is a folder or a share of all images."""
    chosen, names = description.split[split], image_names(description, split, root)
    if chosen.folder:
        return names
    order = [names[int(i)] for i in np.random.default_rng(description.seed).permutation(len(names))]
    start = 0.0
    for name, other in description.split.items():
        if name == split:
            break
        start += other.fraction or 0.0
    first, last = (round(share * len(names)) for share in (start, start + (chosen.fraction or 0.0)))
    return sorted(order[first:last])


def image_names(description: FolderDescription, split: str, root: Path) -> list[str]:
    """Return the names of all files that match the pattern of the images, except labels in the same folder."""
    names = matching(root, fill(description.images, description, split, "{name}"))
    patterns = [label.files for label in description.labels.values()]
    labels = {name: {fill(pattern, description, split, name) for pattern in patterns} for name in names}
    images = {name: fill(description.images, description, split, name) for name in names}
    taken = {path for name in names for path in labels[name] - {images[name]}}
    return [name for name in names if images[name] not in taken]


def matching(root: Path, pattern: str) -> list[str]:
    """Return the sorted names, in NFC, of the files that match a pattern; hidden files are left out.

    Raises:
        DataError: a name is not UTF-8, or two names have the same NFC form.
    """
    fit = pattern_regex(pattern)
    names: dict[str, str] = {}
    for path in list_files(path_below(root, pattern_folder(pattern))):
        stored = path.relative_to(root).as_posix()
        match = fit.fullmatch(to_nfc(stored))
        if not match or is_hidden(stored, pattern):
            continue
        if not stored.isascii() and any("\ud800" <= letter <= "\udfff" for letter in stored):
            raise DataError(f"{root}: expected names of files in UTF-8, found {match[1]!r}: rename it")
        if match[1] in names:
            raise DataError(f"{root}: {duplicate_spelling_message(names[match[1]], stored)}")
        names[match[1]] = stored
    return sorted(names)


def why_none(description: FolderDescription, split: str, root: Path) -> str:
    """Explain why a split has no images, for the end of a message; empty if unknown."""
    pattern = fill(description.images, description, split, "{name}")
    if "\\" in pattern:
        return ": use / between folders in patterns, on Windows too"
    folder = path_below(root, pattern_folder(pattern))
    if not folder.is_dir():
        return f": the folder {folder} does not exist"
    if description.split[split].fraction and image_names(description, split, root):
        return ": its share of all images rounds to none"
    if message := next(left_out(root, {"image": pattern}).lines(), ""):
        return f": {message}"
    others = list_files(folder)
    return f": found {len(others)} other files, such as {others[0]}" if others else ""
