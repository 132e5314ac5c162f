"""Figures: to JSON and back, and margins over baselines."""

import json

import pytest

from equipoise.scenes.evaluation.figures import Comparison, Figures, SetFigures, TaskFigures, without_nan
from equipoise.scenes.tasks import Primary

IOU = Primary(metric="mean_iou", label="mean IoU", unit="%", better="higher")
MAE = Primary(metric="mae", label="disparity error", unit="px", better="lower")
PRIMARY = {"semantic": {"metric": "mean_iou", "label": "mean IoU", "unit": "%", "better": "higher"}}
TABLE = {
    "split": "val",
    "images": 2,
    "tasks": {"semantic": {"mean_iou": 0.5, "pixel_accuracy": None, "iou": {"road": 0.5, "car": None}}},
    "primary": PRIMARY,
    "baselines": {"constant": {"semantic": 0.25}, "position": {"semantic": None}},
    "per_image": [{"name": "a", "semantic": 0.5}, {"name": "b", "semantic": None}],
    "sigma": {"semantic": 0.5, "depth": [0.25, 0.5]},
}
ALSO = {key: TABLE[key] for key in TABLE if key != "sigma"} | {"split": "test"}


@pytest.mark.parametrize("table", [TABLE, TABLE | {"also": {"photos": ALSO}}], ids=["one set", "two sets"])
def test_figures_go_through_json_unchanged(table):
    figures = Figures.from_json(json.loads(json.dumps(table)))
    assert json.dumps(figures.to_json()) == json.dumps(table), "the order of the keys too"
    assert list(figures.titled) == (["data", "photos"] if "also" in table else [""])


def test_margins_are_positive_where_the_model_is_better():
    iou = TaskFigures(primary=IOU, values={"mean_iou": 0.5}, baselines={"constant": 0.25, "position": 0.75})
    mae = TaskFigures(primary=MAE, values={"mae": 2.0}, baselines={"constant": 3.0, "position": 2.0})
    assert [(c.margin, c.better) for c in iou.comparisons] == [(0.25, True), (-0.25, False)]
    assert [(c.margin, c.better) for c in mae.comparisons] == [(1.0, True), (0.0, False)]


def test_what_has_no_value_has_no_margin():
    figures = TaskFigures(primary=MAE, values={"mae": None}, baselines={"constant": 3.0})
    assert figures.comparisons == (Comparison(baseline="constant", value=3.0, margin=None),)
    assert not figures.comparisons[0].better
    known = TaskFigures(primary=MAE, values={"mae": 1.0}, baselines={"constant": None})
    assert known.comparisons[0].margin is None


def test_missing_and_null_parts_count_as_absent():
    assert SetFigures.from_json({}) == SetFigures.from_json(dict.fromkeys(ALSO))
    assert SetFigures.from_json({}).tasks == {}
    assert Figures.from_json({}).sigma == {}


@pytest.mark.parametrize(
    "damaged",
    [
        {"primary": {"depth": {}}},
        {"tasks": {"semantic": {"iou": {"road": "wide"}}}},
        {"tasks": {"semantic": 3}},
        {"tasks": [1]},
        {"per_image": [{}]},
        {"per_image": 3},
        {"baselines": {"constant": [1]}, "tasks": {"depth": {}}},
    ],
)
def test_damaged_figures_are_refused(damaged):
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        SetFigures.from_json(damaged)


def test_json_has_no_nan():
    nested = {"a": float("nan"), "b": [float("inf"), 1.0], "c": {"d": -float("inf"), "e": 0}}
    assert without_nan(nested) == {"a": None, "b": [None, 1.0], "c": {"d": None, "e": 0}}
