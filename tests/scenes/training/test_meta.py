"""A whole training step on PyTorch's meta device, which has shapes and no values.

Reading a value back, or using a tensor of another device, raises there: what passes here neither stalls a GPU nor
mixes devices.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch

from equipoise.errors import NonFiniteError
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.finite import expect_finite_steps, update_if_finite
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step
from tests.scenes.training.test_loop import RECIPE
from tests.support.tiny import PhotoDataset, TinyDataset

META = torch.device("meta")


def on_meta(value: Any) -> Any:
    """The same shapes and dtypes without values."""
    if isinstance(value, torch.Tensor):
        return value.to(META)
    if isinstance(value, dict):
        return {key: on_meta(each) for key, each in value.items()}
    return value


def meta_batches(dataset: JoinedDataset, tasks: Any, steps: int) -> list[Batch]:
    made = batches(
        dataset, tasks, RECIPE.augmentation, size=RECIPE.data.size, seed=0, batch_size=2, start=0, stop=steps, workers=0
    )
    return [
        replace(
            b, images=on_meta(b.images), targets=on_meta(b.targets), rows=on_meta(b.rows), weights=on_meta(b.weights)
        )
        for b in made
    ]


@pytest.mark.parametrize("encoder_name", ["small", "resnet18"])
@pytest.mark.parametrize(
    ("optimizer", "update"), [("adamw", "gradient"), ("sgd", "gradient"), ("adamw", "closed_form")]
)
def test_a_step_reads_nothing_back(encoder_name: str, optimizer: str, update: str):
    """Among the batches are some of which a task has no label, and images that count less than others."""
    recipe = replace(
        RECIPE,
        model=replace(RECIPE.model, encoder_name=encoder_name),
        likelihood={name: LikelihoodRecipe(update=update) for name in RECIPE.tasks},
        optimizer=replace(RECIPE.optimizer, name=optimizer, gradient_clip=1.0),
    )
    dataset = JoinedDataset({"tiny": TinyDataset(3), "photos": PhotoDataset(9)}, [1, 1], [1.0, 0.5])
    with META:
        model = SceneModel(describe(recipe, dataset.vocabulary))
        state = State(model=model, network=model.network, optimizer=make_optimizer(model, recipe.optimizer))
    drawn = meta_batches(dataset, model.tasks, steps=4)
    assert any(len(rows) == 0 for batch in drawn for rows in batch.rows.values())
    for batch in drawn:
        joint, gradient_norm = training_step(state, [batch], "float32", recipe.optimizer.gradient_clip, ALONE)
        state.step += 1
        assert joint.loss.device == gradient_norm.device == META
        for name, rows in batch.rows.items():
            gradients = [p.grad is not None for p in model.network.decoders[name].parameters()]
            assert gradients == [len(rows) > 0] * len(gradients)
    tensors = [*model.state_dict().values(), *(v for s in state.optimizer.state.values() for v in s.values())]
    assert {str(t.device) for t in tensors if t.dim() > 0} == {"meta"}, "AdamW counts its steps in a CPU scalar"


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_update_that_is_not_finite_is_undone_and_reported_later(value: float):
    """As on a device whose values are not read at every step; here on the CPU, so that weights can be compared."""
    model = SceneModel(describe(replace(RECIPE, tasks=("depth",)), TinyDataset().vocabulary))
    state = State(model=model, network=model.network, optimizer=make_optimizer(model, RECIPE.optimizer), step=3)
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    good, bad = torch.tensor(1.0), torch.tensor(value)
    weights: list[list[torch.Tensor]] = []
    for norm in (good, bad, good):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, float(norm))
        update_if_finite(state, good, norm, ("good", "bad"))
        state.step += 1
        weights.append([p.detach().clone() for p in parameters])
    assert not torch.equal(weights[0][0], torch.zeros_like(weights[0][0]))
    for later in weights[1:]:
        assert all(torch.equal(one, other) for one, other in zip(weights[0], later, strict=True))
    with pytest.raises(NonFiniteError, match=r"infinity or NaN \(step 5, images good, bad\); no weight"):
        expect_finite_steps(state)
