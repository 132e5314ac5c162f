"""The core's modules import one another one way."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import equipoise

ROOT = Path(equipoise.__file__).parent
MODULES = {
    ".".join(("equipoise", *path.relative_to(ROOT).with_suffix("").parts)): path
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] not in ("scenes", "commands", "__main__.py")
}


def imported(path: Path) -> set[str]:
    """Modules of the core that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("equipoise"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def test_no_circles():
    # Raises CycleError, which names the modules.
    order = list(TopologicalSorter({name: imported(path) for name, path in MODULES.items()}).static_order())
    assert len(order) == len(MODULES)


def test_formulas_import_nothing_of_the_library():
    assert not imported(MODULES["equipoise.functional"])


def test_every_public_name_can_be_documented():
    """What ``equipoise`` exports has a docstring."""
    undocumented = [name for name in equipoise.__all__ if name[0] != "_" and not getattr(equipoise, name).__doc__]
    assert not undocumented
