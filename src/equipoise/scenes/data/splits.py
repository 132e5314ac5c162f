"""Which images belong to a split of a described folder."""

import re
from pathlib import Path

import numpy as np

from equipoise.errors import DataError
from equipoise.scenes.data.description import FolderDescription
from equipoise.scenes.data.files import walked


def below(root: Path, relative: str) -> Path:
    """A path inside of a root; raises ``DataError`` where it leads out."""
    if "\0" in relative:
        raise DataError(f"expected a path below {root}, found one with a NUL")
    path = root / relative
    if Path(relative).is_absolute() or ".." in Path(relative).parts or not path.resolve().is_relative_to(root):
        link = ", by a link: name what it points to as the root" if path.is_symlink() else ""
        raise DataError(f"expected a path below {root}, found {relative!r}, which leads out of it{link}")
    return path


def fill(pattern: str, description: FolderDescription, split: str, name: str) -> str:
    """A pattern with its placeholders filled in."""
    folder = description.split[split].folder or split
    return pattern.removeprefix("./").replace("{split}", folder).replace("{name}", name)


def split_names(description: FolderDescription, split: str, root: Path) -> list[str]:
    """The names of a split's images, sorted (a list keeps its order)."""
    chosen = description.split[split]
    pattern = fill(description.images, description, split, "{name}")
    if chosen.list:
        return _listed(below(root, chosen.list), pattern, root)
    names = matching(root, pattern)
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


def matching(root: Path, pattern: str) -> list[str]:
    """The names of the files that a pattern fits."""
    head = pattern.split("{name}")[0]
    folder = below(root, head if head.endswith("/") or not head else head.rpartition("/")[0] or ".")
    matcher = _matcher(pattern)
    paths = (p.relative_to(root).as_posix() for p in walked(folder))
    return sorted(match[1] for match in map(matcher.fullmatch, paths) if match)


def why_none(description: FolderDescription, split: str, root: Path) -> str:
    """Why a split has no images, as far as that can be told, for a message."""
    folder = root / fill(description.images, description, split, "{name}").split("{name}")[0].rpartition("/")[0]
    if not folder.is_dir():
        return f": there is no folder {folder}"
    return ": its share of all images rounds to none" if description.split[split].fraction else ""


def _matcher(pattern: str) -> re.Pattern[str]:
    head, tail = pattern.split("{name}")
    return re.compile(re.escape(head) + "(.+)" + re.escape(tail))


def _listed(path: Path, pattern: str, root: Path) -> list[str]:
    """Names, or paths of images, one a line; raises where an image does not exist or is listed twice."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a list of images, found: {error}") from None
    names = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        given = Path(line).relative_to(root) if Path(line).is_relative_to(root) else Path(line)
        match = _matcher(pattern).fullmatch(given.as_posix())
        tail = pattern.split("{name}")[1]
        name = match[1] if match else given.as_posix()
        if not match and tail and not below(root, pattern.replace("{name}", name)).is_file():
            name = name.removesuffix(tail)
        if not below(root, pattern.replace("{name}", name)).is_file():
            wanted = pattern.replace("{name}", name)
            raise DataError(f"{path}, line {number}: expected the image {wanted}, found no such file")
        names.append(name)
    if len(set(names)) != len(names):
        raise DataError(f"{path}: expected each image once, found {len(names) - len(set(names))} again")
    return names
