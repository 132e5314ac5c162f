"""Make a line safe for a terminal."""

LONGEST = 2000
"""Longest line, in characters; longer ones quote a damaged file."""


def printable(line: str) -> str:
    r"""Spell out the characters of a line that would move the terminal's cursor.

    >>> printable("a\tb\x1b[31m")
    'a b\\x1b[31m'
    """
    line = line if len(line) <= LONGEST else line[:LONGEST] + " …"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(line.split()))
