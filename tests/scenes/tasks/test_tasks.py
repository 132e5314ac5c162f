"""Targets, predictions and baselines of the three tasks, against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.data.parts import crop
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import flip, resize
from equipoise.scenes.evaluation.evaluator import baseline_predictors
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary
from equipoise.scenes.tasks import TASKS, make_tasks
from equipoise.scenes.tasks.instance import centroid_offsets
from tests.support.tiny import VOCABULARY, TinyDataset, scene

LABELLED = [name for name, task in TASKS.items() if task.label in VOCABULARY.labels]


def offsets_of(sample: Sample) -> np.ndarray:
    return make_tasks(("instance",), VOCABULARY)["instance"].target(sample)


class TestCentroidOffsets:
    def test_value(self):
        instance = np.zeros((4, 6), np.int32)
        instance[1:3, 1:4] = 26001  # centroid (2, 1.5)
        offsets = centroid_offsets(instance, {})
        assert np.isnan(offsets[:, instance == 0]).all()
        assert offsets[:, 1, 1].tolist() == [1.0, 0.5]
        assert offsets[:, 2, 3].tolist() == [-1.0, -0.5]

    def test_pixel_plus_vector_is_the_mean_of_the_visible_pixels(self):
        sample = scene(3)
        votes = offsets_of(sample) + np.stack(np.meshgrid(np.arange(56), np.arange(40)))
        for identity in np.unique(sample.labels["instance"])[1:]:
            own = sample.labels["instance"] == identity
            ys, xs = np.nonzero(own)
            assert np.allclose(votes[:, own].T, [xs.mean(), ys.mean()], atol=1e-4)

    def test_flip_negates_dx(self):
        """The published bug: mirrored offsets whose dx still points the old way."""
        sample = scene(5)
        straight, mirrored = offsets_of(sample), offsets_of(flip(sample))
        assert np.allclose(mirrored[0], -straight[0][:, ::-1], equal_nan=True, atol=1e-4)
        assert np.allclose(mirrored[1], straight[1][:, ::-1], equal_nan=True, atol=1e-4)

    def test_resize_scales_the_vectors(self):
        sample = scene(5, (40, 56))
        large = offsets_of(resize(sample, (80, 112), VOCABULARY))
        small = offsets_of(sample)
        for axis in (0, 1):
            assert np.nanmax(np.abs(large[axis])) == pytest.approx(2 * np.nanmax(np.abs(small[axis])), abs=1.0)

    def test_a_crop_does_not_move_the_centroid(self):
        sample = scene(5)
        whole, part = offsets_of(sample), offsets_of(crop(sample, 10, 8, 20, 30))
        assert np.allclose(part, whole[:, 10:30, 8:38], equal_nan=True, atol=1e-4)

    def test_no_label_is_nan(self):
        assert np.isnan(offsets_of(Sample(name="blank", image=np.zeros((3, 5, 3), np.uint8)))).all()


class TestPrediction:
    def test_classes_a_few_at_a_time_are_those_of_all_at_once(self, monkeypatch):
        location = torch.randn(3, 6, 7, generator=torch.Generator().manual_seed(0))
        task = make_tasks(("semantic",), VOCABULARY)["semantic"]
        whole = task.prediction(location, (40, 50))
        monkeypatch.setattr("equipoise.scenes.tasks.semantic.MOST_LOGITS", 40 * 50)
        assert np.array_equal(task.prediction(location, (40, 50)), whole)

    def test_disparity_is_scaled_by_the_ratio_of_widths_and_never_negative(self):
        task = TASKS["depth"](VOCABULARY)
        location = torch.full((1, 4, 8), 3.0)
        assert task.prediction(location, (8, 24))[0, 0, 0] == pytest.approx(9.0)
        assert task.prediction(-location, (4, 8)).max() == 0.0

    @pytest.mark.parametrize("unit", ["1/m", "relative"])
    def test_other_units_are_not_scaled(self, unit):
        task = TASKS["depth"](replace(VOCABULARY, inverse_depth_unit=unit))
        assert task.prediction(torch.full((1, 4, 8), 3.0), (8, 24))[0, 0, 0] == pytest.approx(3.0)

    def test_vectors_are_scaled_by_axis(self):
        location = torch.stack([torch.full((4, 8), 1.0), torch.full((4, 8), 2.0)])
        scaled = TASKS["instance"](VOCABULARY).prediction(location, (12, 16))
        assert scaled[:, 5, 5].tolist() == [2.0, 6.0]

    @pytest.mark.parametrize("size", [(40, 56), (33, 47), (80, 112)])
    def test_a_perfect_location_has_a_perfect_figure(self, size):
        sample = scene(2, size)
        for task in make_tasks(LABELLED, VOCABULARY).values():
            target = task.target(sample)
            if task.name == "semantic":
                location = (
                    torch.nn.functional.one_hot(torch.from_numpy(target).long() % IGNORE, 3).permute(2, 0, 1).float()
                )
            else:
                location = torch.from_numpy(np.nan_to_num(target))
            metrics = task.metrics()
            metrics.update(task.prediction(location, size), target)
            perfect = 1.0 if task.primary.better == "higher" else 0.0
            assert metrics.compute()[task.primary.metric] == pytest.approx(perfect, abs=1e-6)


class TestBaselines:
    def test_per_position_against_a_loop(self):
        dataset = TinyDataset(9)
        tasks = make_tasks(LABELLED, VOCABULARY)
        image = torch.zeros(1, 3, 40, 56, dtype=torch.uint8)
        located = {name: predict(image) for name, predict in baseline_predictors(dataset, tasks).items()}
        semantic = np.stack([dataset[i].labels["semantic"] for i in range(9)])
        depth = np.stack([dataset[i].labels["inverse_depth"] for i in range(9)])
        modes = located["position"]["semantic"][0].argmax(0).numpy()
        for y, x in [(0, 0), (20, 30), (25, 10), (39, 50)]:
            values = semantic[:, y, x][semantic[:, y, x] != IGNORE]
            assert (values == modes[y, x]).sum() == np.bincount(values).max()
            if not np.isnan(depth[:, y, x]).all():
                expected = np.nanmedian(depth[:, y, x])
                assert located["position"]["depth"][0, 0, y, x].item() == pytest.approx(expected)
        assert located["constant"]["depth"][0, 0, 3, 4].item() == pytest.approx(np.nanmedian(depth))
        most = np.bincount(semantic[semantic != IGNORE]).argmax()
        assert (located["constant"]["semantic"][0].argmax(0) == most).all()

    def test_places_that_no_image_labels_take_the_constant(self):
        task = TASKS["depth"](VOCABULARY)
        targets = np.full((3, 1, 2, 2), np.nan, np.float32)
        targets[:, 0, 0, 0] = [1.0, 2.0, 9.0]
        assert task.per_position(targets).tolist() == [[[2.0, 2.0], [2.0, 2.0]]]


class TestTable:
    def test_unknown_task(self):
        with pytest.raises(RecipeError, match="found 'flow'"):
            make_tasks(["flow"], VOCABULARY)

    def test_task_without_labels(self):
        with pytest.raises(RecipeError, match="expected labels for 'depth' in the data set"):
            make_tasks(["depth"], SceneVocabulary(classes=VOCABULARY.classes))
