"""Which validation is the best, and when training stops: by hand, and what must hold whatever the figures are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.scenes.training.selection import Selection, Validation

BOTH = Selection(figures={"semantic.mean_iou": "higher", "depth.mae": "lower"})
IOU = Selection(figures={"semantic.mean_iou": "higher"})
ERROR = Selection(figures={"depth.mae": "lower"})


def history(selection: Selection, *figures: dict[str, float | None]) -> list[Validation]:
    return [
        {"step": 10 * (k + 1), "seconds": 1.0, "figures": each, "score": selection.score(each)}
        for k, each in enumerate(figures)
    ]


def of_one(selection: Selection, values: list[float | None]) -> list[Validation]:
    (name,) = selection.figures
    return history(selection, *({name: value} for value in values))


@pytest.mark.parametrize(
    ("selection", "values", "step"),
    [
        (IOU, [0.1, 0.4, 0.3], 20),
        (ERROR, [5.0, 2.0, 3.0], 20),
        (IOU, [0.4, 0.4, 0.4], 10),
        (ERROR, [None, 3.0, None, 2.0], 40),
        (ERROR, [-1.0, 0.0], 10),
    ],
)
def test_the_best_of_one_figure(selection, values, step):
    assert selection.best(of_one(selection, values))["step"] == step


def test_none_is_the_best_where_no_score_is_known():
    assert ERROR.best([]) is None
    assert ERROR.best(of_one(ERROR, [None, None])) is None


def test_the_geometric_mean_of_errors():
    assert BOTH.score({"semantic.mean_iou": 0.75, "depth.mae": 4.0, "depth.rmse": 9.0}) == pytest.approx(1.0)
    assert (BOTH.name, BOTH.better) == ("geometric mean of the errors", "lower")
    assert BOTH.score({"semantic.mean_iou": None, "depth.mae": 4.0}) is None
    assert BOTH.score({"semantic.mean_iou": 1.0, "depth.mae": 4.0}) > 0
    assert (IOU.name, IOU.better, IOU.score({"semantic.mean_iou": 0.25})) == ("semantic.mean_iou", "higher", 0.25)


shares = st.floats(0.0, 0.99)
errors = st.floats(1e-3, 1e3)
runs = st.lists(st.tuples(shares, errors), min_size=1, max_size=12)


@given(runs, st.floats(1e-6, 1e6))
def test_the_unit_of_a_task_does_not_change_how_validations_rank(run, scale):
    plain = [BOTH.score({"semantic.mean_iou": iou, "depth.mae": mae}) for iou, mae in run]
    scaled = [BOTH.score({"semantic.mean_iou": iou, "depth.mae": scale * mae}) for iou, mae in run]
    np.testing.assert_allclose(np.array(scaled) / np.array(plain), scale**0.5, rtol=1e-9)


@given(shares, errors, st.floats(0.01, 0.99))
def test_an_error_that_shrinks_counts_the_same_in_every_task(iou, mae, factor):
    better_classes = BOTH.score({"semantic.mean_iou": 1 - factor * (1 - iou), "depth.mae": mae})
    better_depth = BOTH.score({"semantic.mean_iou": iou, "depth.mae": factor * mae})
    assert better_classes == pytest.approx(better_depth, rel=1e-9)
    assert better_depth < BOTH.score({"semantic.mean_iou": iou, "depth.mae": mae})


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [
        ([3.0, 2.0, 2.5], 0, False),
        ([3.0, 2.0, 2.5], 1, True),
        ([3.0, 2.0, 2.5], 2, False),
        ([3.0, 2.0, 2.5, 2.0], 2, True),
        ([3.0, 2.0, 2.5, 1.0], 1, False),
        ([], 1, False),
        ([None, None], 2, True),
    ],
)
def test_patience(values, patience, over):
    assert ERROR.exhausted(of_one(ERROR, values), patience) is over


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 6))
def test_a_run_stops_at_the_first_validation_that_exhausts_its_patience(values, patience):
    """Against counting by hand, validation by validation."""
    best, since, expected = float("inf"), 0, None
    for k, value in enumerate(values, 1):
        best, since = (value, 0) if value < best else (best, since + 1)
        if since == patience:
            expected = k
            break
    found = [k for k in range(1, len(values) + 1) if ERROR.exhausted(of_one(ERROR, values[:k]), patience)]
    assert (found[0] if found else None) == expected
