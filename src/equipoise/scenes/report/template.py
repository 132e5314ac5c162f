"""Fill in the templates of self-contained pages, which share the head and the style."""

from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from equipoise.scenes.report.words import legible

PACKAGE = "equipoise.scenes.report"


def rendered(package: str, **values: object) -> str:
    """Return the page of ``page.html`` in a package, with every value escaped.

    Args:
        package: the package; ``head.html`` comes from this one.
        values: what the template names.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(PACKAGE, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(style=Markup(style), **values)
