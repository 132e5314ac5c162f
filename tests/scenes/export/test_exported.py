"""An exported model: what its files hold, what onnxruntime and PyTorch make of them, what ``load`` makes of them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from equipoise.errors import RunError
from equipoise.scenes import load
from equipoise.scenes.export.export import export_run
from equipoise.scenes.inference.onnx_predictor import OnnxPredictor
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.network import SceneNetwork
from tests.support.models import trained, write_model
from tests.support.photos import save, street

SIZES = [(1, 16, 16), (4, 33, 57), (1, 80, 24)]
"""Others than the export itself checks."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in ``run``, and its export in both forms in ``export``."""
    home = tmp_path_factory.mktemp("home")
    write_model(home / "run", trained())
    export_run(home / "run", home / "export", forms=("torch-export", "onnx"))
    return home


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(
        0, 256, (shape[0], 3, *shape[1:]), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def assert_agree(model: SceneModel, found: dict[str, torch.Tensor], images: torch.Tensor) -> None:
    expected = model.locations(images)
    assert list(found) == list(expected)
    for name, value in expected.items():
        difference = float((found[name] - value).abs().max())
        assert found[name].shape == value.shape
        assert difference <= 1e-4 * max(float(value.std()), 1e-3), name


def test_the_folder(home):
    assert {path.name for path in home.iterdir()} == {"run", "export"}
    files = {path.name for path in (home / "export").iterdir()}
    assert files == {"model.onnx", "model.pt2", "model.safetensors", "model.json", "export.json", "README.md"}
    assert (home / "export/model.json").read_bytes() == (home / "run/model.json").read_bytes()
    record = json.loads((home / "export/export.json").read_text())
    assert record["sigma"] == load_model(home / "run").likelihood.sigmas()
    assert record["opset"] == 20
    assert record["smallest"] == 16
    worst = [each["relative"] for form in record["agreement"].values() for each in form.values()]
    assert len(worst) == 8
    assert max(worst) < 1e-4


@pytest.mark.parametrize("size", SIZES)
def test_onnxruntime_alone_gives_the_locations(home, size):
    """Preprocessing and the targets' units are part of the model."""
    session = onnxruntime.InferenceSession(home / "export/model.onnx")
    images, model = pixels(*size), load_model(home / "run")
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, map(torch.from_numpy, session.run(None, {"images": images.numpy()})), strict=True))
    assert_agree(model, found, images)
    assert float(found["depth"].mean()) > 10  # The network itself works around 0.


def test_pytorch_alone_gives_the_locations(home):
    program = torch.export.load(home / "export/model.pt2").module()
    for size in SIZES:
        with torch.no_grad():
            assert_agree(load_model(home / "run"), program(pixels(*size)), pixels(*size))


def test_the_onnx_file(home):
    data = (home / "export/model.onnx").read_bytes()
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 20)]
    assert model.producer_name == "equipoise"
    shapes = {
        each.name: [axis.dim_param or axis.dim_value for axis in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    free = ["height", "width"]
    channels = {"images": 3, "semantic": 3, "instance": 2, "depth": 1, "normals": 3}
    assert shapes == {name: ["batch", count, *free] for name, count in channels.items()}
    assert {each.name: each.doc_string for each in model.graph.output}["depth"].startswith("disparity, px of the input")


def test_no_file_names_this_machine(home):
    for path in (home / "export").iterdir():
        assert not re.search(rb"equipoise[\w/]*\.py|site-packages", path.read_bytes()), path


def test_load_gives_the_scene_of_the_run(home, tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", street((61, 90)))
    expected = load(home / "run").predict(path)

    def unexpected(*arguments: object, **named: object) -> None:
        raise AssertionError("the network's code ran")

    monkeypatch.setattr(SceneNetwork, "__init__", unexpected)
    monkeypatch.setattr(SceneModel, "__init__", unexpected)
    model = load(home / "export")
    found = model.predict(path)
    assert (found.semantic == expected.semantic).mean() > 0.999
    np.testing.assert_allclose(found.disparity_px, expected.disparity_px, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.outputs["normals"], expected.outputs["normals"], atol=1e-3)
    np.testing.assert_allclose(found.offsets, expected.offsets, rtol=1e-4, atol=1e-3)
    assert found.sigma == expected.sigma
    assert (found.instance == expected.instance).mean() > 0.999
    assert [each.box for each in found.instances] == [each.box for each in expected.instances]
    assert found.camera == expected.camera


def test_answers_do_not_depend_on_the_batch(home):
    network = load(home / "export")._network
    images = pixels(3, 40, 56)
    together, alone = network(images), network(images[1:2])
    assert all(torch.equal(together[name][1:2], alone[name]) for name in alone)


def test_sizes_that_the_model_does_not_take(home):
    network = load(home / "export")._network
    assert isinstance(network, OnnxPredictor)
    with pytest.raises(RunError, match="expected height and width to be multiples of 1 from 16 on, found 15x40"):
        network(pixels(1, 15, 40))
    network.multiple = 32
    with pytest.raises(RunError, match="expected height and width to be multiples of 32 from 16 on, found 64x40"):
        network(pixels(1, 64, 40))


def test_threads_are_those_of_pytorch(home):
    network = load(home / "export")._network
    assert isinstance(network, OnnxPredictor)
    options = network.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (torch.get_num_threads(), 1)


def test_the_code_on_the_card_runs(home):
    """All pieces, as they stand there; the one for onnxruntime needs no PyTorch."""
    card = (home / "export/README.md").read_text()
    street((61, 90)).save(home / "export/image.png")
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 3
    assert len(blocks[0].splitlines()) <= 11
    checks = "assert classes.shape == (40, 56), disparity_px.shape == (40, 56)\nassert disparity_px.mean() > 10\n"
    without_torch = "import sys\nassert 'torch' not in sys.modules\n"
    for block in (blocks[0] + checks + without_torch, blocks[1] + blocks[2]):
        done = subprocess.run([sys.executable, "-c", block], cwd=home / "export", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (home / "export/image.png").unlink()


def test_the_card(home):
    card = (home / "export/README.md").read_text()
    assert "| `depth` | `(batch, 1, height, width)` | disparity, px of the input; 0 = infinitely far |" in card
    assert "| 1 | box | yes |" in card
    assert "not evaluated before the export" in card
    assert "open a `.pt2` file only if you trust" in card
    assert not re.search(r"\n{3}|[ \t]\n|\{\{| None", card)


def test_of_an_export_of_pytorch_alone_the_program_is_not_opened(home, tmp_path):
    """The network is built from its weights, whatever the program holds; so it can be exported again."""
    record = json.loads((home / "export/export.json").read_text())
    record |= {"forms": ["torch-export"], "agreement": {}}
    record["sha256"] = {name: record["sha256"][name] for name in ("model.json", "model.safetensors")}
    files = {name: (home / "export" / name).read_bytes() for name in ("model.json", "model.safetensors")}
    files |= {"export.json": json.dumps(record).encode(), "model.pt2": b"cos\nsystem\n(S'touch ran'\ntR."}
    (tmp_path / "pytorch").mkdir()
    for name, data in files.items():
        (tmp_path / "pytorch" / name).write_bytes(data)
    image = np.array(street())
    expected = load(home / "run").predict(image)
    assert np.array_equal(load(tmp_path / "pytorch").predict(image).disparity_px, expected.disparity_px)

    export_run(tmp_path / "pytorch", tmp_path / "onnx", pixels="float32")
    written = {path.name for path in (tmp_path / "onnx").iterdir()}
    assert written == {"model.onnx", "model.json", "export.json", "README.md"}
    (taken,) = onnxruntime.InferenceSession(tmp_path / "onnx/model.onnx").get_inputs()
    assert taken.type == "tensor(float)"
    found = load(tmp_path / "onnx").predict(image)
    np.testing.assert_allclose(found.disparity_px, expected.disparity_px, rtol=1e-4, atol=1e-3)
