"""Which device and which precision a run gets, and what is said where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.errors import RecipeError, RunError, UsageError
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.runs.run import workplace
from equipoise.scenes.training.device import CPU, as_current, choose_device, described
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.precision import choose_precision, float32_products, precision_on
from tests.scenes.training import test_loop
from tests.support.commands import RECIPE, equipoise, one_line
from tests.support.tiny import TinyDataset

GPU = torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that there are so many GPUs of a CUDA capability."""

    def pretend(count: int, capability: tuple[int, int] = (8, 0)) -> None:
        for name in ("LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Test GPU")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "device", lambda device: torch.enable_grad())
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation: capability >= (8, 0) or (including_emulation and capability >= (7, 0)),
        )
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return pretend


class TestDevices:
    @pytest.mark.parametrize(
        ("wanted", "count", "found"),
        [("auto", 0, CPU), ("auto", 2, GPU), ("cpu", 2, CPU), ("cuda", 1, GPU), ("cuda:1", 2, torch.device("cuda", 1))],
    )
    def test_found(self, gpus: Any, wanted: str, count: int, found: torch.device):
        gpus(count)
        assert choose_device(wanted) == found

    def test_auto_takes_apples_gpu(self, gpus: Any, monkeypatch: pytest.MonkeyPatch):
        gpus(0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        assert choose_device("auto") == choose_device("mps") == torch.device("mps")
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert choose_device("auto") == CPU
        with pytest.raises(UsageError, match="expected cpu for several processes, found 'mps'"):
            choose_device("mps")

    @pytest.mark.parametrize(
        ("wanted", "count", "message"),
        [
            ("cuda", 0, r"--device: expected a device of this machine \(cpu\), found 'cuda'"),
            ("cuda:2", 2, r"expected a device of this machine \(cpu, cuda:0, cuda:1\), found 'cuda:2'"),
            ("mps", 1, r"expected a device of this machine \(cpu, cuda:0\), found 'mps'"),
            ("gpu", 1, "expected auto, cpu, cuda, cuda:1 .* or mps, found 'gpu'"),
            ("cuda:", 1, "expected auto"),
        ],
    )
    def test_missing(self, gpus: Any, wanted: str, count: int, message: str):
        gpus(count)
        with pytest.raises(UsageError, match=message):
            choose_device(wanted)

    def test_each_process_takes_its_own(self, gpus: Any, monkeypatch: pytest.MonkeyPatch):
        gpus(2)
        for name, value in (("WORLD_SIZE", "4"), ("LOCAL_WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
            monkeypatch.setenv(name, value)
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 1)
        with pytest.raises(UsageError, match="expected cuda for several processes"):
            choose_device("cuda:0")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
        with pytest.raises(UsageError, match="expected at most 2 processes, one for each GPU, found 3: lower torchrun"):
            choose_device("auto")

    def test_a_single_process_takes_the_first_whatever_was_left_in_the_environment(
        self, gpus: Any, monkeypatch: pytest.MonkeyPatch
    ):
        gpus(1)
        monkeypatch.setenv("LOCAL_RANK", "3")
        assert choose_device("auto") == choose_device("cuda") == GPU

    def test_the_chosen_gpu_becomes_the_current_one(self, monkeypatch: pytest.MonkeyPatch):
        taken: list[torch.device] = []
        monkeypatch.setattr(torch.cuda, "device", lambda device: taken.append(device) or torch.enable_grad())
        second = torch.device("cuda", 1)
        with as_current(CPU), as_current(second):
            assert taken == [second]

    def test_in_words(self, gpus: Any):
        gpus(1)
        assert described(GPU, "cuda") == "cuda:0 (Test GPU)"
        assert described(GPU, "auto") == "cuda:0 (Test GPU), the best there is"
        assert described(CPU, "auto") == "cpu, as there is no GPU that PyTorch can use"
        assert described(CPU, "cpu") == "cpu"


class TestPrecision:
    @pytest.mark.parametrize(
        ("capability", "found"), [((9, 0), "bfloat16"), ((7, 5), "float16"), ((7, 0), "float16"), ((6, 1), "float32")]
    )
    def test_auto_on_gpus(self, gpus: Any, capability: tuple[int, int], found: str):
        gpus(1, capability)
        assert choose_precision("auto", GPU) == found
        assert choose_precision("float32", GPU) == "float32"

    def test_what_a_device_cannot_do_is_refused(self, gpus: Any):
        gpus(1, (6, 1))
        with pytest.raises(RecipeError, match="on this GPU, found 'bfloat16'"):
            choose_precision("bfloat16", GPU)
        with pytest.raises(RecipeError, match="on a CPU, found 'float16'"):
            choose_precision("float16", CPU)

    def test_a_model_of_another_device(self, gpus: Any):
        gpus(1, (7, 5))
        assert precision_on("float16", CPU) == "float32"
        assert precision_on("bfloat16", CPU) == "bfloat16"
        assert precision_on("bfloat16", GPU) == "float32"
        assert precision_on("float16", GPU) == "float16"

    def test_float32_on_a_gpu_is_float32(self):
        def kinds() -> list[str]:
            both = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)  # type: ignore[attr-defined]
            return [kind.fp32_precision for kind in both]

        def switches() -> tuple[bool, bool]:
            """PyTorch raises where they contradict the settings above; its compiler reads them."""
            return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

        before, former = kinds(), switches()
        with float32_products("float32", GPU):
            assert kinds() == ["ieee", "ieee"]
            assert switches() == (False, False)
        with float32_products("bfloat16", GPU):
            assert kinds() == ["tf32", "tf32"]
            assert switches() == (True, True)
        assert kinds() == before
        assert switches() == former
        with float32_products("float32", CPU):
            assert kinds() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_that_is_not_there_ends_each_command_in_one_line(tmp_path: Path):
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=1))
    expected = "--device: expected a device of this machine (cpu), found 'cuda'"
    for command in (
        ("train", "recipe.toml"),
        ("evaluate", "run"),
        ("predict", "run", "x.png", "--out", "out"),
        ("demo",),
    ):
        done = equipoise(*command, "--device", "cuda", cwd=tmp_path)
        assert done.returncode == 2
        assert expected in one_line(done)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.toml"]


def test_a_recipe_names_a_device(tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(steps=1).replace("[training]", '[training]\ndevice = "gpu"'))
    with pytest.raises(RecipeError, match=r"training\.device: expected auto, cpu, cuda, .*, found gpu"):
        read_recipe(path)


def test_a_run_resumes_with_another_device_in_its_recipe_and_records_what_auto_became(tmp_path: Path):
    """But not with another precision."""
    recipe = test_loop.RECIPE
    record = workplace(choose_device("cpu"), "float32", ALONE)
    assert record["device"] == "cpu"
    assert record["float32_products"] is None
    train(recipe, TinyDataset(), tmp_path, precision="float32")
    moved = replace(recipe, training=replace(recipe.training, device="cpu"))
    assert train(moved, TinyDataset(), tmp_path, precision="float32", resume=True).step == recipe.training.steps
    other = replace(recipe, training=replace(recipe.training, precision="bfloat16"))
    with pytest.raises(RunError, match=r"training\.precision"):
        train(other, TinyDataset(), tmp_path, precision="float32", resume=True)
