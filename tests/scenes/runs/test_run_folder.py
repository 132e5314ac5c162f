"""The folder of a run: what is refused, what is removed, what stays, and what damaged files lead to."""

import json
from pathlib import Path

import pytest

from equipoise.errors import RunError, UsageError
from equipoise.scenes.config.recipe import DataRecipe, Recipe, TrainingRecipe
from equipoise.scenes.evaluation.examples import Example, TaskPictures
from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.io.lock import LOCK
from equipoise.scenes.runs.record import Change, KeptModel, RunRecord
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.checkpoint import write_checkpoint

RECIPE = Recipe(data=DataRecipe(kind="folder", path="unused", size=(40, 56)), training=TrainingRecipe(steps=4))
RECORD = RunRecord(format=1, equipoise="0", precision="bfloat16", steps=4, tasks=("depth",), input_size=(40, 56))
METRICS = {
    "split": "val", "images": 2, "tasks": {}, "primary": {}, "baselines": {}, "per_image": [], "sigma": {},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run with one file of each kind."""
    folder = RunFolder(tmp_path / "run")
    folder.prepare(resume=False, overwrite=False)
    folder.write_recipe(RECIPE)
    folder.write_record(RECORD)
    folder.write_figures(Figures.from_json(METRICS))
    folder.write_figures(Figures.from_json(METRICS), "photos", "", "test")
    for name in ("log.jsonl", "log.csv", "validation.jsonl", "validation.csv", "model.safetensors", "model.json"):
        (folder.path / name).write_text("")
    folder.write_report("page")
    folder.pictures.mkdir()
    (folder.pictures / "one.png").write_bytes(b"")
    folder.write_examples([Example(name="one", kind="all", image="one.png")])
    write_checkpoint(folder.path / "checkpoints", 4, {"state.json": b"{}"})
    write_checkpoint(folder.path / "best", 2, {"validation.json": b"{}"})
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_recipe_and_record_are_read_as_they_were_written(run):
    assert run.read() == (RECIPE, RECORD)
    assert run.precision() == "bfloat16"


def test_clear_removes_what_the_run_wrote(run):
    run.clear()
    assert files(run.path) == {"recipe.json", "run.json"}, "a new run replaces these at once"


def test_clear_leaves_the_files_of_others(run):
    others = {
        "notes.txt": "mine", "metrics-mine.json": '{"mine": 1}', "pictures/mine.png": "mine",
        "checkpoints/step-00000004/mine.txt": "mine", "checkpoints/step-mine/state.json": "mine", "best/mine": "mine",
    }  # fmt: skip
    for name, text in others.items():
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text(text)
    run.clear()
    assert files(run.path) == {"recipe.json", "run.json", *others}


def test_clear_follows_no_path_out_of_the_pictures(run):
    depth = TaskPictures(prediction="one.png")
    run.write_examples([Example(name="one", kind="all", image="../notes.txt", tasks={"depth": depth})])
    (run.path / "notes.txt").write_text("mine")
    run.clear()
    assert files(run.path) == {"recipe.json", "run.json", "notes.txt"}


@pytest.mark.parametrize("damaged", ["{", "[3]", '[{"tasks": 3}]', '{"files": {}}'])
def test_clear_keeps_pictures_whose_list_is_damaged(run, damaged):
    run.examples_file.write_text(damaged)
    run.clear()
    assert files(run.pictures) == {"one.png", "examples.json"}


def test_a_new_folder_and_one_with_nothing_but_a_lock(tmp_path):
    RunFolder(tmp_path / "a/b").prepare(resume=False, overwrite=False)
    (tmp_path / "a/b" / LOCK).write_text("")
    RunFolder(tmp_path / "a/b").prepare(resume=False, overwrite=False)
    assert files(tmp_path) == {f"a/b/{LOCK}"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resume": False, "overwrite": False}, RunError, "expected no run"),
        ({"resume": True, "overwrite": True}, UsageError, "found both"),
    ],
)
def test_a_run_is_refused(run, options, error, message):
    before = files(run.path)
    with pytest.raises(error, match=message):
        run.prepare(**options)
    assert files(run.path) == before


def test_what_is_no_run_is_neither_resumed_nor_overwritten(tmp_path):
    (tmp_path / "run.json").write_text('{"of": "another program"}')
    folder = RunFolder(tmp_path)
    with pytest.raises(RunError, match="to resume, found none"):
        folder.prepare(resume=True, overwrite=False)
    with pytest.raises(RunError, match="to overwrite, found something else"):
        folder.prepare(resume=False, overwrite=True)
    assert files(tmp_path) == {"run.json"}


def test_preparing_removes_nothing(run):
    before = files(run.path)
    run.prepare(resume=True, overwrite=False)
    run.prepare(resume=False, overwrite=True)
    assert files(run.path) == before


@pytest.mark.parametrize("file", ["recipe.json", "run.json"])
@pytest.mark.parametrize("content", ["", "{", "[1]", "3", '{"data": 3}', '{"format": 7}', "[" * 100_000])
def test_a_damaged_file_is_named_in_one_line(run, file, content):
    (run.path / file).write_text(content)
    with pytest.raises(RunError) as caught:
        run.read()
    assert str(run.path / file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["recipe.json", "run.json"])
def test_a_missing_file_is_named(run, file):
    (run.path / file).unlink()
    with pytest.raises(RunError, match=f"found no {file}"):
        run.read()


def test_a_record_goes_to_json_and_back():
    record = RunRecord(
        format=1, precision="float32", steps=9, steps_done=4, stopped_early=False, model=KeptModel(step=2, of=2),
        changed=(Change(key="training.steps", before=4, after=9),),
    )  # fmt: skip
    table = json.loads(json.dumps(record.to_json()))
    assert table["changed"] == [{"key": "training.steps", "from": 4, "to": 9}]
    assert table["model"] == {"step": 2, "of": 2, "chosen": "last"}
    assert RunRecord.from_json(table, "run.json") == record
    assert "the model is still that of the first 2 steps" in record.model_behind


def test_a_record_of_another_version_is_read():
    assert RunRecord.from_json({"unheard_of": 1, "seed": 3, "tasks": None}, "run.json") == RunRecord(seed=3)
    with pytest.raises(RunError, match=r"run\.json: steps: expected a whole number, found 'many'"):
        RunRecord.from_json({"steps": "many"}, "run.json")


def test_an_export_has_no_record_and_predicts_in_float32(tmp_path):
    assert RunFolder(tmp_path).precision() == "float32"
    assert RunFolder(tmp_path).read_record() is None
