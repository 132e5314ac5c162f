"""Figures and sentences: decimals that line up, a verdict that says on how many images."""

from dataclasses import replace

import pytest

from equipoise.scenes.evaluation.figures import Figures, SetFigures
from equipoise.scenes.networks.encoders.weights import EncoderFile
from equipoise.scenes.report.figures import Row, details, metric_rows
from equipoise.scenes.report.words import facts, lead, unfinished, verdict, weights_note
from equipoise.scenes.runs.record import RunRecord

LOWER = {"metric": "mae_px", "label": "offset error", "unit": "px", "better": "lower"}


def metrics(model: float | None, *baselines: float | None, images: int = 100) -> SetFigures:
    """Figures of one task beside its baselines."""
    table = {
        "split": "val",
        "images": images,
        "tasks": {"instance": {"mae_px": model, "euclidean_px": 8.4668}},
        "primary": {"instance": LOWER},
        "baselines": {f"b{k}": {"instance": value} for k, value in enumerate(baselines)},
    }
    return SetFigures.from_json(table)


def rows(figures: SetFigures, data: str = "") -> tuple[Row, ...]:
    return metric_rows(figures, {}, data)


@pytest.mark.parametrize(
    ("model", "baseline", "shown"),
    [
        (5.2915, 10.041, ("5.29", "10.04", "+4.75")),
        (1.1015, 1.1679, ("1.10", "1.17", "+0.07")),
        (9.9996, 8.5, ("10.0", "8.5", "−1.5")),
        (0.01234, 0.1, ("0.0123", "0.1000", "+0.0877")),
        (1234.5, 12.0, ("1,234", "12", "−1,222")),
        (0.0, 2.5, ("0", "2.5", "+2.5")),
        (None, 2.5, ("–", "2.5", "–")),
        (5.0, None, ("5.00", "–", "–")),
    ],
)
def test_a_row_has_the_decimals_of_its_model(model, baseline, shown):
    (row,) = rows(metrics(model, baseline))
    assert (row.value, row.baselines[0].value, row.baselines[0].margin) == shown


def shown(table: dict) -> dict[str, dict[str, str]]:
    groups = details(SetFigures.from_json(table))
    return {group.task: {figure.name: figure.value for figure in group.figures} for group in groups}


def test_every_figure_has_its_unit():
    assert shown(metrics(5.3).to_json()) == {"instance": {"offset error, px": "5.30", "euclidean, px": "8.47"}}
    table = {"tasks": {"semantic": {"pixel_accuracy": 0.78813}}, "primary": {"semantic": LOWER | {"unit": "%"}}}
    assert shown(table) == {"semantic": {"pixel accuracy, %": "78.8"}}
    assert shown({"tasks": {"depth": {"mae": 0.5}}}) == {"depth": {"mae": "0.500"}}


def test_figures_may_have_another_unit_than_the_primary_one():
    angle = {"metric": "mean_deg", "label": "angular error", "unit": "°", "better": "lower"}
    error = {"metric": "mae", "label": "disparity error", "unit": "px", "better": "lower"}
    table = {
        "tasks": {
            "normals": {"mean_deg": 21.0, "median_deg": 12.0, "within_22": 0.615},
            "depth": {"mae": 2.0, "rmse": 3.0, "rmse_m": 4.5, "abs_rel": 0.123, "delta_1": 0.8},
        },
        "primary": {"normals": angle, "depth": error},
    }
    assert shown(table) == {
        "normals": {"angular error, °": "21.0", "median, °": "12.0", "within 22.5°, %": "61.5"},
        "depth": {
            "disparity error, px": "2.00", "rmse, px": "3.00", "rmse, m": "4.50",
            "abs rel": "0.123", "delta 1": "0.800",
        },
    }  # fmt: skip


def test_verdict():
    better, worse = rows(metrics(5.0, 6.0)), rows(metrics(5.0, 4.0, images=1))
    assert verdict(better) == "Better than the baselines on instance, on the 100 images of “val”."
    assert verdict(better * 2) == "Better than the baselines on both tasks, on the 100 images of “val”."
    assert verdict(worse) == "Not better than the baselines on instance, on the 1 image of “val”."
    assert verdict(rows(metrics(None, 4.0))) == ""
    assert verdict(rows(metrics(4.0))) == ""


def test_verdict_on_several_data_sets():
    better, worse = rows(metrics(5.0, 6.0), "streets"), rows(metrics(5.0, 4.0, images=7), "data")
    assert verdict(better * 2) == "Better than the baselines on instance and instance (streets, 100 images)."
    expected = "Not better than the baselines on instance (data, 7 images), better on instance (streets, 100 images)."
    assert verdict(better + worse) == expected


def test_lead():
    record = RunRecord(tasks=("semantic", "instance", "depth"), train_images=600, seconds=561.0, steps=40)
    figures = Figures(sets={"data": metrics(5.0)}, sigma={})
    expected = "Semantic classes, instances and depth, learned together from 600 images in 9 min 21 s"
    assert lead(record, None) == expected + "."
    assert lead(record, figures) == expected + "; measured on the 100 images of “val”."
    assert lead(record, figures, judged=True) == expected + "."
    assert unfinished(record, [{"step": 30}]) == "Not finished: step 30 of 40."
    assert unfinished(replace(record, steps_done=40), [{"step": 30}]) == ""


def test_skipped_images_are_told():
    assert dict(facts(RunRecord(skipped=("a: broken", "b: broken")), {}))["images skipped"] == "2"
    assert "images skipped" not in dict(facts(RunRecord(), {}))


def test_first_weights_are_named_with_their_checksum():
    file = EncoderFile(name="timm/resnet50.a1_in1k/model.safetensors", sha256="ab12", tensors=265, missing=1)
    shown = dict(facts(RunRecord(encoder_weights=file), {}))["first weights"]
    assert shown == "timm/resnet50.a1_in1k/model.safetensors, 265 tensors, 1 missing, SHA-256 ab12"
    assert "first weights" not in dict(facts(RunRecord(), {}))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"threads": 1}, "cpu, 1 thread"),
        ({"threads": 2, "processes": 1}, "cpu, 2 threads"),
        ({"threads": 1, "processes": 2}, "cpu, 1 thread, 2 processes"),
        ({"processes": None}, "cpu"),
    ],
)
def test_threads_and_processes(record, expected):
    assert dict(facts(RunRecord(device="cpu", **record), {}))["precision"] == expected


@pytest.mark.parametrize(
    ("weighting", "fact", "note"),
    [
        ({"method": "learned", "rate": "free"}, "learned", "the smaller σ, the larger the weight"),
        ({"method": "damped", "rate": "free"}, "damped", "ratios are damped"),
        (
            {"method": "equal", "rate": "grown"},
            "equal, grown",
            "not determine the weights: this run weighs its tasks by “equal”",
        ),
        (None, None, "not determine the weights."),
    ],
)
def test_how_weights_and_noise_belong_together_depends_on_the_method(weighting, fact, note):
    recipe = {} if weighting is None else {"weighting": weighting}
    assert dict(facts(RunRecord(), recipe)).get("weighting") == fact
    assert note in weights_note(recipe)
