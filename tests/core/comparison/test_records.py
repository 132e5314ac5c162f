"""Records as JSON, and their files."""

import dataclasses

import pytest

from equipoise.comparison import Comparison, RunRecord, store
from tests.core.comparison.support import comparison, record, row

RUN = record(
    "tuned, grown",
    "weights 0.5 : 0.5, lr 0.01",
    3,
    (1.0, 0.5),
    weights=((1, {"a": 0.5, "b": 0.5}), (5, {"a": 0.25, "b": 1.0})),
    update_norms=((1, 0.5),),
    settings={"lr": 0.01},
)


def test_records_survive_json():
    assert RunRecord.from_json(RUN.to_json()) == RUN
    whole = comparison([row("tuned, grown"), row("a", "a")], [RUN], "a")
    assert Comparison.from_json(whole.to_json()) == whole


def test_files_survive(tmp_path):
    path = store.save(tmp_path, RUN)
    assert store.load(tmp_path, RUN.row, RUN.candidate, RUN.seed) == RUN
    assert store.load(tmp_path, RUN.row, RUN.candidate, 4) is None
    assert list(store.records(tmp_path)) == [RUN]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_names_that_differ_in_marks_alone_have_files_of_their_own(tmp_path):
    names = ["a : b", "a / b", "a-b", "../a", "a" * 70, "a" * 71, ""]
    paths = {store.path_of(tmp_path, name, name, 0) for name in names}
    assert len(paths) == len(names)
    assert all(path.is_relative_to(tmp_path) and ".." not in path.parts for path in paths)


def test_a_damaged_file_is_named(tmp_path):
    path = store.save(tmp_path, RUN)
    path.write_text("{")
    with pytest.raises(ValueError, match=path.name):
        list(store.records(tmp_path))


def test_values_that_json_has_not_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        store.save(tmp_path, dataclasses.replace(RUN, test={"a.rmse": float("nan")}))
    assert list(store.records(tmp_path)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": "none"}, "found 'none'"),
        ({"rows": (row("old"), row("old"))}, "twice"),
        ({"rows": (row("old", "c"),)}, "expected a metric for each task"),
        ({"records": (record("new", "", 0, (1.0, 0.5)),)}, "found 'new'"),
    ],
)
def test_what_a_comparison_refuses(change, words):
    good = comparison([row("old")], [], "old")
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(good, **change)
