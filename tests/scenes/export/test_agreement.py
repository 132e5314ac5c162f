"""The comparison with PyTorch: what it measures, what it refuses, and that nothing is written then."""

import pytest
import torch

from equipoise.errors import RunError
from equipoise.scenes.export import export as room
from equipoise.scenes.export.agreement import BOUND, agreement, check_images, expect_agreement
from equipoise.scenes.export.export import export_run
from equipoise.scenes.model.export_record import Agreement
from tests.support.models import trained, write_model


@pytest.fixture(scope="module")
def model():
    return trained(tasks=("depth", "normals"))


def test_sizes_and_batches_differ(model):
    shapes = [tuple(images.shape) for images in check_images(model)]
    assert shapes == [(1, 3, 40, 56), (2, 3, 20, 28), (3, 3, 16, 16)]
    assert all(images.float().std() > 20 for images in check_images(model))


def test_sizes_may_be_multiples(model):
    shapes = [tuple(images.shape[2:]) for images in check_images(model, 32)]
    assert shapes == [(64, 64), (32, 32), (32, 32)]


def test_it_finds_the_largest_difference(model):
    """One pixel of one image of one size is off."""

    def compute(images):
        found = model.locations(images)
        if len(images) == 2:
            found["depth"][1, 0, 3, 4] += 0.25
        return found

    values = torch.cat([model.locations(images)["depth"].flatten() for images in check_images(model)]).double()
    found = agreement(model, compute)
    assert found["normals"].absolute == 0
    assert found["depth"].absolute == pytest.approx(0.25, rel=1e-4)
    assert found["depth"].spread == pytest.approx(float(values.std()))
    assert found["depth"].relative == pytest.approx(0.25 / float(values.std()), rel=1e-4)
    with pytest.raises(RunError, match=r"^onnx: .* for depth .*nothing was written$"):
        expect_agreement(found, "onnx")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(model, value):
    with pytest.raises(RunError, match="expected finite outputs"):
        agreement(model, lambda images: {name: v * value for name, v in model.locations(images).items()})


def test_another_shape(model):
    with pytest.raises(RunError, match="found others"):
        agreement(model, lambda images: {name: v[..., :-1] for name, v in model.locations(images).items()})


def test_an_output_that_does_not_vary():
    """Rounding of a large constant is no disagreement."""
    model = trained(tasks=("depth",))
    torch.nn.init.zeros_(model.network.decoders["depth"][-1].weight)
    found = agreement(model, lambda images: {"depth": model.locations(images)["depth"] * (1 + 1e-7)})
    assert found["depth"].spread == pytest.approx(30e-3, rel=0.2)
    assert found["depth"].relative < BOUND


@pytest.mark.parametrize("relative", [2 * BOUND, float("nan")])
def test_what_disagrees_is_not_written(tmp_path, monkeypatch, relative):
    write_model(tmp_path / "run", trained(tasks=("depth",)))
    disagreeing = {"depth": Agreement(absolute=1.0, relative=relative, spread=1.0)}
    monkeypatch.setattr(room, "traced", lambda model, pixels: (None, 1))
    monkeypatch.setitem(room.WRITERS, "onnx", lambda *_: ({"model.onnx": b""}, disagreeing))
    with pytest.raises(RunError, match=r"expected differences from PyTorch of at most 0\.001"):
        export_run(tmp_path / "run", tmp_path / "deep/export")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_run_in_bfloat16_says_what_that_costs(tmp_path, monkeypatch):
    write_model(tmp_path / "run", trained(tasks=("depth",)))
    (tmp_path / "run/run.json").write_text('{"format": 1, "precision": "bfloat16"}')
    agreeing = {"depth": Agreement(absolute=0.0, relative=0.0, spread=1.0)}
    monkeypatch.setattr(room, "traced", lambda model, pixels: (None, 1))
    monkeypatch.setitem(room.WRITERS, "onnx", lambda *_: ({"model.onnx": b""}, agreeing))
    record = export_run(tmp_path / "run", tmp_path / "export")
    assert record.trained_in == "bfloat16"
    assert 1e-5 < record.precision_costs["depth"].relative < 0.1
    assert "The run itself computes in bfloat16" in (tmp_path / "export/README.md").read_text()


def test_a_model_for_images_below_the_least(tmp_path):
    model = trained(tasks=("depth",), size=(24, 32), output_stride=16)
    with pytest.raises(RunError, match="32x32 or more at output stride 16, found one for 24x32"):
        room._expect_size(model)
