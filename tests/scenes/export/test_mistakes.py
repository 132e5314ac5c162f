"""Exports that are damaged, do not fit together, or lack a library: one line each; no code from a file is run."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from equipoise.errors import RunError, UsageError
from equipoise.scenes import load
from equipoise.scenes.export.export import export_run
from tests.support.models import trained, write_model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write_model(home / "run", trained(tasks=("semantic", "depth"), aspp_channels=2))
    export_run(home / "run", home / "export")
    return home / "export"


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "export"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def edit_onnx(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Change the model on purpose: its checksum is removed, as the message says."""
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    edit(folder / "export.json", lambda table: table["sha256"].clear())


def test_changed_on_purpose_it_loads(folder):
    edit_onnx(folder, lambda model: setattr(model, "doc_string", "mine"))
    load(folder)


def test_a_flipped_byte(folder):
    path = folder / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunError, match="found another one or a damaged one: export the run again"):
        load(folder)


PYTORCH_S = ("model.pt2", "model.safetensors", "model.json")


@pytest.mark.parametrize(
    ("forms", "name"),
    [(("torch-export",), name) for name in PYTORCH_S]
    + [(("onnx", "torch-export"), name) for name in ("model.onnx", *PYTORCH_S)],
)
def test_every_file_is_checked_whichever_computes(folder, name, forms):
    """Of a folder with both forms, and of one with PyTorch's alone; the content of the others does not matter here."""
    others = {"model.pt2": b"program", "model.safetensors": b"weights"}
    for other, data in others.items():
        (folder / other).write_bytes(data)
    if "onnx" not in forms:
        (folder / "model.onnx").unlink()
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("model.*")}
    edit(folder / "export.json", lambda table: table.update(forms=forms, sha256=found))
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(RunError, match=rf"{name}: expected the file that export wrote, found another one"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(RunError, match=rf"found none: export|found no {name}"):
        load(folder)


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_damaged_model_without_a_checksum(folder, keep, capfd):
    edit(folder / "export.json", lambda table: table["sha256"].clear())
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match=r"expected an ONNX model, found: .*: export the run again"):
        load(folder)
    assert capfd.readouterr() == ("", "")


def rename_output(model: onnx.ModelProto) -> None:
    old = model.graph.output[1].name
    for node in model.graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]
    model.graph.output[1].name = "other"


def test_an_output_of_another_name(folder):
    edit_onnx(folder, rename_output)
    with pytest.raises(RunError, match=r"expected an output depth of 1 channels.* found semantic, other"):
        load(folder)


def test_an_input_of_another_name(folder):
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = ["pictures" if name == "images" else name for name in node.input]
        model.graph.input[0].name = "pictures"

    edit_onnx(folder, change)
    with pytest.raises(RunError, match=r"expected one input images .*, found pictures"):
        load(folder)


def test_classes_in_another_order(folder):
    """They would fit the model, and every answer would be wrong."""
    edit(folder / "model.json", lambda table: table["vocabulary"]["classes"].reverse())
    with pytest.raises(RunError, match=r"model.json: expected the file that export wrote, found another one"):
        load(folder)


def test_other_classes_than_the_description(folder):
    edit(folder / "export.json", lambda table: table["sha256"].clear())
    edit(folder / "model.json", lambda table: table["vocabulary"]["classes"].pop())
    edit(folder / "model.json", lambda table: table["vocabulary"].update(sky=None))
    with pytest.raises(RunError, match=r"expected an output semantic of 2 channels.* found semantic \['batch', 3"):
        load(folder)


def test_weights_outside_the_folder(folder):
    """onnxruntime refuses them; what lies outside is not read."""
    (folder.parent / "secret.bin").write_bytes(bytes(64))

    def change(model: onnx.ModelProto) -> None:
        weight = next(each for each in model.graph.initializer if each.data_type == 1 and each.dims)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value="../secret.bin")

    path = folder / "model.onnx"
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    edit(folder / "export.json", lambda table: table["sha256"].clear())
    with pytest.raises(RunError, match="External data path"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.onnx", "expected a model at .*model.onnx, found none: export the run again"),
        ("model.json", "found no model.json"),
        ("export.json", "expected export.json beside .*, found none: name a folder that export wrote"),
    ],
)
def test_a_missing_file(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(RunError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.update(format=9), "expected export format 1, found 9"),
        (lambda table: table.update(forms=["pickle"]), "forms"),
        (lambda table: table["sigma"].update(depth=-1), "expected a finite σ above 0, found -1.0 for depth"),
        (lambda table: table["sigma"].update(depth=float("nan")), "expected a finite σ"),
        (lambda table: table["sigma"].pop("depth"), "expected σ of semantic, depth.*found that of semantic"),
    ],
)
def test_a_damaged_record(folder, change, message):
    edit(folder / "export.json", change)
    with pytest.raises(RunError, match=message):
        load(folder)


def test_a_record_that_is_no_json(folder):
    (folder / "export.json").write_text("[")
    with pytest.raises(RunError, match="expected JSON, found a mistake"):
        load(folder)


@pytest.mark.parametrize("library", ["onnxruntime", "onnx", "onnxscript"])
def test_a_library_is_missing(exported, tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    run = exported.parent / "run"
    with pytest.raises(UsageError, match=rf'{library}.*pip install "equipoise\[export\]"'):
        export_run(run, tmp_path / "out")
    if library == "onnxruntime":
        with pytest.raises(UsageError, match=r'expected onnxruntime.*pip install "equipoise\[export\]"'):
            load(exported)
    else:
        load(exported)
    assert not list(tmp_path.iterdir())


def test_what_is_no_run(exported, tmp_path):
    with pytest.raises(RunError, match="found an export to ONNX, which holds no weights: name the run"):
        export_run(exported, tmp_path / "out")
    with pytest.raises(RunError, match=r"found no model\.json"):
        export_run(tmp_path, tmp_path / "out")
    assert not list(tmp_path.iterdir())
