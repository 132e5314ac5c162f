"""Files among a data set's that are not read: hidden files, unsupported kinds, suffixes with another spelling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.images import SUFFIXES
from equipoise.scenes.io.kinds import SUPPORTED, UNSUPPORTED, by_suffix
from equipoise.scenes.io.names import is_hidden, stored_spelling, to_nfc
from equipoise.scenes.io.paths import matches_pattern, pattern_folder, pattern_regex
from equipoise.scenes.wording import counted


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Files that seem to be part of a data set but are not read.

    Attributes:
        hidden: hidden files that a pattern fits otherwise.
        unsupported: pictures, and arrays, of kinds that are not supported, in the patterns' folders.
        respelled: pictures that a pattern would fit if they had its suffix, each with that suffix.
    """

    hidden: tuple[Path, ...] = ()
    unsupported: tuple[Path, ...] = ()
    respelled: tuple[tuple[Path, str], ...] = ()

    def lines(self) -> Iterator[str]:
        """One line for each reason why files were left out."""
        if self.hidden:
            message = f"expected no hidden files, found {len(self.hidden)} that a pattern fits otherwise: left out"
            yield f"{self.hidden[0]}: {message}"
        if self.unsupported:
            message = (
                f"left out {by_suffix(self.unsupported)}, not supported ({SUPPORTED}): convert what belongs to the data"
            )
            yield f"{self.unsupported[0]}: {message}"
        for suffix in dict.fromkeys(suffix for _, suffix in self.respelled):
            paths = [path for path, wanted in self.respelled if wanted == suffix]
            others = ", ".join(sorted({path.suffix for path in paths}))
            them = "it" if len(paths) == 1 else "them"
            message = f"expected {suffix}, as the pattern says, found {others} ({counted(len(paths), 'such file')})"
            yield f"{paths[0]}: {message}: left out, rename {them} to have {them} read"


def left_out(root: Path, patterns: Mapping[str, str]) -> LeftOut:
    """Find the files in the folders of some patterns (by kind of file, with ``{name}``) that match none of them."""
    listing = cache(lambda folder: [(path, path.relative_to(root).as_posix()) for path in list_files(folder)])
    hidden_files: set[Path] = set()
    unsupported: set[Path] = set()
    respelled: dict[Path, str] = {}
    for pattern in patterns.values():
        files = listing(root / stored_spelling(root, pattern_folder(pattern)))
        taken = {
            match[1] for match in map(pattern_regex(pattern).fullmatch, (to_nfc(text) for _, text in files)) if match
        }
        for path, text in files:
            if is_hidden(text, pattern):
                hidden_files |= {path} if matches_pattern(text, pattern) else set()
            elif path.suffix.lower() in UNSUPPORTED and path.suffix != PurePosixPath(pattern).suffix:
                unsupported |= set() if any(matches_pattern(text, other) for other in patterns.values()) else {path}
            elif _is_respelled(text, pattern, taken) and not any(
                matches_pattern(text, other) for other in patterns.values()
            ):
                respelled[path] = PurePosixPath(pattern).suffix
    return LeftOut(
        hidden=tuple(sorted(hidden_files)),
        unsupported=tuple(sorted(unsupported)),
        respelled=tuple(sorted(respelled.items())),
    )


def _is_respelled(text: str, pattern: str, taken: set[str]) -> bool:
    """Whether a picture would match a pattern if it had another suffix.

    One of another format may lie beside a picture on purpose: ``0.jpg`` and ``0_edges.png``.
    """
    path, suffix = PurePosixPath(text), PurePosixPath(pattern).suffix
    if not suffix or path.suffix == suffix or path.suffix.lower() not in SUFFIXES:
        return False
    match = pattern_regex(pattern).fullmatch(to_nfc(path.with_suffix(suffix).as_posix()))
    if not match or _format(path.suffix) == _format(suffix):
        return match is not None
    name = match[1]
    starts = [name, *(name[:place] for place, letter in enumerate(name) if letter in "_-. ")]
    return not any(start in taken for start in starts)


def _format(suffix: str) -> str:
    return suffix.lower().replace(".jpeg", ".jpg")
