"""Rows, tables and figures."""

import pytest
import torch

from equipoise.comparison import Fixed, Learned, Table, rows
from equipoise.comparison.figures import auc

TASKS = ("a", "b", "c")


def weights(row: rows.Row) -> list[list[float]]:
    return [list(candidate.method.weights.values()) for candidate in row.candidates]


def test_the_grid_has_each_ratio_once():
    found = weights(rows.grid(TASKS, levels=(0.1, 1.0)))
    ratios = {tuple(round(w / max(mixture), 6) for w in mixture) for mixture in found}
    assert len(found) == len(ratios) == 2**3 - 1
    assert all(sum(mixture) == pytest.approx(1.0) for mixture in found)
    assert len(weights(rows.grid(TASKS))) == 3**3 - 2**3


def test_random_search_is_seeded_log_uniform_and_holds_equal_weights():
    found = weights(rows.tuned(TASKS, draws=200, seed=1))
    assert found == weights(rows.tuned(TASKS, draws=200, seed=1))
    assert found != weights(rows.tuned(TASKS, draws=200, seed=2))
    assert found[0] == pytest.approx([1 / 3] * 3)
    ratios = torch.tensor(found).log()[1:]
    differences = ratios[:, 0] - ratios[:, 1]
    span = torch.tensor(100.0).log()
    assert differences.abs().max() <= span
    # The difference of two uniform values is triangular: mean 0, variance span²/6.
    assert abs(differences.mean()) < 0.4
    assert differences.var().item() == pytest.approx(span.item() ** 2 / 6, rel=0.25)


def test_grown_and_plain_searches_try_the_same_weights():
    assert weights(rows.tuned(TASKS)) == weights(rows.tuned(TASKS, rate="grown"))


def test_standard_rows():
    found = rows.standard(TASKS)
    names = [row.name for row in found]
    assert len(set(names)) == len(names)
    assert {"a alone", "equal", "equal, grown", "tuned", "tuned, grown", "learned", "learned, b + c"} <= set(names)
    controls = {row.info.control_of: row for row in found if row.info.control_of}
    assert set(controls) == {name for name, _, _ in rows.LEARNED}
    assert all(row.candidates[0].method.matched for row in controls.values())
    assert not any("+" in row.name for row in rows.standard(("a", "b")))


def test_controls_of_methods_without_weights_are_refused():
    assert rows.control(rows.equal(TASKS)).candidates[0].method.rate == "matched"
    with pytest.raises(ValueError, match="found TorchJD"):
        rows.control(rows.torchjd(TASKS, "UPGrad"))


def test_a_sweep_goes_from_one_task_to_the_other():
    found = rows.sweep("a", "b", shares=(0.9, 0.5))
    assert [row.name for row in found] == ["a alone", "a 0.9", "a 0.5", "b alone", "learned"]
    assert found[1].candidates[0].method.weights == pytest.approx({"a": 0.9, "b": 0.1})
    assert isinstance(found[-1].candidates[0].method, Learned)


@pytest.mark.parametrize("wrong", [{}, {"a": -1.0}, {"a": 0.0}, {"a": float("nan")}])
def test_fixed_weights_that_are_none(wrong):
    with pytest.raises(ValueError, match="expected weights"):
        Fixed(weights=wrong)


@pytest.mark.parametrize("levels", [3, 1000])
def test_auc_equals_scikit_learn(levels):
    metrics = pytest.importorskip("sklearn.metrics")
    generator = torch.Generator().manual_seed(levels)
    scores = torch.randint(levels, (300,), generator=generator) / levels
    positive = torch.rand(300, generator=generator) < 0.2 + 0.5 * scores
    assert auc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive.numpy(), scores.numpy()))
    with pytest.raises(ValueError, match="both classes"):
        auc(scores, torch.ones(300, dtype=torch.bool))


def test_each_seed_splits_the_table_into_parts_without_overlap():
    table = Table(name="t", inputs=torch.randn(100, 2), targets={"a": torch.randn(100)}, kinds={"a": "regression"})
    parts = [table._split(seed)[:3] for seed in (0, 1)]
    for split in parts:
        assert sorted(torch.cat(split).tolist()) == list(range(100))
        assert [len(part) for part in split] == [60, 20, 20]
    assert not torch.equal(parts[0][2], parts[1][2])


def test_inputs_are_scaled_by_the_training_rows_alone():
    inputs = torch.randn(100, 2)
    table = Table(name="t", inputs=inputs, targets={"a": torch.randn(100)}, kinds={"a": "regression"})
    split = table._split(0)
    known = inputs[split.train]
    torch.testing.assert_close(split.inputs, (inputs - known.mean(0)) / known.std(0))


def test_an_epoch_shows_every_training_row_once():
    table = Table(
        name="t",
        inputs=torch.arange(100.0)[:, None],
        targets={"a": torch.arange(100.0)},
        kinds={"a": "regression"},
        batch_size=20,
    )
    assert table.steps_per_epoch == 3
    epochs = [torch.cat([table.batch(0, 3 * epoch + step)[1]["a"][:, 0] for step in range(3)]) for epoch in (0, 1)]
    assert epochs[0].sort().values.equal(epochs[1].sort().values)
    assert not epochs[0].equal(epochs[1])
    assert len(epochs[0].unique()) == 60


def test_labels_may_be_missing():
    target = torch.tensor([float("nan"), 1.0] * 50)
    table = Table(
        name="t",
        inputs=torch.randn(100, 2),
        targets={"a": target, "b": torch.tensor([-100, 0, 1, 1] * 25)},
        kinds={"a": "regression", "b": "classification"},
    )
    from equipoise.comparison import Budget
    from equipoise.comparison.run import Run, execute

    run = Run(row="e", candidate="", tasks=("a", "b"), method=Learned(), lr=0.01, seed=0)
    record = execute(table, run, Budget(steps=4, validations=1))
    assert record.error is None
    assert set(record.test) == {"a.rmse", "b.auc"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kinds": {}}, "a kind for each"),
        ({"kinds": {"a": "ranking"}}, "found 'ranking'"),
        ({"targets": {"a": torch.randn(9)}}, "expected 10 targets, found 9"),
        ({"shares": (0.8, 0.2)}, "a sum below 1"),
    ],
)
def test_what_a_table_refuses(change, words):
    good = {"name": "t", "inputs": torch.randn(10, 2), "targets": {"a": torch.randn(10)}, "kinds": {"a": "regression"}}
    with pytest.raises(ValueError, match=words):
        Table(**(good | change))
