"""Runs as a user starts, stops, resumes and replaces them: real processes, and nothing lost by what is refused."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.scenes.training.log import read_log
from tests.support.cityscapes import save, write_cityscapes
from tests.support.commands import RECIPE, command, environment, equipoise, one_line, reset_signals


def test_two_data_sets_in_one_run(home):
    """Cityscapes' layout with every label, and a folder with classes alone whose box is called car here."""
    write_cityscapes(home / "city", "train", 3)
    write_cityscapes(home / "city", "val", 2)
    text = (home / "data/data.toml").read_text()
    (home / "data/data.toml").write_text(text[: text.index("[instance]")])
    also = """
[also.photos]
kind = "folder"
path = "data/data.toml"
classes = { box = "car", ground = "road" }
repeat = 2
[model]"""
    recipe = RECIPE.format(steps=4).replace('"folder"', '"cityscapes"').replace("data/data.toml", "city")
    (home / "recipe.toml").write_text(recipe.replace("[model]", also))
    trained = equipoise("train", "recipe.toml", cwd=home)
    assert trained.returncode == 0, trained.stderr
    assert "photos: 3 classes shared" in trained.stderr
    assert "2 images of photos, val" in trained.stdout
    run = home / "runs/recipe"
    figures = json.loads((run / "metrics.json").read_text())
    assert set(figures["tasks"]) == {"semantic", "instance", "depth"}
    photos = figures["also"]["photos"]
    assert set(photos["tasks"]) == set(photos["baselines"]["constant"]) == {"semantic"}
    assert set(photos["tasks"]["semantic"]["iou"]) == {"road", "car", "sky"}
    assert photos["baselines"]["position"]["semantic"] == 1.0  # every photo has the same labels
    examples = json.loads((run / "pictures/examples.json").read_text())
    shown = [each["tasks"] for each in examples if each["data"] == "photos"]
    assert len(shown) == 2
    assert all(tasks["semantic"]["truth"] and tasks["depth"]["prediction"] for tasks in shown)
    assert not any(tasks["depth"]["truth"] for tasks in shown)
    with Image.open(run / "pictures/photos_00_all_semantic_truth.png") as picture:
        colors = {color for _, color in picture.getcolors()}
    assert (128, 64, 128) in colors  # the road of the first data set, whatever colour the photos' ground has
    page = (run / "report.html").read_text()
    assert "photos: 2 images of “val”" in page
    alone = equipoise("evaluate", run, "--data", "photos", "--json", "--no-baselines", cwd=home)
    assert json.loads(alone.stdout)["tasks"] == photos["tasks"]
    assert (run / "metrics-photos.json").exists()
    unknown = equipoise("evaluate", run, "--data", "photo", cwd=home)
    assert unknown.returncode == 2
    assert "did you mean 'photos'" in one_line(unknown)


def test_a_refused_run_leaves_no_folder_that_it_made(home):
    (home / "recipe.toml").write_text(RECIPE.format(steps=2) + '[likelihood.depth]\nkind = "categorical"\n')
    (home / "mine").mkdir()
    for out in ("new/deeper/run", "mine"):
        refused = equipoise("train", "recipe.toml", "--out", out, cwd=home)
        assert refused.returncode == 4
        assert "likelihood.depth.kind" in one_line(refused)
    assert not (home / "new").exists()
    assert list((home / "mine").iterdir()) == []


def test_data_that_moved(home):
    """Evaluated where a recipe says they lie now, resumed from there, and remembered there."""
    (home / "recipe.toml").write_text(RECIPE.format(steps=2))
    assert equipoise("train", "recipe.toml", cwd=home).returncode == 0
    before = json.loads((home / "runs/recipe/metrics.json").read_text())
    (home / "data").rename(home / "moved")
    lost = equipoise("evaluate", "runs/recipe", cwd=home)
    assert lost.returncode == 3
    assert "--recipe" in one_line(lost)
    (home / "there.toml").write_text(RECIPE.format(steps=2).replace("data/data.toml", "moved/data.toml"))
    assert equipoise("evaluate", "runs/recipe", "--recipe", "there.toml", cwd=home).returncode == 0
    figures = json.loads((home / "runs/recipe/metrics-there.json").read_text())
    assert figures["tasks"] == before["tasks"]
    assert figures["baselines"] == before["baselines"]
    resumed = equipoise("train", "there.toml", "--out", "runs/recipe", "--resume", cwd=home)
    assert resumed.returncode == 0, resumed.stderr
    assert equipoise("evaluate", "runs/recipe", cwd=home).returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_and_resumed(home, number, status):
    (home / "recipe.toml").write_text(RECIPE.format(steps=100_000))
    process = subprocess.Popen(
        command("train", "recipe.toml", "--out", "run"), cwd=home, stderr=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=reset_signals,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (home / "run/log.jsonl").exists() or not read_log(home / "run"):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status
    assert "--resume" in said
    assert "Traceback" not in said
    assert not list(home.rglob("*.lock"))
    (home / "recipe.toml").write_text(RECIPE.format(steps=100_000).replace("[training]", "[training]\nworkers = 1"))
    other = equipoise("train", "recipe.toml", "--out", "run", "--resume", "--seed", "3", cwd=home)
    assert other.returncode == 5
    assert "training.seed" in one_line(other)
    assert "training.workers" not in one_line(other)  # How many make the batches changes nothing.


@pytest.mark.slow
def test_overwritten_stopped_and_resumed(home):
    """Nothing of the old run stays in the way: neither its later checkpoints, nor its figures and pictures."""
    recipe = RECIPE.format(steps=40).replace("log_every", "checkpoint_every = 10\nlog_every")
    (home / "recipe.toml").write_text(recipe)
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    (home / "run/checkpoints/step-best").mkdir()
    assert equipoise("evaluate", "run", "--split", "train", "--no-baselines", cwd=home).returncode == 0
    again = [*command("train", "recipe.toml", "--out", "run", "--overwrite", "--seed", "5")]
    process = subprocess.Popen(again, cwd=home, stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 120
    while json.loads((home / "run/run.json").read_text())["seed"] != 5 or not read_log(home / "run"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    if process.returncode == 143:  # It may have been faster.
        assert not list((home / "run").glob("metrics*.json"))
        assert not list((home / "run/pictures").glob("*.png"))
        resumed = equipoise("train", "recipe.toml", "--out", "run", "--resume", "--seed", "5", cwd=home)
        assert resumed.returncode == 0, resumed.stderr
        assert "passed over" not in resumed.stderr
    assert (home / "run/checkpoints/step-best").is_dir()


DAMAGED = (
    ("run.json", "{}", "expected run format 1 and a known precision, found None, None"),
    ("run.json", '{"format": 99, "precision": "float32"}', "found 99, 'float32'"),
    ("run.json", "[" * 100_000, "run.json: expected JSON, found a mistake: brackets nested too deeply"),
    (
        "recipe.json",
        '{"data": {"kind": "streets", "path": "x", "size": [-3, 0]}, "training": {"steps": 1}}',
        "data.size",
    ),
    ("log.jsonl", "{}\n{}\n", "log.jsonl, line 1: expected a logged step"),
    ("log.jsonl", '{"step": 1, "tasks": null}\n\n', "log.jsonl, line 1: expected a logged step"),
)


def test_a_lost_terminal(home):
    """Saved, and ended as a shell expects of a hangup, though nobody is left to read what is said of it."""
    (home / "recipe.toml").write_text(RECIPE.format(steps=100_000))
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        command("train", "recipe.toml", "--out", "run"), cwd=home, env=environment(), start_new_session=True,
        stdin=terminal, stdout=terminal, stderr=terminal,
        preexec_fn=lambda: (reset_signals(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )  # fmt: skip
    os.close(terminal)
    deadline = time.monotonic() + 120
    while not read_log(home / "run"):
        assert time.monotonic() < deadline
        os.read(master, 10_000)
    os.close(master)
    assert process.wait(timeout=60) == 129
    steps = len(read_log(home / "run"))
    assert (home / f"run/checkpoints/step-{steps:08d}/manifest.json").exists()


def test_only_a_run_is_overwritten_and_of_it_what_was_written(home):
    other = home / "cook"
    other.mkdir()
    (other / "recipe.json").write_text('{"cake": 1}')
    refused = equipoise("train", "recipe.toml", "--out", "cook", "--overwrite", cwd=home)
    assert refused.returncode == 5
    assert "found something else" in one_line(refused)
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    assert equipoise("evaluate", "run", "--split", "train", cwd=home).returncode == 0
    mine = ["metrics_mine.json", "metrics-mine.json", "pictures/holiday.png", "checkpoints/step-00000009/notes.txt"]
    for name in mine:
        (home / "run" / name).parent.mkdir(exist_ok=True)
        (home / "run" / name).write_text("{}")
    moved = next((home / "run/checkpoints").glob("step-*[2-8]"))
    moved.rename(home / "moved")
    moved.symlink_to(home / "moved")
    again = equipoise("train", "recipe.toml", "--out", "run", "--overwrite", "--steps", "1", cwd=home)
    assert again.returncode == 0, again.stderr
    assert all((home / "run" / name).read_text() == "{}" for name in mine)
    assert not (home / "run/metrics-train.json").exists()
    assert (home / "moved/manifest.json").exists()
    assert not moved.exists()


def test_data_sets_in_another_order_are_other_data(home):
    """The order of samples follows that of the sets, so a run resumed with another one would be another run."""
    tables = [f'[also.{name}]\nkind = "folder"\npath = "data/data.toml"\n' for name in ("one", "two")]
    plain = RECIPE.format(steps=2)
    (home / "recipe.toml").write_text(plain + "".join(tables))
    assert equipoise("train", "recipe.toml", cwd=home).returncode == 0
    (home / "recipe.toml").write_text(plain + "".join(reversed(tables)))
    resumed = equipoise("train", "recipe.toml", "--resume", cwd=home)
    assert resumed.returncode == 5
    assert "order of the data sets" in one_line(resumed)


def test_damaged_files_of_a_run(home):
    """Evaluation and resuming tell which file, and what they found in it; the log is read by resuming alone."""
    assert equipoise("train", "recipe.toml", "--out", "run", "--steps", "1", cwd=home).returncode == 0
    resume = ("train", "recipe.toml", "--out", "run", "--resume", "--steps", "1")
    for file, content, words in DAMAGED:
        whole = (home / "run" / file).read_bytes()
        (home / "run" / file).write_text(content)
        done = equipoise(*(resume if file == "log.jsonl" else ("evaluate", "run")), cwd=home)
        assert done.returncode == 5
        assert words in one_line(done)
        (home / "run" / file).write_bytes(whole)


def files_of(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_what_is_refused_leaves_a_run_as_it_was(home):
    """A finished run outlives refused resumes, a new run whose data are missing or broken, and contradictions."""
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=home).returncode == 0
    before = files_of(home / "run")
    recipe, description = (home / "recipe.toml").read_text(), (home / "data/data.toml").read_text()
    swapped = description.replace("value = 3", "value = 99").replace("value = 0", "value = 3").replace("99", "0")
    lists = (home / "data/train.txt").read_text()

    def refused(status: int, words: str, *options: str) -> None:
        done = equipoise("train", "recipe.toml", "--out", "run", *options, cwd=home)
        assert words in one_line(done)
        assert done.returncode == status
        assert files_of(home / "run") == before
        (home / "recipe.toml").write_text(recipe)
        (home / "data/data.toml").write_text(description)
        (home / "data/train.txt").write_text(lists)

    (home / "recipe.toml").write_text(recipe.replace("batch_size = 2", "batch_size = 3"))
    refused(5, "training.batch_size", "--resume")
    (home / "data/data.toml").write_text(swapped)
    refused(5, "expected the data it was trained on, found others (data: description)", "--resume")
    (home / "data/data.toml").write_text(description.replace("box", "crate"))
    refused(5, "data: classes", "--resume")
    (home / "data/train.txt").write_text("a/0\n")
    refused(5, "data: images", "--resume")
    whole = (home / "data/classes/a/0.png").read_bytes()
    save(home / "data/classes/a/0.png", np.full((24, 33), 3, np.uint8))
    refused(5, "data: sizes of files", "--resume")
    (home / "data/classes/a/0.png").write_bytes(whole)
    (home / "recipe.toml").write_text(recipe.replace("data.toml", "none.toml"))
    refused(4, "none.toml", "--overwrite")
    (home / "recipe.toml").write_text(recipe.replace("tasks = [", 'tasks = ["normals", '))
    refused(4, "normals", "--overwrite")
    blind = description.replace("invalid = [0]", "invalid = [0, 4000]").replace('sky = "', 'sky = "" # ')
    (home / "data/data.toml").write_text(blind)
    refused(3, "expected a label for the task 'depth' in some training image, found none", "--overwrite")
    refused(2, "expected one, found both", "--resume", "--overwrite")
    resumed = equipoise("train", "recipe.toml", "--out", "run", "--resume", cwd=home)
    assert resumed.returncode == 0, resumed.stderr
    for name in ("model.safetensors", "log.jsonl"):
        assert (home / "run" / name).read_bytes() == before[name]
    assert json.loads((home / "run/run.json").read_text())["command"] == json.loads(before["run.json"])["command"]
    (home / "run/run.json").write_text('{"a"')
    for name, given in (("train", ["recipe.toml", "--out", "run", "--resume"]), ("evaluate", ["run"])):
        assert "run.json: expected JSON" in one_line(equipoise(name, *given, cwd=home))


def test_names_are_text(home):
    """Brackets in names are no markup of the terminal's."""
    text = (home / "data/data.toml").read_text().replace('"ground"', '"road[/b]"').replace('"box"', '"[bold]box"')
    (home / "data/data.toml").write_text(text)
    checked = equipoise("check", "data/data.toml", "--sheet", "s[/b].png", cwd=home)
    assert checked.returncode == 0, checked.stderr
    assert "road[/b]" in checked.stdout
    assert (home / "s[/b].png").exists()
    assert equipoise("train", "recipe.toml", cwd=home).returncode == 0
    shown = equipoise("evaluate", "runs/recipe", "--per-class", cwd=home)
    assert "[bold]box" in shown.stdout
    assert "road[/b]" in shown.stdout
