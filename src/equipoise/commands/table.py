"""Print tables without cutting cells: if a table is too wide, each row becomes a block of lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console

from equipoise.commands.line import printable

GAP = "  "
"""The space between two columns."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its title, which may have several lines, and whether it holds numbers, which are aligned right."""

    title: str
    numbers: bool = False

    def padded(self, text: str, width: int) -> str:
        """Pad a text to a width, a number on the left, anything else on the right."""
        blanks = " " * (width - cell_len(text))
        return blanks + text if self.numbers else text + blanks


def print_table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], screen: Console) -> None:
    """Print a table; if it is wider than the screen, print a block of lines for each row."""
    rule = "-" if screen.options.ascii_only else "─"
    shown = [[cell if c.numbers else printable(cell) for c, cell in zip(columns, row, strict=True)] for row in rows]
    lines = table_lines(columns, shown, screen.width, rule)
    for line in [printable(title), "", *lines, ""]:
        screen.print(line, highlight=False, soft_wrap=True)


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, rule: str = "─") -> list[str]:
    r"""Return the lines of a table that is at most ``width`` wide.

    >>> columns = [Column(title="task"), Column(title="model", numbers=True)]
    >>> print(*table_lines(columns, [["depth", "5.30"], ["instance", "12.10"]], 20, rule="-"), sep="\n")
    task      model
    ---------------
    depth      5.30
    instance  12.10
    >>> print(*table_lines(columns, [["instance", "12.10"]], 14), sep="\n")
    instance
      model  12.10
    """
    titles = [column.title.split("\n") for column in columns]
    height = max(map(len, titles))
    heads = list(zip(*([""] * (height - len(lines)) + lines for lines in titles), strict=True))
    widths = [max(map(cell_len, cells)) for cells in zip(*heads, *rows, strict=True)]
    total = sum(widths) + len(GAP) * (len(widths) - 1)
    if total > width:
        return _blocks(columns, rows, width)
    lines = [
        GAP.join(column.padded(cell, w) for column, cell, w in zip(columns, row, widths, strict=True)).rstrip()
        for row in [*heads, *rows]
    ]
    return [*lines[:height], rule * total, *lines[height:]]


def _blocks(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return each row's first cell, and below it the other cells with their titles, on two lines if necessary."""
    titles = [column.title.replace("\n", " ") for column in columns[1:]]
    longest = max(map(cell_len, titles), default=0)
    lines = []
    for first, *cells in rows:
        lines.append(first)
        for title, cell in zip(titles, (" ".join(cell.split()) for cell in cells), strict=True):
            padded = f"{GAP}{title}{' ' * (longest - cell_len(title))}{GAP}{cell}"
            lines += [padded] if cell_len(padded) <= width else [GAP + title, GAP * 2 + cell]
    return lines
