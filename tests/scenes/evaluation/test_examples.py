"""``examples.json`` describes what the pictures show."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equipoise.scenes.evaluation.examples import choose, write_examples
from equipoise.scenes.evaluation.figures import ImageFigures
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.visual.colors import disparity_colors
from tests.support.tiny import VOCABULARY, TinyDataset, scene

SIZE = (40, 56)
LOCATION = torch.linspace(0.0, 30.0, SIZE[0] * SIZE[1]).reshape(1, *SIZE)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_recorded_range_is_the_one_that_is_drawn(labelled):
    tasks = make_tasks(["depth"], VOCABULARY)
    sample = scene(0) if labelled else replace(scene(0), labels={})
    compared = tasks["depth"].compare(sample, {"depth": LOCATION.numpy()})
    assert (compared.scale.low, compared.scale.unit) == (0.0, "px")
    assert compared.scale.high == pytest.approx(20.0 if labelled else 30.0)
    assert (compared.truth is not None) == labelled
    assert np.array_equal(compared.prediction, disparity_colors(LOCATION[0].numpy(), maximum=compared.scale.high))


def image(**values: float | None) -> ImageFigures:
    return ImageFigures(name="", values=values)


def test_scales_are_written_for_depth_alone(tmp_path):
    tasks = make_tasks(["semantic", "instance", "depth"], VOCABULARY)

    def predict(images: torch.Tensor) -> dict[str, torch.Tensor]:
        shape = (len(images), 0, *images.shape[-2:])
        return {name: torch.ones(shape[0], task.channels, *shape[2:]) for name, task in tasks.items()}

    dataset = TinyDataset(5)
    per_image = [
        ImageFigures(name=name, values={"semantic": 0.5, "instance": 1.0, "depth": 1.0}) for name in dataset.names
    ]
    listed = write_examples(tmp_path / "pictures", predict, tasks, dataset, per_image, SIZE, typical=2, extremes=1)
    assert [one.kind for one in listed] == ["typical", "typical", "best", "worst"]
    scales = [{name: shown.scale for name, shown in one.tasks.items() if shown.scale} for one in listed]
    assert all(list(each) == ["depth"] and each["depth"].high > 10 for each in scales)
    assert all((tmp_path / "pictures" / file).exists() for one in listed for file in one.files)
    assert {len(one.files) for one in listed} == {7}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("figure", [0.5, None])
def test_of_few_images_each_is_chosen_once(count, figure):
    tasks = make_tasks(["semantic"], VOCABULARY)
    chosen = choose([image(semantic=figure)] * count, tasks, typical=4, extremes=2)
    assert chosen == [(i, "all") for i in range(count)]


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 5), st.integers(0, 5))
def test_no_image_is_best_and_worst(scores, typical, extremes):
    tasks = make_tasks(["semantic"], VOCABULARY)
    chosen = choose([image(semantic=score) for score in scores], tasks, typical=typical, extremes=extremes)
    assert len(set(chosen)) == len(chosen)
    best, worst = ({i for i, kind in chosen if kind == wanted} for wanted in ("best", "worst"))
    assert not best & worst
    assert all(scores[i] >= scores[j] for i in best for j in worst)


def test_best_and_worst_follow_the_figures_that_there_are():
    """A task without any figure, and images without one, have no say; places in the list have none either."""
    tasks = make_tasks(["semantic", "instance", "depth"], VOCABULARY)
    rows = [
        {"semantic": 0.5, "depth": 2.0},
        {"semantic": 0.2, "depth": None},
        {"semantic": None, "depth": None},
        {"semantic": 0.9, "depth": 1.0},
        {"semantic": 0.4, "depth": 9.0},
    ]
    per_image = [image(**{"instance": None, **row}) for row in rows]
    chosen = choose(per_image, tasks, typical=2, extremes=2)
    assert chosen == [(0, "typical"), (4, "typical"), (3, "best"), (0, "best"), (1, "worst"), (4, "worst")]
