"""`training.compile`: the compiled network trains the same weights under the same names."""

import functools
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from equipoise.errors import RunError
from equipoise.scenes.model.files import load_model
from equipoise.scenes.training.compiling import compiled
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_loop import RECIPE
from tests.support.tiny import TinyDataset

CPU = torch.device("cpu")


@pytest.mark.parametrize("method", ["learned", "FAMO"])
def test_a_compiled_network_trains_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str):
    """Traced only, without the compiler, which takes minutes on a slow CPU. FAMO's second pass is traced too."""
    if method == "FAMO":
        pytest.importorskip("torchjd")
    traced = functools.partial(torch.compile, backend="eager")
    recipe = replace(
        RECIPE,
        tasks=("depth",),
        training=replace(RECIPE.training, steps=3, batch_size=2),
        weighting=WeightingRecipe(method=method),
    )
    ends = []
    for compile_it in (False, True):
        monkeypatch.setattr(torch, "compile", traced)
        folder = tmp_path / str(compile_it)
        folder.mkdir()
        chosen = replace(recipe, training=replace(recipe.training, compile=compile_it))
        train(chosen, TinyDataset(), folder, precision="float32")
        ends.append((load_model(folder).state_dict(), [entry["loss"] for entry in read_log(folder)]))
    (plain, losses), (compiled_weights, other_losses) = ends
    assert plain.keys() == compiled_weights.keys()
    assert other_losses == pytest.approx(losses, rel=1e-4)


def test_several_processes_train_a_compiled_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The wrapping of two processes, here around one: gradients reach the network's own parameters."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        network = torch.nn.Conv2d(3, 2, 1)
        wrapped: Any = ProcessGroup(rank=0, world=2).parallel(network, CPU, compiled)
        assert isinstance(wrapped, torch.nn.parallel.DistributedDataParallel)
        wrapped(torch.rand(2, 3, 8, 8)).sum().backward()
        assert network.weight.grad is not None
        assert list(network.state_dict()) == ["weight", "bias"]
    finally:
        # As process_group does: a wrapper that outlives the group can wait for gloo's threads for ever.
        del wrapped
        gc.collect()
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # Inductor's own use of a deprecated function.
def test_a_small_network_is_compiled():
    network = torch.nn.Conv2d(3, 2, 1)
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(compiled(network)(images), network(images))


def test_what_cannot_be_compiled_is_one_line(monkeypatch: pytest.MonkeyPatch):
    def failing(graph: Any, inputs: Any) -> None:
        raise OSError("no C++ compiler found\nand more")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=failing))
    with pytest.raises(RunError, match=r"training\.compile: .*no C\+\+ compiler found: set it to false") as caught:
        compiled(torch.nn.Conv2d(3, 2, 1))(torch.rand(2, 3, 8, 8))
    assert "\n" not in str(caught.value)
