"""Learning-rate factors against closed forms."""

import math

import pytest

from equipoise.scenes.config.recipe import OptimizerRecipe
from equipoise.scenes.training.schedule import rate_factor


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("polynomial", 0, 1.0),
        ("polynomial", 50, 0.5**0.9),
        ("cosine", 0, 1.0),
        ("cosine", 25, (1 + math.sqrt(0.5)) / 2),
        ("cosine", 50, 0.5),
        ("constant", 99, 1.0),
    ],
)
def test_value(schedule, step, expected):
    assert rate_factor(step, 100, OptimizerRecipe(schedule=schedule)) == pytest.approx(expected)


def test_warmup_multiplies():
    recipe = OptimizerRecipe(schedule="constant", warmup_steps=4)
    assert [rate_factor(step, 100, recipe) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
