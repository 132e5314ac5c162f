"""Imports run one way: from the commands down to the core, which never imports the scenes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import equipoise

ROOT = Path(equipoise.__file__).parent

ROOMS = [
    {"equipoise.commands"},
    {"equipoise.scenes.report"},
    {"equipoise.scenes.runs"},
    {"equipoise.scenes.evaluation"},
    {"equipoise.scenes.inference"},
    {"equipoise.scenes.training"},
    {"equipoise.scenes.model"},
    {f"equipoise.scenes.{room}" for room in ("tasks", "networks", "data", "cameras", "labels", "visual")},
    {f"equipoise.scenes.{room}" for room in ("metrics", "grouping")},
]
"""From the top down. A room imports from its own level and below; other rooms are free to serve any of these."""
VALUES = ("equipoise.scenes.data.sample", "equipoise.scenes.labels.values", "equipoise.scenes.labels.vocabulary")
"""Plain values of data and labels, which every room may know."""


def test_rooms_import_downwards():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if (own := level(module)) is not None and (other := level(imported)) is not None and other < own
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_imports_no_scenes():
    upper = ("equipoise.scenes", "equipoise.commands")
    wrong = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if not module.startswith(upper) and module != "equipoise.__main__" and imported.startswith(upper)
    ]
    assert not wrong, "\n".join(wrong)


def level(module: str) -> int | None:
    """How far down a module's room lies; ``None`` where the order leaves it free."""
    if module.startswith(VALUES):
        return None
    room = ".".join(module.split(".")[:3] if module.startswith("equipoise.scenes") else module.split(".")[:2])
    return next((number for number, rooms in enumerate(ROOMS) if room in rooms), None)


def imports() -> Iterator[tuple[str, str]]:
    """Every module of the package with each module of the package that it imports, inside functions too."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            yield from ((module, name) for name in names if name.split(".")[0] == "equipoise")
