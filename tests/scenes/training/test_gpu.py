"""What only a CUDA GPU can show; skipped where there is none. ``python -m benchmarks gpu`` measures its speed."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.errors import OutOfMemoryError
from equipoise.scenes import load
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.model.files import load_model
from equipoise.scenes.training.device import as_current
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import new_state, train
from equipoise.scenes.training.moving import Batch, on_device
from equipoise.scenes.training.precision import Precision, float32_products
from equipoise.scenes.training.step import training_step
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_distributed import ENVIRONMENT, TORCHRUN
from tests.scenes.training.test_loop import RECIPE
from tests.scenes.training.test_off_the_cpu import CPU, FOUR, FourLabels, drawn
from tests.support.photos import save, street
from tests.support.tiny import TinyDataset

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
SEVERAL = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")


def gpu() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


@pytest.mark.parametrize(("name", "method"), [("sgd", "learned"), ("adamw", "learned"), ("adamw", "FAMO")])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_steps_wait_for_nothing_and_agree_with_the_cpu(name: Any, method: str, precision: Precision):
    """Once σ has started: until then the likelihoods look at the 1st, 2nd, 4th … step whether it has."""
    if method == "FAMO":
        pytest.importorskip("torchjd")
    device = gpu()
    recipe = replace(
        FOUR,
        optimizer=replace(FOUR.optimizer, name=name, lr=1e-4, gradient_clip=1.0),
        weighting=WeightingRecipe(method=method),
    )
    losses: dict[str, list[float]] = {}
    for where in (CPU, device):
        state = new_state(recipe, FourLabels(), None, where, precision if where == device else "float32")
        state.model.train()
        found = []
        for batch in drawn(where, steps=6):
            torch.cuda.set_sync_debug_mode("error" if where == device and state.step >= 3 else "default")
            try:
                joint, _ = training_step(state, [batch], precision if where == device else "float32", 1.0, ALONE)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            state.step += 1
            found.append(joint.loss.detach())
        losses[where.type] = [float(loss) for loss in found]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-2 if precision == "float32" else 0.1)


def content(batch: Batch) -> list[torch.Tensor]:
    return [batch.images.long().sum(), *(t.nan_to_num().double().sum() for t in batch.targets.values())]


def test_batches_arrive_whole_while_the_gpu_computes():
    """Copies on a stream of their own, from memory that the loader uses again: nothing overtakes anything."""
    device = gpu()
    busy = torch.rand(2048, 2048, device=device)
    with as_current(device):
        for _ in range(400):
            busy = (busy @ busy).clamp(0, 1)
        sums = [content(batch) for batch in drawn(device, steps=12)]
    expected = [content(batch) for batch in drawn(CPU, steps=12)]
    for found, wanted in zip(sums, expected, strict=True):
        assert [float(v) for v in found] == pytest.approx([float(v) for v in wanted])


def test_batches_of_the_loader_are_pinned():
    batch = drawn(CPU, steps=1)[0].pin_memory()
    assert batch.images.is_pinned()
    (moved,) = on_device([batch], gpu())
    assert moved.images.device == gpu()
    assert moved.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_run_resumes_and_predicts_on_the_cpu(tmp_path: Path, precision: Precision):
    folder = tmp_path / "run"
    folder.mkdir()
    recipe = replace(RECIPE, optimizer=replace(RECIPE.optimizer, schedule="constant"))
    train(recipe, TinyDataset(), folder, precision=precision, device=gpu())
    path = save(tmp_path / "a.png", street((61, 90)))
    one, other = (load(folder, device=device).predict(path) for device in ("cpu", "cuda"))
    assert (one.semantic == other.semantic).mean() > 0.97
    longer = replace(recipe, training=replace(recipe.training, steps=9))
    assert train(longer, TinyDataset(), folder, precision="float32", resume=True).step == 9


def test_a_run_stopped_on_the_gpu_goes_on_there(tmp_path: Path):
    """Optimizer, average and scale of the loss continue; not to the bit, since a GPU adds in any order."""
    recipe = replace(RECIPE, training=replace(RECIPE.training, ema=0.9, accumulate=2, checkpoint_every=2))
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    train(recipe, TinyDataset(), tmp_path / "whole", precision="float32", device=gpu())

    def stop(entry: dict[str, Any]) -> None:
        if entry["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, TinyDataset(), tmp_path / "parts", precision="float32", device=gpu(), on_log=stop)
    train(recipe, TinyDataset(), tmp_path / "parts", precision="float32", device=gpu(), resume=True)
    one, other = (load_model(tmp_path / name).state_dict() for name in ("whole", "parts"))
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-2, atol=1e-3, msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_network_trains_on_the_gpu(tmp_path: Path, precision: Precision):
    """Dynamo reads PyTorch's older switches of TF32, which must not contradict the newer ones."""
    recipe = replace(RECIPE, training=replace(RECIPE.training, steps=3, compile=True))
    assert train(recipe, TinyDataset(), tmp_path, precision=precision, device=gpu()).step == 3


def test_float32_is_float32_and_the_rest_tf32():
    device = gpu()
    torch.manual_seed(0)
    left, right = torch.rand(512, 512), torch.rand(512, 512)
    exact, errors = left.double() @ right.double(), {}
    for precision in ("float32", "bfloat16"):
        with float32_products(precision, device):
            found = left.to(device) @ right.to(device)
        errors[precision] = float((found.cpu().double() - exact).abs().max())
    assert errors["float32"] < 1e-3
    if torch.cuda.get_device_capability(device) >= (8, 0):
        assert errors["bfloat16"] > 5 * errors["float32"]


def test_too_little_memory_is_one_line_and_leaves_the_gpu_usable(tmp_path: Path):
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.0001)
    try:
        with pytest.raises(OutOfMemoryError, match=f"expected enough memory on {gpu()} for"):
            train(RECIPE, TinyDataset(), tmp_path, precision="float32", device=gpu())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert float(torch.ones(3, device=gpu()).sum()) == 3.0


def test_predictions_of_a_batch_are_those_of_its_images():
    model = new_state(RECIPE, TinyDataset(), None, gpu(), "float32").model.eval()
    images = torch.randint(0, 256, (5, 3, 40, 56), dtype=torch.uint8)
    predict = NetworkPredictor(model)
    together = predict(images)
    for index in range(5):
        for name, value in predict(images[index : index + 1]).items():
            assert value.device == CPU
            torch.testing.assert_close(together[name][index : index + 1], value, rtol=1e-3, atol=1e-3)


@SEVERAL
@pytest.mark.slow
def test_two_gpus_train_one_run(home: Path):
    done = subprocess.run(
        [*TORCHRUN, "equipoise", "train", "recipe.toml", "--device", "cuda"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=600,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "runs/recipe/report.html").exists()


@SEVERAL
def test_a_run_on_the_second_gpu_leaves_the_first_alone(tmp_path: Path):
    before = torch.cuda.memory_allocated(0)
    second = torch.device("cuda", 1)
    train(RECIPE, TinyDataset(), tmp_path, precision="bfloat16", device=second)
    assert torch.cuda.memory_allocated(0) == before
    assert torch.cuda.max_memory_allocated(1) > 0
    assert torch.cuda.current_device() == 0
