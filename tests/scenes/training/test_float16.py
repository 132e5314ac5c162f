"""Training in float16: the scale of the loss, steps that are left out, and runs that go on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipoise.errors import NonFiniteError
from equipoise.scenes.training import optimizer as optimizer_module
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import new_state, train
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step
from tests.scenes.training.test_loop import RECIPE, stop_after
from tests.scenes.training.test_off_the_cpu import FOUR, FourLabels, drawn
from tests.support.tiny import TinyDataset

CPU = torch.device("cpu")


class TestScaledLoss:
    """float16's scaling of the loss, with a forward pass in float32, since a CPU computes float16 very slowly."""

    def state(self, scale: float) -> State:
        state = new_state(FOUR, FourLabels(), None, CPU, "float32")
        state.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        state.model.train()
        return state

    def test_it_changes_no_step(self):
        plain = new_state(FOUR, FourLabels(), None, CPU, "float32")
        plain.model.train()
        scaled = self.state(2.0**10)
        for batch in drawn(CPU):
            for state in (plain, scaled):
                training_step(state, [batch], "float32", 1.0, ALONE)
                state.step += 1
        for one, other in zip(plain.model.parameters(), scaled.model.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)

    def test_an_overflow_is_left_out_and_the_scale_halved(self):
        state, batch = self.state(2.0**127), drawn(CPU, steps=1)[0]
        before = [p.detach().clone() for p in state.model.parameters()]
        _, norm = training_step(state, [batch], "float32", 1.0, ALONE)
        assert not torch.isfinite(norm)
        assert state.scaler is not None
        assert state.scaler.get_scale() == 2.0**126
        assert all(torch.equal(p, old) for p, old in zip(state.model.parameters(), before, strict=True))

    def test_an_overflow_of_the_norm_alone_halves_the_scale_until_it_is_an_error(self):
        """Every gradient is finite, so ``GradScaler`` itself sees nothing; the step must not be left out for ever."""
        state, batch = self.state(4.0), drawn(CPU, steps=1)[0]
        weight = next(iter(state.model.network.decoders["depth"].parameters()))
        weight.register_hook(lambda gradient: torch.full_like(gradient, 1e25))
        before = [p.detach().clone() for p in state.model.parameters()]
        assert state.scaler is not None
        for scale in (2.0, 1.0):
            _, norm = training_step(state, [batch], "float32", 1.0, ALONE)
            assert norm == torch.inf
            assert state.scaler.get_scale() == scale
            state.step += 1
        with pytest.raises(NonFiniteError, match=r"in the sum of their squares \(step 3, images tiny/"):
            training_step(state, [batch], "float32", 1.0, ALONE)
        assert all(torch.equal(p, old) for p, old in zip(state.model.parameters(), before, strict=True))

    def test_a_finite_step_still_lets_the_scale_grow(self):
        state, batch = self.state(4.0), drawn(CPU, steps=1)[0]
        assert state.scaler is not None
        state.scaler.set_growth_interval(1)
        training_step(state, [batch], "float32", 1.0, ALONE)
        assert state.scaler.get_scale() == 8.0

    def test_an_overflow_without_a_scale_is_an_error(self):
        state, batch = self.state(1.0), drawn(CPU, steps=1)[0]
        weight = next(iter(state.model.network.decoders["depth"].parameters()))
        weight.register_hook(lambda gradient: gradient * torch.inf)
        with pytest.raises(NonFiniteError, match=r"in encoder.* \(step 1, images tiny/"):
            training_step(state, [batch], "float32", 1.0, ALONE)

    def test_its_scale_is_saved_and_resumed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        made: list[Any] = []

        class Scaler(torch.amp.GradScaler):
            def __init__(self, device: str) -> None:
                super().__init__(device, growth_interval=2)
                made.append(self)

        monkeypatch.setattr(torch.amp, "GradScaler", Scaler)
        monkeypatch.setattr("equipoise.scenes.training.step.autocast", lambda precision, device: torch.enable_grad())
        whole = train_in_float16(tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            train_in_float16(tmp_path / "parts", stop=3)
        resumed = train_in_float16(tmp_path / "parts", resume=True)
        assert made[0].get_scale() == made[2].get_scale() == 2.0**19
        one, other = whole.model.state_dict(), resumed.model.state_dict()
        assert all(torch.equal(one[key], other[key]) for key in one)


def train_in_float16(folder: Path, *, stop: int = 0, resume: bool = False) -> Any:
    def on_log(entry: dict[str, Any]) -> None:
        if entry["step"] == stop + 1:
            raise KeyboardInterrupt

    folder.mkdir(exist_ok=True)
    training = replace(RECIPE.training, steps=6, checkpoint_every=3)
    recipe = replace(RECIPE, training=training)
    return train(
        recipe, TinyDataset(), folder, precision="float16", resume=resume, on_log=on_log if stop else lambda entry: None
    )


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("fused_first", [True, False])
def test_a_run_goes_on_with_another_kind_of_optimizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: Any, fused_first: bool
):
    """A GPU's optimizer is fused, the CPU's is not: each continues from the other's checkpoint."""
    recipe = replace(RECIPE, optimizer=replace(RECIPE.optimizer, name=name, lr=1e-4))
    (tmp_path / "whole").mkdir()
    whole = train(recipe, TinyDataset(), tmp_path / "whole", precision="float32")
    kinds = [("cpu",), ()] if fused_first else [(), ("cpu",)]
    monkeypatch.setattr(optimizer_module, "FUSED", kinds[0])
    stop_after(recipe, tmp_path / "parts", steps=4)
    monkeypatch.setattr(optimizer_module, "FUSED", kinds[1])
    parts = train(recipe, TinyDataset(), tmp_path / "parts", precision="float32", resume=True)
    one, other = whole.model.state_dict(), parts.model.state_dict()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-3, atol=1e-4, msg=key)
