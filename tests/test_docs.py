"""Every Python snippet of the README and of the documents runs, and none of them warns."""

import re
import warnings
from pathlib import Path

import pytest

import equipoise as eq
from equipoise import scenes

ROOT = Path(__file__).parents[1]
NEEDS_A_RUN = {"comparing-scenes.md", "own-data.md", "export.md", "predicting.md"}
PAGES = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name not in NEEDS_A_RUN)]
SNIPPET = re.compile(r"```python\n(.*?)```", re.S)


@pytest.mark.parametrize("page", [p for p in PAGES if SNIPPET.search(p.read_text())], ids=lambda p: p.name)
def test_snippets_run(page, tmp_path, monkeypatch):
    """Run the snippets in order in one namespace, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "snippet"}
    for number, code in enumerate(SNIPPET.findall(page.read_text()), 1):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(code, f"{page.name}, snippet {number}", "exec"), names)


def test_the_python_reference_has_every_public_name():
    """Each name of ``equipoise`` and ``equipoise.scenes`` is on a page of docs/api."""
    pages = "\n".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
    documented = set(re.findall(r"^::: (\S+)", pages, re.M))
    public = {f"equipoise.{name}" for name in eq.__all__} | {f"equipoise.scenes.{name}" for name in scenes.__all__}
    assert public - documented == {"equipoise.__version__"}
