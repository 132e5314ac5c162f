"""Fill in the templates of self-contained pages, which share the head and the style."""

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

PACKAGE = "equipoise._html"


def rendered(*packages: str, **values: object) -> str:
    """Return the page of ``page.html`` in the first of the packages, with every value escaped.

    Args:
        packages: where templates lie that the page extends or includes; ``base.html`` comes from this one.
        values: what the template names.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ".") for package in (*packages, PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(style=Markup(style), **values)


def legible(value: Any) -> Any:
    r"""Spell out invisible characters in a text: one that reverses the direction would reverse its neighbours too.

    >>> legible("str\u202eeets")
    'str\\u202eeets'
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in value)
