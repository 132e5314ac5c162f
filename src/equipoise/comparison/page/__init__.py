"""``write_page``: a comparison as one HTML page. Matplotlib and Jinja2 are imported when a page is written."""

from importlib.util import find_spec
from pathlib import Path

from equipoise.comparison import store
from equipoise.comparison.records import Comparison

NEEDED = {"jinja2": "Jinja2", "matplotlib": "Matplotlib"}


def missing_libraries() -> list[str]:
    """What a page needs and is not installed."""
    return [title for name, title in NEEDED.items() if find_spec(name) is None]


def write_page(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison as one self-contained HTML page: no other file and no network is needed to read it.

    It has the table with an explanation of its columns, the differences in words and as a plot with intervals, the
    critical-difference diagram of the ranks, the figures over the weights of ``rows.sweep``, the course of the weights,
    the cost of each row and the runs that failed. Parts that have no content are left out.

    Args:
        comparison: what ``equipoise.compare`` returned, or ``Comparison.from_json`` read from ``comparison.json``.
        path: the file to write, such as ``"report.html"``; its folder is made where it is missing.

    Returns:
        The path.

    Raises:
        ModuleNotFoundError: Jinja2 or Matplotlib is not installed.
    """
    if missing := missing_libraries():
        raise ModuleNotFoundError(f"write_page: found no {' and no '.join(missing)}: pip install 'equipoise[report]'")
    from equipoise.comparison.page.document import document

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.replace(path, document(comparison))
    return path
