"""Which images belong to a split of a described folder."""

import os
import re
from pathlib import Path, PurePosixPath

import numpy as np

from equipoise.errors import DataError
from equipoise.scenes.data.description import FolderDescription
from equipoise.scenes.data.files import there, walked


def below(root: Path, relative: str) -> Path:
    """A path inside of a root; raises ``DataError`` where it leads out."""
    if "\0" in relative:
        raise DataError(f"expected a path below {root}, found one with a NUL")
    path = root / relative
    try:
        inside = path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # Links that lead to themselves are told by who reads them.
        inside = True
    if Path(relative).is_absolute():
        raise DataError(f"expected a path from {root} on, found {relative!r}, which starts at the file system's root")
    if ".." in Path(relative).parts or not inside:
        link = ", by a link: name what it points to as the root" if path.is_symlink() else ""
        raise DataError(f"expected a path below {root}, found {relative!r}, which leads out of it{link}")
    return path


def fill(pattern: str, description: FolderDescription, split: str, name: str) -> str:
    """A pattern with its placeholders filled in."""
    folder = description.split[split].folder or split
    return PurePosixPath(pattern).as_posix().replace("{split}", folder).replace("{name}", name)


def split_names(description: FolderDescription, split: str, root: Path, *, strict: bool = True) -> list[str]:
    """The names of a split's images, sorted (a list keeps its order); ``strict``: miss listed images here already."""
    chosen = description.split[split]
    pattern = fill(description.images, description, split, "{name}")
    if chosen.list:
        return _listed(below(root, chosen.list), pattern, root, strict=strict)
    names = image_names(description, split, root)
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
    """The names of all files that the images' pattern fits, but for labels that lie beside the images."""
    names = matching(root, fill(description.images, description, split, "{name}"))
    patterns = [label.files for label in description.labels.values()]
    labels = {name: {fill(pattern, description, split, name) for pattern in patterns} for name in names}
    images = {name: fill(description.images, description, split, name) for name in names}
    taken = {path for name in names for path in labels[name] - {images[name]}}
    return [name for name in names if images[name] not in taken]


def matching(root: Path, pattern: str) -> list[str]:
    """The names of the files that a pattern fits."""
    head = pattern.split("{name}")[0]
    folder = below(root, head if head.endswith("/") or not head else head.rpartition("/")[0] or ".")
    matcher = _matcher(pattern)
    paths = (p.relative_to(root).as_posix() for p in walked(folder))
    names = sorted(match[1] for match in map(matcher.fullmatch, paths) if match)
    for name in names:
        if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"{root}: expected names of files in UTF-8, found {name!r}: rename it")
    return names


def fits(path: str, pattern: str) -> bool:
    """Whether a file at ``path``, from the root on, would be one of a pattern's."""
    return _matcher(pattern).fullmatch(path) is not None


def why_none(description: FolderDescription, split: str, root: Path) -> str:
    """Why a split has no images, as far as that can be told, for a message."""
    folder = root / fill(description.images, description, split, "{name}").split("{name}")[0].rpartition("/")[0]
    if not folder.is_dir():
        return f": there is no folder {folder}"
    if description.split[split].fraction and image_names(description, split, root):
        return ": its share of all images rounds to none"
    others = walked(folder)
    return f": there are {len(others)} others, such as {others[0]}" if others else ""


def _matcher(pattern: str) -> re.Pattern[str]:
    head, tail = pattern.split("{name}")
    return re.compile(re.escape(head) + "(.+)" + re.escape(tail), re.DOTALL)


def _from_root(given: Path, root: Path, where: str) -> Path:
    """A listed path from the root on; an absolute one may lead there through links."""
    if ".." in given.parts:
        raise DataError(f"{where}: expected a path below {root}, found {str(given)!r}, which leads out of it")
    if not given.is_absolute():
        return given
    real = Path(os.path.realpath(given.parent)) / given.name
    for candidate in (given, real):
        if candidate.is_relative_to(root):
            return candidate.relative_to(root)
    raise DataError(f"{where}: expected a path below {root}, found {str(given)!r}, which lies elsewhere")


def _listed(path: Path, pattern: str, root: Path, *, strict: bool) -> list[str]:
    """Names, or paths of images, one a line; raises where an image is listed twice or, if strict, does not exist."""
    if there(path) and not path.is_file():
        raise DataError(f"{path}: expected a list of images, found no regular file: check the split's list")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "something that is not UTF-8"
        raise DataError(f"{path}: expected a list of images, found: {found}: check the split's list") from None
    names: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        given = _from_root(Path(line), root, f"{path}, line {number}")
        match = _matcher(pattern).fullmatch(given.as_posix())
        tail = pattern.split("{name}")[1]
        name = match[1] if match else given.as_posix()
        if not match and tail and not there(below(root, pattern.replace("{name}", name))):
            name = name.removesuffix(tail)
        wanted = pattern.replace("{name}", name)
        if not there(below(root, wanted)) and strict:
            raise DataError(f"{path}, line {number}: expected the image {wanted}, found no such file")
        if name in names:
            raise DataError(f"{path}, line {number}: expected each image once, found {line} in line {names[name]} too")
        names[name] = number
    return list(names)
