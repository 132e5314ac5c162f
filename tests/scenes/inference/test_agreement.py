"""Evaluate and predict agree: the figures of a run are those of its predictions."""

from pathlib import Path

import pytest

from equipoise.commands.callbacks import SILENT
from equipoise.scenes import load
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.runs.evaluation import evaluate_run
from equipoise.scenes.runs.run import train_run
from equipoise.scenes.runs.run_folder import RunFolder
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_figures_by_hand_from_predictions(tmp_path: Path, precision: str) -> None:
    write_folder(tmp_path / "data")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=4) + f'precision = "{precision}"\n')
    recipe, folder = read_recipe(tmp_path / "recipe.toml"), RunFolder(tmp_path / "run")
    folder.prepare(resume=False, overwrite=False)
    train_run(recipe, folder, SILENT)
    found = evaluate_run(folder, SILENT, baselines=False).first.tasks
    for task, values in by_hand(recipe, folder).items():
        for name, value in values.items():
            assert found[task].values[name] == pytest.approx(value, rel=1e-12, nan_ok=True), (task, name)


def by_hand(recipe: Recipe, folder: RunFolder) -> dict[str, dict]:
    model = load(folder.path)
    dataset = RecipeData(recipe).samples("data", recipe.data.validation)
    tasks = model.model.tasks
    totals = {name: task.metrics() for name, task in tasks.items()}
    for index in range(len(dataset)):
        sample, scene = dataset[index], model.predict(dataset[index].image)
        answers = {
            "semantic": scene.semantic,
            "instance": scene.offsets,
            "depth": None if scene.inverse_depth is None else scene.inverse_depth[None],
        }
        for name, task in tasks.items():
            image = task.image_metrics(sample.size, dataset.camera(index))
            image.update(answers[name], task.target(sample))
            totals[name].merge(image)
    return {name: total.compute() for name, total in totals.items()}
