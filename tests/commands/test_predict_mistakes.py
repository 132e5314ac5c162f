"""``equipoise predict`` on models that cannot be loaded, and on mistakes in the command: one line each."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.commands import equipoise, one_line
from tests.support.photos import save, street, write_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path)


@pytest.mark.parametrize("file", ["model.json", "run.json", "recipe.json", "log.jsonl", "metrics.json"])
def test_a_pipe_in_a_run_is_told(home, file):
    for name in ("run.json", "recipe.json"):
        (home / "run" / name).write_text("{}")
    (home / "run" / file).unlink(missing_ok=True)
    os.mkfifo(home / "run" / file)
    save(home / "photos/a.png", street())
    command = ["predict", "run", "photos", "--out", "out"] if file == "model.json" else ["report", "run"]
    done = equipoise(*command, cwd=home)
    assert done.returncode == 5
    assert f"{file}: expected" in one_line(done)
    assert "no regular file" in one_line(done)


def another_version(home: Path) -> None:
    table = json.loads((home / "run/model.json").read_text())
    (home / "run/model.json").write_text(json.dumps(table | {"format": 2}))


def other_weights(home: Path) -> None:
    table = json.loads((home / "run/model.json").read_text())
    table["model"]["aspp_channels"] = 24
    (home / "run/model.json").write_text(json.dumps(table))


def infinite_weights(home: Path) -> None:
    tensors = load_file(home / "run/model.safetensors")
    next(value for value in tensors.values() if value.ndim == 4)[:] = float("nan")
    save_file(tensors, home / "run/model.safetensors")


def whole_weights(home: Path) -> None:
    tensors = load_file(home / "run/model.safetensors")
    save_file({name: value.to(torch.int8) for name, value in tensors.items()}, home / "run/model.safetensors")


def huge(home: Path) -> None:
    table = json.loads((home / "run/model.json").read_text())
    table["input_size"] = [1_000_000, 1_000_000]
    (home / "run/model.json").write_text(json.dumps(table))


def nested(home: Path) -> None:
    (home / "run/model.json").write_text("[" * 100_000)


def half_weights(home: Path) -> None:
    path = home / "run/model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def unknown_encoder(home: Path) -> None:
    path = home / "run/model.json"
    path.write_text(path.read_text().replace('"small"', '"os.system"'))


@pytest.mark.parametrize(
    ("damage", "status", "words"),
    [
        (another_version, 5, "expected model format 1, found 2: load it with the version that wrote it"),
        (other_weights, 5, "expected the weights of this model, found others"),
        (half_weights, 5, "expected a safetensors file"),
        (infinite_weights, 5, "expected finite weights, found infinity or NaN in"),
        (whole_weights, 5, "as torch.float32, found torch.int8"),
        (huge, 5, "model.json: input_size: expected height and width of 32 px or more"),
        (nested, 5, "model.json: expected JSON, found a mistake: brackets nested too deeply"),
        (unknown_encoder, 5, "model.json: model.encoder_name: found 'os.system'"),
    ],
)
def test_models_that_cannot_be_loaded(home, damage, status, words):
    save(home / "photos/a.png", street())
    damage(home)
    done = equipoise("predict", "run", "photos", "--out", "out", cwd=home)
    assert words in one_line(done)
    assert done.returncode == status
    assert not (home / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["run", "photos", "--out", "out"], 2, "expected images"),
        (["run", "nowhere.png", "--out", "out"], 2, "found nothing at nowhere.png"),
        (["run", "photos/*.gif", "--out", "out"], 2, "found nothing at"),
        (["nowhere", "photos", "--out", "out"], 5, "expected a model at nowhere"),
        (["run", "photos"], 2, "--out"),
        (["run", "run/model.json", "--out", "out"], 3, "run/model.json"),
        (["run", "pho*", "--out", "out"], 2, "found nothing at pho*"),
        (["run", "0", "--out", "out"], 2, "found nothing at 0: for a camera, write camera:0"),
        (["run", "pipe.png", "--out", "out"], 2, "found nothing at pipe.png"),
        (["run", "picture.png", "--out", "run/model.json"], 5, "run/model.json"),
    ],
)
def test_mistakes(home, arguments, status, words):
    save(home / "picture.png", street())
    os.mkfifo(home / "pipe.png")
    done = equipoise("predict", *arguments, cwd=home)
    assert words in one_line(done)
    assert done.returncode == status
