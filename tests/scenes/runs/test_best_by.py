"""The best model may be chosen by a figure that needs several tasks: AP, panoptic quality, iIoU."""

from pathlib import Path

import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.evaluation.evaluator import evaluate
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.runs.validation import ValidationSet, selection
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.training.validator import ValidationPlan
from tests.scenes.training.validated import real_plan, recipe, run
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset

TOGETHER = [
    *("instance.ap", "instance.ap50", "instance.ap_small", "instance.ap_medium", "instance.ap_large"),
    *(f"instance.{name}{part}" for part in ("", "_things", "_stuff") for name in ("pq", "sq", "rq")),
    "semantic.mean_iiou",
]
SIZE = (40, 56)


def one_set(dataset: TinyDataset) -> ValidationSet:
    return ValidationSet(prefix="", dataset=dataset, tasks=make_tasks(["semantic", "instance"], VOCABULARY))


@pytest.mark.parametrize("name", TOGETHER)
def test_they_can_be_named_and_higher_is_better(name: str):
    assert dict(selection([one_set(TinyDataset(2))], name).figures) == {name: "higher"}


def test_right_answers_have_higher_figures_than_none():
    """The direction is not only said: the truth scores above a prediction of the first class everywhere."""
    dataset, tasks = TinyDataset(2), make_tasks(["semantic", "instance"], VOCABULARY)

    def figures(right: float) -> dict[str, float]:
        samples = iter([dataset[k] for k in range(2)])

        def predict(images: torch.Tensor) -> dict[str, torch.Tensor]:
            sample = next(samples)
            classes = torch.from_numpy(tasks["semantic"].target(sample)).long().clamp(max=2)
            logits = torch.nn.functional.one_hot(classes, 3).permute(2, 0, 1)[None].float() * 9 * right
            vectors = torch.from_numpy(tasks["instance"].target(sample)).nan_to_num()[None] * right
            return {"semantic": logits, "instance": vectors}

        found = evaluate(predict, dataset, tasks, SIZE, batch_size=1, together=True).tasks
        return {f"{task}.{name}": value for task, values in found.items() for name, value in values.items()}

    best, worst = figures(1.0), figures(0.0)
    for name in TOGETHER:
        if name.split("_")[-1] in ("small", "medium", "large"):
            continue  # These sizes are for larger images.
        assert best[name] > (0.0 if worst[name] != worst[name] else worst[name]), name


def test_without_labels_of_objects_they_cannot_be_named():
    photos = PhotoDataset()
    sets = [ValidationSet(prefix="", dataset=photos, tasks=make_tasks(["semantic"], photos.vocabulary))]
    with pytest.raises(RecipeError, match=r"training\.best_by: found 'instance\.ap'"):
        selection(sets, "instance.ap")


@pytest.mark.parametrize("name", ["instance.ap", "instance.pq", "semantic.mean_iiou"])
def test_a_run_validates_by_them_as_evaluate_computes_them(name: str, tmp_path: Path):
    chosen = recipe(4, best_by=name)
    outcome = run(chosen, tmp_path / "run", real_plan(chosen))
    assert [each["step"] for each in outcome.validations] == [2, 4]
    last = outcome.validations[-1]
    assert last["score"] == last["figures"][name]
    if outcome.model_step == 4:
        predict = NetworkPredictor(outcome.model.eval(), "float32")
        found = evaluate(predict, TinyDataset(3), outcome.model.tasks, SIZE, together=True)
        task, figure = name.split(".")
        assert found.tasks[task][figure] == pytest.approx(last["figures"][name], nan_ok=True)
    plain = recipe(2)
    others = run(plain, tmp_path / "plain", real_plan(plain)).validations[0]["figures"]
    assert name not in others, "grouping takes time, and nothing is chosen by it"


def test_the_highest_ap_is_kept_and_an_unknown_one_is_not(tmp_path: Path):
    values = {2: None, 4: 0.1, 6: 0.5, 8: 0.3}
    steps = iter(values)

    def figures(model: object, on_image: object) -> dict[str, float | None]:
        return {"instance.ap": values[next(steps)]}

    chosen = recipe(8, best_by="instance.ap")
    plan = ValidationPlan(selection=selection([one_set(TinyDataset(2))], "instance.ap"), figures=figures)
    outcome = run(chosen, tmp_path / "run", plan)
    assert outcome.model_step == 6
