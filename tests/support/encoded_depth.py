"""Write depth labels with any description. Shares no code with the reader."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.support.encodings import Draw, chosen, special
from tests.support.png import GREY, write_png
from tests.support.small_scenes import SIZE


@dataclass(frozen=True)
class Depth:
    """A depth label's table and its expected inverse depth; NaN = no label."""

    table: dict[str, Any]
    expected: np.ndarray
    refused: bool


def write_depth(draw: Draw, path: Path, kind: str) -> Depth:
    """Write any numbers, including 0 and the maximum, with any description."""
    bits = draw(st.sampled_from([1, 2, 4, 8, 16]))
    offset = draw(st.sampled_from([0, -1, 1, 0.5, -255, -65535]))
    divisor = draw(st.sampled_from([1, 256, 1000, 5, 0.25, -1, -255, -65535]))
    palette = [0, (1 << bits) - 1, *draw(st.lists(special((1 << bits) - 1), max_size=4))]
    invalid = draw(st.lists(st.sampled_from([0, 255, 65535]), unique=True, max_size=2))
    infinite = [
        v for v in draw(st.lists(st.sampled_from([1, 65535, *palette]), unique=True, max_size=2)) if v not in invalid
    ]
    stored = chosen(draw, [palette], np.zeros(SIZE, int))
    write_png(path, stored, bits, GREY)
    meant = {p: meaning(p, kind, offset, divisor, invalid, infinite) for p in palette}
    listed = [v for v in (*invalid, *infinite) if v]
    lost = bits < 16 and (abs(divisor) > 255 or (listed and min(listed) > 255))
    table = {"kind": kind, "offset": offset, "divisor": divisor, "invalid": invalid, "infinite": infinite}
    values = np.array([[np.nan if meant[p] is None else meant[p] for p in row] for row in stored.tolist()])
    return Depth(table, values, bool(lost) or None in meant.values())


def meaning(p: int, kind: str, offset: float, divisor: float, invalid: list[int], infinite: list[int]) -> float | None:
    """Return the inverse depth of a stored number; ``None``: a negative depth, which is an error."""
    if p in invalid:
        return float("nan")
    if p in infinite:
        return 0.0
    value = (p + offset) / divisor
    if value < 0:
        return None
    if kind != "depth_m":
        return value
    return 1 / value if value else float("nan")
