"""Build hooks of the documentation site: the repository's own Markdown files become pages, with links that work."""

import posixpath
import re
import runpy
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
FROM_ROOT = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
LINK = re.compile(r"(?<!!)\[(?P<label>[^\]]+)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)]*)?\)")
IMAGE = re.compile(r"(?<=\]\()docs/(?=images/)")


def on_config(config: MkDocsConfig) -> None:
    """Show the version in the footer."""
    version = runpy.run_path(str(ROOT / "src/equipoise/version.py"))["__version__"]
    config.copyright = f"Equipoise {version}, Apache-2.0"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files that lie beside ``docs``."""
    for name, page in FROM_ROOT.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages.

    A label that is the file's path becomes the page's title. Files that are no page (recipes, examples) keep their
    label as text.
    """
    here = page.file.src_uri
    source = next((name for name, uri in FROM_ROOT.items() if uri == here), f"docs/{here}")

    def replaced(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link["path"]))
        if not (ROOT / target).exists():
            return link[0]
        uri = FROM_ROOT.get(target, target.removeprefix("docs/"))
        if files.get_file_from_path(uri) is None:
            return f"`{target}`" if link["label"] == target else link["label"]
        label = title(ROOT / target) if link["label"] == target else link["label"]
        return f"[{label}]({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{link['anchor'] or ''})"

    markdown = LINK.sub(replaced, markdown)
    return IMAGE.sub("", markdown) if source in FROM_ROOT else markdown


def title(page: Path) -> str:
    """The first heading of a Markdown file."""
    return next(line.removeprefix("# ") for line in page.read_text().splitlines() if line.startswith("# "))
