"""Benchmarks run at a tiny size, so that they do not break unnoticed; what they time is what they say."""

import re

import pytest
import torch

from benchmarks.scene_steps import Case, Steps, mean_absolute_error
from benchmarks.training import measured

TINY = Case(encoder="small", size=(32, 64), batch_size=2, channels=16)


@pytest.fixture(scope="module")
def steps() -> Steps:
    return Steps(TINY, torch.device("cpu"))


def test_the_error_leaves_out_what_has_no_label():
    output, target = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.0, torch.nan, 6.0, torch.nan])
    output.requires_grad_()
    error = mean_absolute_error(output, target)
    assert error.item() == pytest.approx((1.0 + 3.0) / 2)
    error.backward()
    assert output.grad is not None
    assert output.grad.tolist() == [0.5, 0.0, -0.5, 0.0]


def test_both_loops_learn(steps: Steps):
    for step in (steps.ours("float32"), steps.plain()):
        losses = [float(step()) for _ in range(12)]
        assert sum(losses[-2:]) < sum(losses[:2])


def test_training_compares_our_step_with_the_plain_loop():
    lines = measured(TINY, rounds=2)
    assert re.search(r"in float32 [\d.]+ images/s, plain loop [\d.]+ images/s; time [\d.]+ ×", lines[-1])
