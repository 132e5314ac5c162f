"""A Griffe extension: the doctests of docstrings are shown as examples."""

import textwrap
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Put doctests that stand alone in a docstring under a heading that Griffe knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of every module, class, function and attribute that is read."""
        if obj.docstring:
            obj.docstring.value = with_examples(obj.docstring.value)


def with_examples(docstring: str) -> str:
    """Indent paragraphs that begin with a prompt, each below ``Examples:``."""
    paragraphs = docstring.split("\n\n")
    return "\n\n".join(
        "Examples:\n" + textwrap.indent(text, "    ") if text.startswith(">>>") else text for text in paragraphs
    )
