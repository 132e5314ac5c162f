"""Too little memory for a step or a prediction ends in one line that says what to lower."""

from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.errors import OutOfMemoryError
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.network import SceneNetwork
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.moving import Batch, on_device
from tests.scenes.training.test_loop import RECIPE
from tests.support.tiny import VOCABULARY, TinyDataset


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("DefaultCPUAllocator: …"),
        RuntimeError("HIP out of memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_too_little_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception):
    def forward(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(SceneNetwork, "forward", forward)
    with pytest.raises(OutOfMemoryError) as caught:
        train(RECIPE, TinyDataset(), tmp_path, precision="float32")
    assert str(caught.value).startswith(
        "expected enough memory on cpu for a training step of 4 images of 40x56 px in float32, found too little: lower "
        "training.batch_size"
    )
    assert "training.precision = 'bfloat16'" in str(caught.value)
    assert caught.value.exit_status == 6
    assert "\n" not in str(caught.value)


def test_too_little_memory_for_a_prediction_is_one_line(monkeypatch: pytest.MonkeyPatch):
    def forward(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(SceneNetwork, "forward", forward)
    predict = NetworkPredictor(SceneModel(describe(RECIPE, VOCABULARY)).eval())
    expected = "the network on 1 image of 40x56 px in float32, found too little: give a smaller --tile"
    with pytest.raises(OutOfMemoryError, match=expected):
        predict(torch.zeros(3, 3, 40, 56, dtype=torch.uint8))


def test_too_little_memory_for_the_model_or_a_batch_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*arguments: Any, **named: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    batch = Batch(images=torch.zeros(2, 3, 8, 8), targets={}, rows={}, epoch=0, names=())
    with monkeypatch.context() as patch:
        patch.setattr(Batch, "to", full)
        with pytest.raises(OutOfMemoryError, match="on meta for a batch of 2 images, found too little: lower training"):
            list(on_device([batch], torch.device("meta")))
    monkeypatch.setattr(SceneModel, "to", full)
    with pytest.raises(OutOfMemoryError, match="for the model and its average, found too little"):
        train(RECIPE, TinyDataset(), tmp_path, precision="float32")


def test_other_errors_of_the_network_stay_defects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def forward(*arguments: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(SceneNetwork, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(RECIPE, TinyDataset(), tmp_path, precision="float32")
