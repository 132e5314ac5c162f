"""Sizes on the command line, height x width."""

from equipoise.errors import UsageError
from equipoise.scenes.inference.tiles import Tiling


def parsed_size(text: str, option: str) -> tuple[int, int]:
    """Height and width from ``128x256``; ``option`` is named where they are none."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise UsageError(f"{option}: expected HEIGHTxWIDTH such as 128x256, found {text!r}")
    return int(height), int(width)


def parsed_tiling(tile: str, overlap: float | None) -> Tiling | None:
    """The tiles that ``--tile`` and ``--overlap`` ask for; ``None``: whole images."""
    if not tile:
        if overlap is not None:
            raise UsageError("--overlap: expected it with --tile, found it alone: give --tile HEIGHTxWIDTH")
        return None
    size = parsed_size(tile, "--tile")
    try:
        return Tiling(size=size) if overlap is None else Tiling(size=size, overlap=overlap)
    except UsageError as error:
        raise UsageError(f"--{error}") from None
