"""The commands as a user runs them: real processes, real files, exit statuses, one line for a mistake."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.support.cityscapes import save
from tests.support.commands import RECIPE, command, environment, equipoise, one_line, reset_signals


def test_train_evaluate_report(home):
    before = {p: p.read_bytes() for p in (home / "data").rglob("*") if p.is_file()}
    trained = equipoise("train", "recipe.toml", cwd=home)
    assert trained.returncode == 0, trained.stderr
    assert not list(home.rglob("*.lock"))
    run = home / "runs/recipe"
    for name in ("report.html", "metrics.json", "log.jsonl", "log.csv", "model.safetensors", "model.json", "run.json"):
        assert (run / name).stat().st_size > 0
    assert "semantic" in trained.stdout
    assert "σ" in trained.stderr

    evaluated = equipoise("evaluate", run, "--json", cwd=home)
    assert evaluated.returncode == 0, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert set(figures["tasks"]) == {"semantic", "instance", "depth"}
    assert set(figures["baselines"]) == {"constant", "position"}
    assert json.loads((run / "metrics.json").read_text())["tasks"] == figures["tasks"]
    table = equipoise("evaluate", run, "--split", "train", "--per-class", cwd=home)
    assert "sky" in table.stdout
    assert (run / "metrics-train.json").exists()

    (run / "report.html").unlink()
    assert equipoise("report", run, cwd=home).stdout.strip() == str(run / "report.html")
    assert (run / "report.html").exists()
    for path in (run / "metrics.json", *(run / "pictures").glob("*.png")):
        path.unlink()
    redone = equipoise("report", run, "--device", "cpu", cwd=home)
    assert redone.stdout.strip() == str(run / "report.html"), redone.stderr
    assert json.loads((run / "metrics.json").read_text())["tasks"] == figures["tasks"]
    assert list((run / "pictures").glob("*.png"))
    assert "--device" in one_line(equipoise("report", run, "--device", "gpu", cwd=home))

    again = equipoise("train", "recipe.toml", cwd=home)
    assert again.returncode == 5
    assert "--overwrite" in one_line(again)
    assert {p: p.read_bytes() for p in (home / "data").rglob("*") if p.is_file()} == before


def test_demo_at_its_smallest(tmp_path):
    arguments = ("demo", "--out", "demo", "--train", "8", "--val", "4", "--steps", "2")
    for _ in range(2):  # it may be run again
        done = equipoise(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo/report.html").exists()
    for word in ("constants", "per position", "margin", "report.html"):
        assert word in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_ends_shows_nothing(tmp_path, number):
    """As torchrun sends one to a process that is ending because another one failed."""
    late = f"import atexit, os; atexit.register(os.kill, os.getpid(), {int(number)}); "
    python, flag, start, *arguments = command("report", "nowhere")
    late_start = [python, flag, late + start, *arguments]
    done = subprocess.run(late_start, cwd=tmp_path, capture_output=True, text=True, preexec_fn=reset_signals)
    assert done.returncode == -number
    assert "expected a run" in one_line(done)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.7])
def test_ctrl_c_while_torch_is_imported(tmp_path, seconds):
    start = "print(flush=True); from equipoise_command import main; main()"
    pipe = subprocess.PIPE
    arguments = [sys.executable, "-c", start, "report", "nowhere"]
    with subprocess.Popen(
        arguments, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True, preexec_fn=reset_signals
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()  # Python itself is up.
        time.sleep(seconds)
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert len(said.splitlines()) == 1, said
    assert said.startswith("equipoise: ")


def test_demo_replaces_nothing_else(tmp_path):
    """Not a folder that looks like one, and in a demo's own folder not what lies beside it."""
    (tmp_path / "mine/streets").mkdir(parents=True)
    (tmp_path / "mine/run.json").write_text("{}")
    (tmp_path / "mine/file.txt").write_text("mine")
    refused = equipoise("demo", "--out", "mine", cwd=tmp_path)
    assert refused.returncode == 5
    assert "something else" in one_line(refused)
    assert (tmp_path / "mine/file.txt").read_text() == "mine"
    assert equipoise("demo", "--out", "mine", "--train", "0", cwd=tmp_path).returncode == 2
    (tmp_path / "mine/demo.txt").write_text("")
    done = equipoise("demo", "--out", "mine", "--train", "8", "--val", "2", "--steps", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine/file.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["trian"], 2, 'Did you mean "train"'),
        (["train"], 2, "RECIPE"),
        (["train", "recipe.toml", "--sed", "3"], 2, "--seed"),
        (["train", "nowhere.toml"], 4, "expected a TOML file at nowhere.toml"),
        (["train", "recipe.toml", "--steps", "0"], 4, "training.steps"),
        (["train", "recipe.toml", "--steps", "2.7"], 2, "expected a whole number, found '2.7'"),
        (["train", "recipe.toml", "--seed", "-1"], 4, "training.seed"),
        (["train", "recipe.toml", "--resume"], 5, "--resume"),
        (["evaluate", "nowhere"], 5, "expected a run at nowhere"),
        (["report", "data"], 5, "run.json"),
        (["generate", "data"], 5, "expected an empty folder at data"),
        (["generate", "out", "--size", "big"], 2, "--size: expected HEIGHTxWIDTH"),
    ],
)
def test_mistakes_end_in_one_line(home, arguments, status, words):
    done = equipoise(*arguments, cwd=home)
    assert words in one_line(done)
    assert done.returncode == status


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        ("steps =", "step =", 4, "did you mean 'steps'"),
        ("steps = 4", 'steps = "4"', 4, "training: steps: expected a whole number"),
        ("data.toml", "dat.toml", 4, "expected a TOML file"),
        ('tasks = ["semantic"', 'tasks = ["semantics"', 4, "found 'semantics'"),
        ("aspp_channels = 16", 'encoder_name = "resnet5"', 4, "did you mean 'resnet50'"),
        ("[training]", "[augmentation]\nscale = [0.0, 2.0]\n[training]", 4, "augmentation.scale: expected two factors"),
        ("[model]", '[also.more]\nkind = "folder"\npath = "data/none.toml"\n[model]', 4, "data/none.toml"),
        ("steps = 4", "steps = 4\nseed = 99999999999999999999", 4, "training.seed: expected 0 … 4,294,967,295"),
        ("size = [32, 48]", "size = [48, 100000000000000000000]", 4, "data.size"),
        ("aspp_channels = 16", "aspp_channels = 100000000", 4, "model.aspp_channels"),
        ("batch_size = 2", "batch_size = 1000000000000", 4, "training.batch_size"),
        ("[training]", "[augmentation]\nscale = [1.0, inf]\n[training]", 4, "augmentation.scale"),
        ("[training]", "[optimizer]\nlr = inf\n[training]", 4, "optimizer.lr: expected a finite number"),
        ("[training]", "[optimizer]\nlr = 1e300\n[training]", 4, "optimizer.lr: expected a finite number"),
        ("[model]", "repeat = 100000000000000000000000\n[model]", 4, "repeat: expected 1 … 1,000,000"),
        ('"cache"', '"\\u0000"', 4, "expected a string without NUL"),
        ("steps = 4", f"steps = {'9' * 5000}", 4, "expected TOML, found a mistake"),
        ("steps = 4", f"steps = {'[' * 3000}", 4, "expected TOML, found a mistake"),
        ("[training]", "[optimizer]\npower = nan\n[training]", 4, "optimizer.power"),
        ("[model]", '[also.data]\nkind = "folder"\npath = "data/data.toml"\n[model]', 4, "not 'data'"),
        (
            "[model]",
            '[also.more]\nkind = "folder"\npath = "data/data.toml"\nclasses = { bo = "x" }\n[model]',
            4,
            "also.more.classes: found 'bo': did you mean 'box'",
        ),
        (
            "[training]",
            '[likelihood.semantic]\nkind = "categorical-exact"\nupdate = "closed_form"\n[training]',
            4,
            "likelihood.semantic: Categorical",
        ),
    ],
)
def test_mistakes_in_a_recipe(home, old, new, status, words):
    text = RECIPE.format(steps=4)
    assert old in text
    (home / "recipe.toml").write_text(text.replace(old, new))
    done = equipoise("train", "recipe.toml", cwd=home)
    assert words in one_line(done)
    assert done.returncode == status


@pytest.mark.parametrize(
    ("path", "picture", "words"),
    [
        ("classes/a/2.png", np.full((24, 33), 99, np.uint8), "expected labels of the described classes, found 99"),
        ("classes/a/2.png", np.full((24, 34), 3, np.uint8), "expected the size of its image, 33x24, found 34x24"),
        ("depth/a/2.png", np.full((12, 33), 9, np.uint16), "expected the size of its image, 33x24, found 33x12"),
        ("objects/a/2.png", np.zeros((24, 33, 3), np.uint8), "expected"),
    ],
)
def test_wrong_labels_are_named_before_training(home, path, picture, words):
    save(home / "data" / path, picture)
    for name, given in (("check", "data/data.toml"), ("train", "recipe.toml")):
        done = equipoise(name, given, cwd=home)
        assert done.returncode == 3
        assert "Traceback" not in done.stderr
        told = done.stdout if name == "check" else one_line(done)
        assert words in told
        assert path in told
    assert not (home / "runs/recipe/checkpoints").exists()


@pytest.mark.parametrize("command", ["check", "train", "predict"])
def test_empty_folders(home, command):
    (home / "empty/rgb").mkdir(parents=True)
    (home / "empty/data.toml").write_text((home / "data/data.toml").read_text().replace("list = ", "fraction = 0.5 # "))
    (home / "recipe.toml").write_text(RECIPE.format(steps=2).replace("data/data.toml", "empty/data.toml"))
    given = {"check": ["empty/data.toml"], "train": ["recipe.toml"], "predict": ["empty", "empty", "--out", "out"]}
    done = equipoise(command, *given[command], cwd=home)
    assert done.returncode == {"check": 3, "train": 3, "predict": 5}[command]
    assert "Traceback" not in done.stderr
    assert "expected" in (done.stdout if command == "check" else one_line(done))


def test_half_a_team_is_told(home):
    done = subprocess.run(
        command("train", "recipe.toml"),
        cwd=home,
        capture_output=True,
        text=True,
        env=environment() | {"WORLD_SIZE": "2"},
    )
    assert done.returncode == 5
    assert "RANK, MASTER_ADDR, MASTER_PORT" in one_line(done)
    assert "torchrun" in one_line(done)


def test_broken_data_is_named(home):
    (home / "data/classes/a/2.png").write_bytes(b"no picture")
    done = equipoise("train", "recipe.toml", cwd=home)
    assert done.returncode == 3
    assert "classes/a/2.png" in one_line(done)
    assert not (home / "runs/recipe/model.safetensors").exists()
    assert not list(home.rglob("*.lock"))


def test_broken_data_are_skipped_where_that_is_chosen(home):
    (home / "data/classes/a/2.png").write_bytes(b"no picture")
    (home / "data/depth/a/3.png").unlink()
    text = RECIPE.format(steps=2).replace("[model]", "skip_broken = true\n[model]")
    (home / "recipe.toml").write_text(text)
    (home / "data/train.txt").write_text("a/0\na/1\na/2\n")
    (home / "data/val.txt").write_text("a/3\na/0\n")
    description = (home / "data/data.toml").read_text()
    (home / "data/data.toml").write_text(description.replace("fraction = 0.5", 'list = "val.txt"'))
    done = equipoise("train", "recipe.toml", cwd=home)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "data, train: 1 image skipped, as it cannot be read" in told
    assert "data, val: 1 image skipped, as it cannot be read" in told
    record = json.loads((home / "runs/recipe/run.json").read_text())
    assert (record["train_images"], record["val_images"]) == (2, 1)
    assert len(record["skipped"]) == 2
    assert "classes/a/2.png" in record["skipped"][0]
    assert "depth/a/3.png" in record["skipped"][1]
    (home / "data/rgb/a/0.png").write_bytes(b"no picture")
    none = equipoise("train", "recipe.toml", "--out", "other", cwd=home)
    assert none.returncode == 3
    assert "expected an image that can be read, found none among 2" in one_line(none)
