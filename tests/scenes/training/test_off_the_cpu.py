"""What a step does off the CPU: on the meta device, and by the same code on the CPU, where values can be compared."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.training import optimizer as optimizer_module
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.famo import Famo
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.settings import OptimizerRecipe
from equipoise.scenes.training.step import training_step
from equipoise.scenes.training.update import step_if
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_loop import RECIPE
from tests.support.tiny import VOCABULARY, TinyDataset

META, CPU = torch.device("meta"), torch.device("cpu")


class FourLabels(TinyDataset):
    """Tiny scenes with normals, too."""

    def __init__(self, count: int = 10) -> None:
        super().__init__(count)
        self.vocabulary: SceneVocabulary = replace(VOCABULARY, labels=(*VOCABULARY.labels, "normals"))

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        normals = np.zeros((*sample.size, 3), np.float32)
        normals[..., 1] = -1.0
        normals[:3] = np.nan
        return replace(sample, labels={**sample.labels, "normals": normals})


FOUR = replace(RECIPE, tasks=("semantic", "instance", "depth", "normals"))


def drawn(device: torch.device, steps: int = 3) -> list[Batch]:
    dataset = FourLabels()
    tasks = SceneModel(describe(FOUR, dataset.vocabulary)).tasks
    arguments: dict[str, Any] = {"size": FOUR.data.size, "seed": 0, "batch_size": 2, "start": 0, "stop": steps}
    return list(batches(dataset, tasks, FOUR.augmentation, **arguments, workers=0, device=device))


class Watching(TorchDispatchMode):
    """Fails where an operation reads a value back, or takes or gives a tensor of the CPU.

    AdamW that is not fused counts its steps in scalars on the CPU, which no device has to wait for; with ``counted``
    they are let through.
    """

    READING = ("_local_scalar_dense", "nonzero", "item", "unique", "masked_select", "is_nonzero", "equal")

    def __init__(self, *, counted: bool = False) -> None:
        super().__init__()
        self.counted = counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, torch.Tensor)]
        if self.counted and tensors and all(t.device.type == "cpu" and t.dim() == 0 for t in tensors):
            return out
        found = {t.device.type for t in tensors}
        assert found <= {"meta"}, f"{func}: a tensor on {found}"
        assert not any(name in func.__name__ for name in self.READING), f"{func} reads a value"
        return out


@pytest.mark.parametrize("how", ["bool", "cpu", "mask", "scalar"])
def test_the_watch_notices(how: str):
    value = torch.ones(3, device=META)
    readings: dict[str, Callable[[], Any]] = {
        "bool": lambda: bool(value.sum()),
        "cpu": lambda: value.cpu(),
        "mask": lambda: value[value > 0],
        "scalar": lambda: value * torch.tensor(2.0),
    }
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), Watching():
        readings[how]()


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}], ids=str)
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_of_four_tasks_stays_on_its_device(noise: dict[str, str], precision: Precision, name: Any):
    """The loss of float16 is scaled; the meta device itself has no autocast. Normals have no closed form."""
    given = {task: {} if task == "normals" and "update" in noise else noise for task in FOUR.tasks}
    recipe = replace(
        FOUR,
        likelihood={task: LikelihoodRecipe(**one) for task, one in given.items()},  # type: ignore[arg-type]
        optimizer=replace(FOUR.optimizer, name=name, gradient_clip=1.0),
    )
    state = new_state(recipe, FourLabels(), None, META, precision)
    state.model.train()
    for batch in drawn(META):
        with Watching(counted=name == "adamw"):
            joint, norm = training_step(state, [batch], precision, 1.0, ALONE)
        state.step += 1
        assert joint.loss.device == norm.device == META
        assert list(joint.tasks) == list(FOUR.tasks)
    assert state.recent.keys() == {1, 2, 3}
    assert state.bad_step is not None
    assert state.bad_step.device == META


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_famo_stays_on_its_device(precision: Precision):
    """Its second forward pass and the step of its logits read nothing back either."""
    pytest.importorskip("torchjd")
    recipe = replace(FOUR, weighting=WeightingRecipe(method="FAMO"))
    state = new_state(recipe, FourLabels(), None, META, precision)
    state.model.train()
    for batch in drawn(META):
        with Watching(counted=True):
            training_step(state, [batch], precision, 1.0, ALONE)
        state.step += 1
    assert isinstance(state.weighting.method, Famo)
    assert state.weighting.method.adam.state[state.weighting.method.logits]["exp_avg"].device == META


class NothingMade(TorchFunctionMode):
    """Fails where Python numbers become a tensor on the device: the host would wait for the copy."""

    MAKING = (torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.new_tensor, torch.Tensor.cpu)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = any(isinstance(value, torch.Tensor) for value in args[:1])
        converts = func is torch.as_tensor and tensors
        assert func not in self.MAKING or converts, f"{func.__name__} copies numbers to the device"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_makes_no_tensor_of_numbers(parts: int):
    recipe = replace(FOUR, optimizer=replace(FOUR.optimizer, name="sgd", gradient_clip=1.0))
    state = new_state(recipe, FourLabels(), None, META, "float16")
    state.model.train()
    whole = drawn(META, steps=4)
    for some in (whole[:parts], whole[parts : 2 * parts]):
        with NothingMade():
            training_step(state, some, "float16", 1.0, ALONE)
        state.step += 1


def parameters_and_optimizer(name: Any, *, fused: bool) -> tuple[list[torch.nn.Parameter], torch.optim.Optimizer]:
    model = SceneModel(describe(replace(RECIPE, tasks=("depth",)), VOCABULARY))
    fused_on = ("cpu",) if fused else ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer_module, "FUSED", fused_on)
        optimizer = make_optimizer(model, OptimizerRecipe(name=name, lr=0.1, weight_decay=0.1))
    return [p for group in optimizer.param_groups for p in group["params"]], optimizer


def all_state(parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments = [value for p in parameters for value in optimizer.state[p].values()]
    return [value.detach().clone() for value in [*parameters, *moments]]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_step_that_is_left_out_leaves_no_trace(name: str, fused: bool):
    """Left out as the very first or later: weights, moments and step counts are those of the other steps alone."""
    ends = []
    for wanted in ((False, True, False, True), (True, True)):
        torch.manual_seed(0)
        parameters, optimizer = parameters_and_optimizer(name, fused=fused)
        gradients = iter((1.0, -0.5))
        for is_wanted in wanted:
            value = next(gradients) if is_wanted else torch.nan
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, value)
            before = all_state(parameters, optimizer)
            step_if(optimizer, torch.tensor(is_wanted))
            after = all_state(parameters, optimizer)
            if not is_wanted and len(before) == len(after):
                assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
            assert all(torch.isfinite(value).all() for value in after)
        ends.append(all_state(parameters, optimizer))
    assert not hasattr(optimizer, "found_inf")
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))
