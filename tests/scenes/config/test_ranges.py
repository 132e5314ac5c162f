"""A value outside its range is refused in one line: the file, the key, what was expected, what was found."""

from pathlib import Path

import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import RANGES, read_recipe

BAD = {
    "tasks": '["depth", "depth"]',
    "data.repeat": "0",
    "data.weight": "-1.0",
    "data.size": "[16, 64]",
    "also.NAME.repeat": "1000001",
    "also.NAME.weight": "nan",
    "model.aspp_channels": "0",
    "model.decoder_channels": "20000",
    "augmentation.scale": "[2.0, 1.0]",
    "augmentation.crop": "[16, 64]",
    "augmentation.color": "1.5",
    "augmentation.brightness": "-0.1",
    "augmentation.contrast": "1.1",
    "augmentation.saturation": "nan",
    "augmentation.hue": "0.6",
    "augmentation.gamma": "-0.5",
    "augmentation.blur": "21.0",
    "likelihood.NAME.init": "inf",
    "likelihood.NAME.momentum": "1.0",
    "likelihood.NAME.floor": "-0.1",
    "likelihood.NAME.class_weights": "{ road = -1.0 }",
    "likelihood.NAME.label_smoothing": "1.0",
    "optimizer.lr": "0.0",
    "optimizer.log_variance_lr": "-1.0",
    "optimizer.encoder_lr_factor": "0.0",
    "optimizer.encoder_lr_decay": "1.5",
    "optimizer.gradient_clip": "nan",
    "optimizer.weight_decay": "-0.1",
    "optimizer.momentum": "1.0",
    "optimizer.power": "0.0",
    "optimizer.warmup_steps": "-1",
    "training.steps": "0",
    "training.batch_size": "0",
    "training.device": '"gpu"',
    "training.accumulate": "0",
    "training.ema": "1.0",
    "training.log_every": "0",
    "training.checkpoint_every": "0",
    "training.keep_checkpoints": "0",
    "training.validate_every": "-1",
    "training.early_stopping": "-1",
    "training.seed": "-1",
    "training.workers": "-1",
    "comparison.rows": "[]",
    "comparison.seeds": "0",
    "comparison.lr_factors": "[1.0, 1.0]",
    "comparison.steps": "0",
    "comparison.validate_every": "0",
    "comparison.draws": "0",
    "comparison.levels": "[-1.0]",
    "comparison.sweep": '["depth"]',
    "comparison.sweep_shares": "[0.0, 0.5]",
    "comparison.held_out": "95",
}
NAMES = {"also": "also.second", "likelihood": "likelihood.semantic"}


def recipe(key: str, value: str) -> str:
    """The least recipe in which ``key`` has this value."""
    tables = {"": {}, "data": {"kind": '"streets"', "path": '"a"', "size": "[64, 64]"}, "training": {"steps": "1"}}
    table, _, name = key.rpartition(".")
    if table.startswith("also."):
        tables[table] = {"kind": '"streets"', "path": '"b"'}
    tables.setdefault(table, {})[name] = value
    return "\n".join(
        (f"[{name}]\n" if name else "") + "".join(f"{k} = {v}\n" for k, v in keys.items())
        for name, keys in tables.items()
    )


def test_every_range_is_tried():
    assert BAD.keys() == RANGES.keys()


@pytest.mark.parametrize("key", BAD)
def test_a_bad_value_is_refused_in_one_line(tmp_path: Path, key: str):
    path = tmp_path / "recipe.toml"
    table = key.split(".", maxsplit=1)[0]
    spelled = key.replace(f"{table}.NAME", NAMES.get(table, ""))
    path.write_text(recipe(spelled, BAD[key]))
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: {spelled}: expected {RANGES[key][1]}, found ")
    assert "\n" not in message


def test_frozen_normalization_needs_published_weights(tmp_path: Path):
    """With random weights its statistics are mean 0 and variance 1: nothing would be normalised."""
    path = tmp_path / "recipe.toml"
    path.write_text(recipe("model.normalization", '"frozen"'))
    with pytest.raises(RecipeError, match=r"model.normalization: expected 'batch' or 'group', found 'frozen'"):
        read_recipe(path)
