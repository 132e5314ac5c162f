"""Pictures of a page: drawn with matplotlib in one style, as SVG in data addresses."""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from equipoise._html.template import legible

COLORS = ("#2b6cb0", "#b7691b", "#7a4da0", "#2f7d6d", "#b03a6b", "#4a5560")
INK, QUIET, RULE = "#1d2126", "#667079", "#dfdcd6"
STYLE: Any = {
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.frameon": False,
    "svg.hashsalt": "equipoise",
    "text.parse_math": False,  # Names may have dollar signs.
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with its title, and what it shows in words, for screen readers and captions."""

    title: str
    source: str
    alt: str
    note: str = ""


@contextmanager
def drawn(width: float, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """A figure in the style of the page; its data address is put into the list at the end."""
    source: list[str] = []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the table has the name in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, source
        text = io.BytesIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        source.append("data:image/svg+xml;base64," + base64.b64encode(text.getvalue()).decode())


def brief(name: str, longest: int = 40) -> str:
    r"""A name as a plot has room for: in one line, its end left out where it is long.

    >>> brief("learned,\n closed form"), brief("a" * 50, 8)
    ('learned, closed form', 'aaaaaaa…')
    """
    line = " ".join(str(legible(name)).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
