"""A small comparison without data, and records made by hand."""

from dataclasses import replace
from pathlib import Path

from equipoise.comparison.records import Metric, RunRecord
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.plan import Plan, PlannedRun, make_plan
from equipoise.scenes.comparison.settings import ComparisonRecipe
from tests.scenes.training.test_loop import RECIPE
from tests.support.cityscapes import write_cityscapes
from tests.support.commands import RECIPE as COMMAND_RECIPE

SETTINGS = ComparisonRecipe(rows=("alone", "equal", "learned", "closed-form"), seeds=3, lr_factors=(0.5, 1.0))
METRICS = [
    Metric(name="mean_iou", task="semantic", higher_is_better=True, best=100.0, unit="%"),
    Metric(name="mae_px", task="instance", unit="px"),
    Metric(name="mae", task="depth", unit="px"),
]


def write_recipe(folder: Path, *lines: str) -> Path:
    """Write a recipe for a few images in Cityscapes' layout, and return its path."""
    for split, count in (("train", 4), ("val", 2)):
        write_cityscapes(folder / "city", split, count)
    text = COMMAND_RECIPE.format(steps=4).replace('"folder"', '"cityscapes"').replace("data/data.toml", "city")
    path = folder / "recipe.toml"
    path.write_text("\n".join([text, "[comparison]", "held_out = 50", *lines]))
    return path


def plan_of(**changes) -> Plan:
    return make_plan(RECIPE, replace(SETTINGS, **changes), Path("small.toml"))


def started(plan: Plan, path: Path) -> ComparisonFolder:
    folder = ComparisonFolder(path)
    folder.write_overview(plan, METRICS, {"train": 8, "validation": 2, "test": 5})
    return folder


def record(run: PlannedRun, error: float = 1.0, *, failed: str | None = None, test: float | None = None) -> RunRecord:
    """A record whose errors are multiples of 1 px, and whose IoU is 100 less twenty times that."""
    made = RunRecord(row=run.row.name, candidate=run.candidate.name, seed=run.seed, steps=7, seconds=2.0, error=failed)
    if failed:
        return made
    own = [metric for metric in METRICS if metric.task in run.row.tasks]
    weights = tuple((step, dict.fromkeys(run.row.tasks, 1.0 + step)) for step in (1, 2, 3))

    def figures(value: float) -> dict[str, float]:
        return {one.key: 100 - 20 * value if one.higher_is_better else value for one in own}

    judged = figures(error if test is None else test)
    norms = tuple((step, error * step) for step in (1, 2, 3))
    return replace(made, validation=figures(error), test=judged, best_step=7, weights=weights, update_norms=norms)
