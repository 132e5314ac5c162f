"""``equipoise convert-weights``: published files become safetensors, and no code in them runs."""

import argparse
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from equipoise.scenes.networks.encoders import make_encoder
from tests.support.commands import equipoise, one_line

WEIGHTS = dict(make_encoder("small", 8, "batch").state_dict())


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": each for name, each in WEIGHTS.items()}


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": prefixed("module."), "epoch": 3, "optimizer": {"state": {}}},
        {"model": WEIGHTS | {"head.weight": torch.zeros(2)}},
        {"state_dict": prefixed("module.encoder_q.") | {"module.queue": torch.zeros(2)}, "arch": "x"},
    ],
    ids=["plain", "data-parallel", "with a head", "moco"],
)
def test_wrappers_are_removed(tmp_path: Path, content: Any):
    torch.save(content, tmp_path / "published.pth")
    done = equipoise("convert-weights", "published.pth", "--encoder", "small", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = load_file(tmp_path / "published.safetensors")
    assert {name: written[name].tolist() for name in WEIGHTS} == {name: each.tolist() for name, each in WEIGHTS.items()}
    wanted = sum(not name.endswith("num_batches_tracked") for name in WEIGHTS)
    assert f"published.safetensors: for small, {wanted} of the encoder's {wanted} tensors" in " ".join(
        done.stdout.split()
    )
    assert ("not used: 1 (head.weight)" in done.stdout) == ("head.weight" in written)


def test_without_an_encoder_the_tensors_are_counted(tmp_path: Path):
    shared = torch.arange(6.0)
    torch.save({"a": shared[:3], "b": shared[:3], "c": shared.reshape(2, 3).T}, tmp_path / "x.pt")
    done = equipoise("convert-weights", "x.pt", "--out", "y.safetensors", cwd=tmp_path)
    assert done.stdout == "y.safetensors: 3 tensors; --encoder NAME would say how many fit an encoder\n"
    assert load_file(tmp_path / "y.safetensors")["c"].tolist() == [[0, 3], [1, 4], [2, 5]]


class Trap:
    """When unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


class Call:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"import pathlib; pathlib.Path({str(self.path)!r}).touch()",)


@pytest.mark.parametrize("kind", ["zip", "pickle"])
@pytest.mark.parametrize("trap", [Trap, Call])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, kind: str, trap: type):
    content = {"state_dict": WEIGHTS, "extra": trap(tmp_path / "ran")}
    if kind == "zip":
        torch.save(content, tmp_path / "trap.pth")
    else:
        (tmp_path / "trap.pth").write_bytes(pickle.dumps({"extra": trap(tmp_path / "ran")}))
    done = equipoise("convert-weights", "trap.pth", cwd=tmp_path)
    assert done.returncode == 3
    assert "trap.pth: expected tensors and plain values alone, found " in one_line(done)
    assert [path.name for path in tmp_path.iterdir()] == ["trap.pth"]
    if kind == "zip":
        torch.load(tmp_path / "trap.pth", weights_only=False)
        assert (tmp_path / "ran").exists(), "the trap works"


def test_other_objects_are_named(tmp_path: Path):
    torch.save({"state_dict": WEIGHTS, "args": argparse.Namespace(lr=1)}, tmp_path / "x.pth")
    line = one_line(equipoise("convert-weights", "x.pth", cwd=tmp_path))
    assert (
        "found argparse.Namespace, which could run code: it was not read; where you trust its source, save its " in line
    )


def quantized() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch plans to drop quantized tensors; old files still have them.
        torch.save({"a": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, file)
    return file.getvalue()


def damaged(path: Path) -> None:
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("write", "status", "words"),
    [
        (damaged, 3, "expected weights saved by torch.save, found a damaged or other file"),
        (lambda path: path.write_bytes(b""), 3, "x.pth: expected"),
        (lambda path: path.write_text("not weights"), 3, "x.pth: expected"),
        (lambda path: torch.save({"a": torch.ones(2).to_sparse()}, path), 3, "dense tensors, found a, which is sparse"),
        (lambda path: path.write_bytes(quantized()), 3, "expected dense tensors, found a, which is quantized"),
        (lambda path: torch.save({"epoch": 1}, path), 3, "expected a state dict, alone or below one of state_dict, "),
        (lambda path: torch.save([1, 2], path), 3, "found list"),
        (lambda path: torch.save(torch.zeros(1), path), 3, "found Tensor"),
        (lambda path: None, 3, "expected weights at x.pth, found no file"),
        (
            lambda path: torch.save({"conv1.weight": torch.zeros(1)}, path),
            5,
            "expected the weights of small, found 0 of",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, write: Any, status: int, words: str):
    write(tmp_path / "x.pth")
    done = equipoise("convert-weights", "x.pth", "--encoder", "small", cwd=tmp_path)
    assert words in one_line(done)
    assert done.returncode == status
    assert not (tmp_path / "x.safetensors").exists()


def test_a_text_file_is_refused_without_the_number_that_pickle_stumbled_over(tmp_path: Path):
    (tmp_path / "x.pth").write_text("hello")
    line = one_line(equipoise("convert-weights", "x.pth", cwd=tmp_path))
    assert line.endswith("x.pth: expected weights saved by torch.save, found a damaged or other file")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected no file at x.safetensors, found one: choose another --out, or --overwrite it"),
        (["--out", "x.pth"], "--out: expected a name that ends in .safetensors, found x.pth"),
        (["--out", "nowhere/y.safetensors"], "--out: expected the folder nowhere, found none"),
        (["--encoder", "smal", "--out", "y.safetensors"], "--encoder: found 'smal': did you mean 'small'?"),
    ],
)
def test_targets(tmp_path: Path, arguments: list[str], words: str):
    torch.save(WEIGHTS, tmp_path / "x.pth")
    (tmp_path / "x.safetensors").write_text("precious")
    done = equipoise("convert-weights", "x.pth", *arguments, cwd=tmp_path)
    assert words in one_line(done)
    assert done.returncode == 2
    assert (tmp_path / "x.safetensors").read_text() == "precious"
    assert equipoise("convert-weights", "x.pth", "--overwrite", cwd=tmp_path).returncode == 0
    assert set(load_file(tmp_path / "x.safetensors")) == set(WEIGHTS)
