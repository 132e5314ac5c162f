"""TorchJD's FAMO in training runs: equal to a loop written by hand, and a second forward pass that leaves no trace."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from equipoise.errors import RunError
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.training import famo as famo_module
from equipoise.scenes.training import step as step_module
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.famo import Famo
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer
from equipoise.scenes.training.second_pass import new_losses
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import drop_gradients, training_step
from equipoise.scenes.training.update import step_if
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_loop import RECIPE, run, stop_after
from tests.support.tiny import PhotoDataset, TinyDataset

torchjd = pytest.importorskip("torchjd.scalarization")

CPU = torch.device("cpu")
FAMO = replace(RECIPE, weighting=WeightingRecipe(method="FAMO"))


def some_unlabelled() -> SceneDataset:
    """Some images have the classes alone, so that some batches lack two of three tasks."""
    return JoinedDataset({"tiny": TinyDataset(3), "photos": PhotoDataset(9)}, [1, 1])


@pytest.fixture
def doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def state_of(recipe: Any, dataset: SceneDataset) -> State:
    state = new_state(recipe, dataset, None, CPU, "float32")
    state.model.train()
    return state


def method_of(state: State) -> Famo:
    assert isinstance(state.weighting.method, Famo)
    return state.weighting.method


def drawn(dataset: SceneDataset, model: SceneModel, *, steps: int, size: int = 2) -> list[Batch]:
    arguments: dict[str, Any] = {"size": FAMO.data.size, "seed": 0, "batch_size": size, "start": 0, "stop": steps}
    return list(batches(dataset, model.tasks, FAMO.augmentation, **arguments, workers=0))


def by_hand(model: SceneModel, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Cross entropy, and L1 in the target's unit; only tasks with labels."""
    found = {}
    for name, target in batch.targets.items():
        if len(batch.rows[name]) == 0:
            continue
        if name == "semantic":
            found[name] = functional.cross_entropy(outputs[name], target.long(), ignore_index=IGNORE)
        else:
            unit: Any = model.likelihood[name]
            error = outputs[name] - (target.to(outputs[name]) - unit.unit.offset) / unit.unit.scale
            found[name] = error[~target.isnan()].abs().mean()
    return found


def in_order(model: SceneModel, losses: dict[str, Tensor], last: dict[str, Tensor]) -> Tensor:
    return torch.stack([losses.get(name, last.get(name, torch.ones(()))) for name in model.tasks])


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("update", ["gradient", "closed_form"])
def test_it_equals_a_loop_written_by_hand(update: str):
    """Weights, running statistics, units and σ, too: the hand-made second pass runs on a copy of the network."""
    laplace = LikelihoodRecipe(kind="laplace", update=update)
    recipe = replace(FAMO, likelihood={"instance": laplace, "depth": laplace})
    dataset = some_unlabelled()
    state = state_of(recipe, dataset)
    model = copy.deepcopy(state.model)
    optimizer = make_optimizer(model, recipe.optimizer)
    scalarizer = torchjd.FAMO(3)
    last: dict[str, Tensor] = {}
    each = [
        batch.each(lambda v: v.double() if v.is_floating_point() else v) for batch in drawn(dataset, model, steps=8)
    ]
    assert {sum(len(rows) > 0 for rows in batch.rows.values()) for batch in each} == {1, 3}
    for batch in each:
        training_step(state, [batch], "float32", None, ALONE)
        state.step += 1

        optimizer.zero_grad()
        outputs = model.network(batch.images, batch.rows)
        joint = model.likelihood(outputs, batch.targets)  # Takes units, and moves σ in closed form.
        if noise := [p for p in model.likelihood.parameters() if p.requires_grad]:
            joint.loss.backward(inputs=noise, retain_graph=True)
        losses = by_hand(model, outputs, batch)
        values = in_order(model, losses, last)
        scalarizer(values).backward()
        for name in model.tasks.keys() - losses.keys():
            drop_gradients(model, name)
        last |= {name: loss.detach() for name, loss in losses.items()}
        optimizer.step()
        with torch.no_grad():
            again = copy.deepcopy(model.network)(batch.images, batch.rows)
            scalarizer.update(in_order(model, by_hand(model, again, batch), last))

        torch.testing.assert_close(method_of(state).logits, scalarizer._w, rtol=1e-7, atol=1e-9)
    assert scalarizer._w.abs().min() > 1e-3
    expected = model.state_dict()
    for name, value in state.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-7, atol=1e-9, msg=name)


def everything(state: State) -> dict[str, Tensor]:
    """All parameters and buffers, those that are not saved too, and the moments of the optimizer."""
    model = {**dict(state.model.named_parameters()), **dict(state.model.named_buffers())}
    moments = {f"{i}.{k}": v for i, s in enumerate(state.optimizer.state.values()) for k, v in s.items()}
    return {**model, **moments, "random": torch.get_rng_state()}


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}], ids=str)
def test_the_second_pass_leaves_no_trace(noise: dict[str, str]):
    """With dropout, and both before the units are known and after a step."""
    recipe = replace(FAMO, likelihood=dict.fromkeys(FAMO.tasks, LikelihoodRecipe(**noise)))  # type: ignore[arg-type]
    dataset = some_unlabelled()
    state = state_of(recipe, dataset)
    state.model.network.decoders["depth"].append(torch.nn.Dropout(0.5))
    for batch in drawn(dataset, state.model, steps=3):
        before = {name: value.clone() for name, value in everything(state).items()}
        units = [state.model.likelihood[name].unit for name in ("instance", "depth")]
        counted = [unit.batches for unit in units]
        losses = new_losses(state.model, state.network, batch, "float32")
        after = everything(state)
        assert before.keys() == after.keys()
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert [unit.batches for unit in units] == counted
        assert list(losses) == list(FAMO.tasks)
        assert not any(loss.requires_grad for loss in losses.values())
        training_step(state, [batch], "float32", None, ALONE)
        state.step += 1


def test_the_second_pass_computes_as_training_does():
    """With the statistics of the batch: without a step in between, its losses are those of the first pass."""
    state = state_of(FAMO, TinyDataset())
    (first, second) = drawn(TinyDataset(), state.model, steps=2, size=4)
    training_step(state, [first], "float32", None, ALONE)
    losses = new_losses(state.model, state.network, second, "float32")
    joint = state.model.likelihood(state.network(second.images, second.rows), second.targets)
    for name, task in joint.tasks.items():
        assert float(losses[name]) == pytest.approx(float(task.standardized_loss.detach()), rel=1e-5)


def test_only_famo_makes_it(monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []
    monkeypatch.setattr(step_module, "new_losses", lambda *given: made.append("pass") or new_losses(*given))
    for method in ("DWA", "equal", "learned", "FAMO"):
        state = state_of(replace(FAMO, weighting=WeightingRecipe(method=method)), TinyDataset())
        made.append(method)
        for batch in drawn(TinyDataset(), state.model, steps=2):
            training_step(state, [batch], "float32", None, ALONE)
    assert made == ["DWA", "equal", "learned", "FAMO", "pass", "pass"]


def test_a_step_that_is_left_out_moves_no_logits(monkeypatch: pytest.MonkeyPatch):
    """The gradients of a scaled loss overflow: no second pass, and FAMO stays as it is."""
    state = state_of(FAMO, TinyDataset())
    first, second, third = drawn(TinyDataset(), state.model, steps=3)
    training_step(state, [first], "float32", None, ALONE)
    before = method_of(state).state_dict()
    state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    weight = next(iter(state.model.network.decoders["depth"].parameters()))
    overflow = weight.register_hook(lambda gradient: gradient * torch.inf)
    with monkeypatch.context() as patch:
        patch.setattr(step_module, "new_losses", lambda *given: pytest.fail("a second pass without a step"))
        _, norm = training_step(state, [second], "float32", None, ALONE)
    assert not torch.isfinite(norm)
    after = method_of(state).state_dict()
    assert {k: v for k, v in after.items() if "loss" not in k} == {k: v for k, v in before.items() if "loss" not in k}
    overflow.remove()
    training_step(state, [third], "float32", None, ALONE)
    assert method_of(state).state_dict()["steps"] == 2


@pytest.mark.parametrize("fused", [True, False])
def test_off_the_cpu_a_flag_leaves_the_update_out(monkeypatch: pytest.MonkeyPatch, fused: bool):
    """As ``update`` does where values are not read: the logits are those of the steps that were taken."""
    monkeypatch.setattr(famo_module, "FUSED", ("cpu",) if fused else ())
    ends = []
    for taken in ([False, True, False, True], [True, True]):
        method, after = Famo(torchjd.FAMO(2)), iter([[0.5, 0.9], [0.8, 0.3]])
        for is_taken in taken:
            method.scalarizer(torch.tensor([1.0, 1.0]))
            new = torch.tensor(next(after) if is_taken else [torch.nan, 1.0])
            step_if(method.adam, torch.tensor(is_taken), lambda method=method, new=new: method.scalarizer.update(new))
        ends.append([method.logits.detach(), *(method.adam.state[method.logits][key] for key in famo_module.MOMENTS)])
    assert ends[0][0].any()
    for one, other in zip(*ends, strict=True):
        # Undone, a step still counts, so the correction of the moments is a later one.
        torch.testing.assert_close(one, other, rtol=0.0 if fused else 0.5, atol=0.0)
        assert torch.isfinite(one).all()


def test_new_losses_that_are_not_finite_move_no_logits():
    state = state_of(FAMO, TinyDataset())
    (batch,) = drawn(TinyDataset(), state.model, steps=1)
    joint, _ = training_step(state, [batch], "float32", None, ALONE)
    before = method_of(state).state_dict()
    new = dict.fromkeys(FAMO.tasks, torch.tensor(1.0)) | {"depth": torch.tensor(torch.inf)}
    method_of(state).update(joint, new, torch.tensor(True))  # type: ignore[arg-type]
    assert method_of(state).state_dict() == before


def weighting_of(run_folder: Path) -> dict[str, float]:
    return dict(json.loads((run_folder / "checkpoints/step-00000007/state.json").read_text())["weighting"])


@pytest.mark.parametrize("fused_at", [None, 0, 1], ids=["plain", "first fused", "then fused"])
def test_resumed_runs_end_with_the_same_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fused_at: int | None):
    """Stopped after 5 of 7 steps. A run may go on on a device whose Adam is another one."""
    whole = run(FAMO, tmp_path / "whole", dataset=some_unlabelled())
    monkeypatch.setattr(famo_module, "FUSED", ("cpu",) if fused_at == 0 else ())
    stop_after(FAMO, tmp_path / "parts", steps=5, dataset=some_unlabelled())
    monkeypatch.setattr(famo_module, "FUSED", ("cpu",) if fused_at == 1 else ())
    parts = run(FAMO, tmp_path / "parts", resume=True, dataset=some_unlabelled())
    found, expected = weighting_of(tmp_path / "parts"), weighting_of(tmp_path / "whole")
    assert expected["steps"] == 7
    assert {key.partition(".")[0] for key in expected} == {"logits", "exp_avg", "exp_avg_sq", "loss", "steps"}
    assert found == (expected if fused_at is None else pytest.approx(expected, rel=1e-3, abs=1e-6))
    if fused_at is None:
        one, other = whole.model.state_dict(), parts.model.state_dict()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_state_of_another_method_is_refused():
    with pytest.raises(RunError, match=r"--resume: expected the state of FAMO in the checkpoint, found no 'logits.0'"):
        state_of(FAMO, TinyDataset()).weighting.load_state_dict({}, CPU)
