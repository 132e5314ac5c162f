"""One line for a terminal."""

LONGEST = 2000
"""Of a line; what is longer holds a damaged file."""


def printable(line: str) -> str:
    r"""A line for a terminal: what would move its cursor is spelled out.

    >>> printable("a\tb\x1b[31m")
    'a b\\x1b[31m'
    """
    line = line if len(line) <= LONGEST else line[:LONGEST] + " …"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(line.split()))
