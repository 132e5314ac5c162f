"""Imports run one way: from the commands down to the core, which never imports the scenes."""

import ast
from collections.abc import Iterator
from pathlib import Path

import equipoise

ROOT = Path(equipoise.__file__).parent

ROOMS = [
    {"equipoise.commands"},
    {f"equipoise.scenes.{room}" for room in ("comparison", "report", "export", "reference")},
    {"equipoise.scenes.runs"},
    {"equipoise.scenes.evaluation"},
    {f"equipoise.scenes.{room}" for room in ("inference", "outputs")},
    {"equipoise.scenes.training"},
    {"equipoise.scenes.model"},
    {f"equipoise.scenes.{room}" for room in ("tasks", "networks", "data", "cameras", "labels", "visual", "streets")},
    {f"equipoise.scenes.{room}" for room in ("metrics", "grouping")},
    {f"equipoise.scenes.{room}" for room in ("io", "config", "wording")},
]
"""From the top down. A room imports from its own level and below."""
FREE = (
    "equipoise.scenes.data.sample",
    "equipoise.scenes.labels.values",
    "equipoise.scenes.labels.vocabulary",
    "equipoise.scenes.config.recipe",
)
"""Plain values that every room may know; and the recipe, which assembles the settings of all rooms."""


def test_rooms_import_downwards():
    wrong = [
        f"{module} imports {imported}"
        for module, imported in imports()
        if (own := level(module)) is not None and (other := level(imported)) is not None and other < own
    ]
    assert not wrong, "\n".join(wrong)


def test_every_room_has_a_level():
    rooms = {f"equipoise.scenes.{path.stem}" for path in (ROOT / "scenes").iterdir() if path.name[0].isalpha()}
    assert rooms - set().union(*ROOMS) == set()


def test_the_recipe_imports_settings_alone():
    found = {imported for module, imported in imports() if module == "equipoise.scenes.config.recipe"}
    modules = {name for name in found if (ROOT.parent / f"{name.replace('.', '/')}.py").exists()}
    assert {name for name in modules if not name.endswith(("settings", "augmentation"))} <= {
        "equipoise.errors",
        "equipoise.scenes.config.ranges",
        "equipoise.scenes.config.toml",
    }


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
    if module.startswith(FREE):
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
