"""Runs that average their model: what they validate, save, resume and end with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from equipoise.errors import RunError
from equipoise.scenes.model.files import load_model
from equipoise.scenes.training.validator import ValidationPlan
from tests.scenes.training.test_loop import RECIPE, run, stop_after
from tests.scenes.training.validated import CONSTANT, MAE
from tests.scenes.training.validated import run as run_validated
from tests.support.tiny import TinyDataset

DECAY = 0.9
AVERAGED = replace(RECIPE, training=replace(RECIPE.training, ema=DECAY))


def test_the_average_is_the_model_and_training_is_the_same(tmp_path: Path):
    plain, averaged = run(RECIPE, tmp_path / "plain"), run(AVERAGED, tmp_path / "averaged")
    one, other = plain.model.state_dict(), averaged.model.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one), "averaging changed what is averaged"
    saved = load_model(tmp_path / "averaged")
    differs = [key for key, value in saved.state_dict().items() if not torch.equal(value, one[key])]
    assert {"network.encoder.stem.0.0.weight", "network.encoder.stem.0.1.running_var"} <= set(differs)
    assert any("log_variance" in key for key in differs)
    assert all(value > 0 for value in saved.likelihood.sigmas().values())
    last = load_file(tmp_path / "averaged/checkpoints/step-00000007/average.safetensors")
    assert torch.equal(last["network.aspp.pooled.weight"], saved.network.aspp.pooled.weight)
    images = torch.from_numpy(TinyDataset()[0].image).permute(2, 0, 1)[None]
    assert all(torch.isfinite(value).all() for value in saved.locations(images).values())


def test_the_unit_of_the_average_is_that_of_the_targets(tmp_path: Path):
    outcome = run(AVERAGED, tmp_path / "run")
    own, average = outcome.model.likelihood["depth"].unit, load_model(tmp_path / "run").likelihood["depth"].unit
    assert float(average.scale) == pytest.approx(float(own.scale), rel=1e-5)
    assert float(average.offset) == pytest.approx(float(own.offset), rel=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_resume_is_bit_exact(tmp_path: Path, accumulate: int):
    optimizer = replace(AVERAGED.optimizer, encoder_lr_factor=0.1, encoder_lr_decay=0.5)
    recipe = replace(AVERAGED, optimizer=optimizer, training=replace(AVERAGED.training, accumulate=accumulate))
    run(recipe, tmp_path / "whole")
    assert stop_after(recipe, tmp_path / "parts", steps=5).step == 5
    assert run(recipe, tmp_path / "parts", resume=True).step == 7
    for name in ("model.safetensors", "checkpoints/step-00000007/average.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_checkpoint_without_the_average_is_passed_over(tmp_path: Path):
    stop_after(AVERAGED, tmp_path / "run", steps=5)
    for path in (tmp_path / "run/checkpoints").glob("*/average.safetensors"):
        path.unlink()
    with pytest.raises(RunError, match="expected a checkpoint"):
        run(AVERAGED, tmp_path / "run", resume=True)


def test_validation_sees_the_average_and_keeps_it(tmp_path: Path):
    recipe = replace(CONSTANT, training=replace(CONSTANT.training, steps=4, validate_every=2, ema=DECAY))
    seen = []

    def figures(model, on_image):
        on_image()
        seen.append(model.network.aspp.pooled.weight.clone())
        return {"depth.mae": float(len(seen))}

    run_validated(recipe, tmp_path / "run", ValidationPlan(selection=MAE, figures=figures))
    kept = load_model(tmp_path / "run")
    assert torch.equal(kept.network.aspp.pooled.weight, seen[0])
    average = load_file(tmp_path / "run/checkpoints/step-00000004/average.safetensors")
    assert torch.equal(average["network.aspp.pooled.weight"], seen[1])
