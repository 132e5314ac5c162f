"""Lists of images: text files with one name, or path of an image, per line, or the images of COCO's JSON."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.names import lookalike_hint, to_nfc
from equipoise.scenes.io.paths import path_below, pattern_regex
from equipoise.scenes.labels.coco import read_whole_file


@dataclass(frozen=True, kw_only=True)
class ImageList:
    """The names in a list, in its order, and notices about probable mistakes, a line each."""

    names: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def find_list(given: str, root: Path, description: Path) -> tuple[Path, tuple[str, ...]]:
    """The path of a description's list, and notices about probable mistakes.

    Below the root; where there is none, beside the description. A path with ``..`` or from the file system's root on
    is one that the user chose to lie elsewhere; a link below the root must not lead out of it.
    """
    if "\0" in given:
        raise DataError(f"expected the path of a list, found {given!r} with a NUL: check the split's list")
    if Path(given).is_absolute():
        return Path(given), ()
    outside = ".." in Path(given).parts
    places = [base / given if outside else path_below(base, given) for base in (root, description)]
    found = [place for place in places if path_exists(place)]
    if len(found) == 2 and not _same(*found):
        message = f"expected one list {given}, found another at {found[1]}, which is not used: remove or rename one"
        return found[0], (f"{found[0]}: {message}",)
    return (found or places)[0], ()


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second) or first.read_bytes() == second.read_bytes()
    except OSError:
        return False


def read_list(path: Path, pattern: str, root: Path, *, strict: bool) -> ImageList:
    """The images of a list; raises ``DataError`` if one is listed twice or, if strict, does not exist."""
    names: dict[str, int] = {}
    swapped: list[int] = []
    misfits: list[str] = []
    place = "image" if is_coco(path) else "line"
    for number, line in _lines(path):
        where = f"{path}, {place} {number}"
        given, was_swapped = _separated(line, pattern, root, where)
        swapped += [number] * was_swapped
        name = _name(given, pattern, root)
        wanted = path_below(root, pattern.replace("{name}", name))
        if not path_exists(wanted):
            fault = f"{where}: {_missing_notices(given, pattern, name, root)}"
            if strict:
                raise DataError(fault)
            misfits += [fault] * path_exists(root / given)
        if name in names:
            raise DataError(f"{where}: expected each image once, found {line} in {place} {names[name]} too")
        names[name] = number
    remarks = misfits[:1]
    if swapped:
        message = f"expected / between folders, found \\, read as / ({_count(len(swapped), f'such {place}')})"
        remarks.append(f"{path}, {place} {swapped[0]}: {message}")
    return ImageList(names=tuple(names), remarks=tuple(remarks))


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a list that name an image, with their numbers."""
    if path_exists(path) and not path.is_file():
        raise DataError(f"{path}: expected a list of images, found no regular file: check the split's list")
    if is_coco(path):
        return _file_names(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "something that is not UTF-8"
        raise DataError(f"{path}: expected a list of images, found: {found}: check the split's list") from None
    return [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]


def is_coco(path: Path) -> bool:
    """Whether a list is COCO's JSON, by its suffix."""
    return path.suffix.lower() == ".json"


def _file_names(path: Path) -> list[tuple[int, str]]:
    """The file names of the images in COCO's JSON, numbered."""
    try:
        images = read_whole_file(path, path.stat().st_size)["images"]
        return list(enumerate((str(image["file_name"]) for image in images), 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:120]
        raise DataError(
            f"{path}: expected COCO's images, each with its file_name, found a mistake: {found}: check the split's list"
        ) from None


def _separated(line: str, pattern: str, root: Path, where: str) -> tuple[Path, bool]:
    """A listed path relative to the root, and whether its backslashes stand for slashes."""
    if re.match(r"[A-Za-z]:[\\/]", line):
        raise DataError(f"{where}: expected a path below {root}, found one of Windows, {line!r}: leave out the drive")
    swapped = "\\" in line and not any(path_exists(root / text) for text in (line, pattern.replace("{name}", line)))
    return _from_root(Path(line.replace("\\", "/") if swapped else line), root, where), swapped


def _from_root(given: Path, root: Path, where: str) -> Path:
    """A listed path relative to the root; an absolute one may lead there through links."""
    if ".." in given.parts:
        raise DataError(f"{where}: expected a path below {root}, found {str(given)!r}, which leads out of it")
    if not given.is_absolute():
        return given
    real = Path(os.path.realpath(given.parent)) / given.name
    for candidate in (given, real):
        if candidate.is_relative_to(root):
            return candidate.relative_to(root)
    raise DataError(f"{where}: expected a path below {root}, found {str(given)!r}, which lies elsewhere")


def _name(given: Path, pattern: str, root: Path) -> str:
    """The value of ``{name}`` for an image given by its path or name, with or without suffix."""
    text = to_nfc(given.as_posix())
    if match := pattern_regex(pattern).fullmatch(text):
        return match[1]
    tail = to_nfc(pattern.split("{name}")[1])
    return text if path_exists(path_below(root, pattern.replace("{name}", text))) else text.removesuffix(tail)


def _missing_notices(given: Path, pattern: str, name: str, root: Path) -> str:
    """The message for a line whose image does not exist."""
    if path_exists(root / given):
        message = f"which the pattern {pattern} does not fit: rename it, or change images in the description"
        return f"expected an image of the pattern, found {given}, {message}"
    wanted = pattern.replace("{name}", name)
    return f"expected the image {wanted}, found no such file{lookalike_hint(root / wanted)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
