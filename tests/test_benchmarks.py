"""Benchmarks run at a tiny size, so that they do not break unnoticed; what they time is what they say."""

import re
import subprocess
import sys

import pytest
import torch

from benchmarks import gpu
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


def test_gpu_measures_a_step_and_a_prediction():
    """The same code on the CPU at a tiny size; compiling takes minutes there."""
    cpu = torch.device("cpu")
    rate = gpu.product_rate(cpu, "float32", 64, steps=2)
    assert rate > 1e7
    lines = gpu.measured(TINY, cpu, "float32", rate, steps=1, rounds=2, compiling=[False])
    number = r"[\d.]+"
    ours, prediction, plain = lines
    spread = rf"{number} images/s \({number} … {number}\)"
    assert re.search(rf": ours in float32: {spread}, \d+% of the product's rate, {number} GB \(peak", ours)
    assert re.search(rf": prediction in float32, {spread}$", prediction)
    assert re.search(rf": the plain loop in float32: {spread}, {number} GB", plain)


def test_gpu_counts_as_it_should():
    calls: list[int] = []
    found = gpu.times(lambda: calls.append(1), torch.device("cpu"), 3, 2, warm_up=5)
    assert len(calls) == 5 + 2 * 3
    assert len(found) == 2
    assert gpu.said([0.5, 0.25, 1.0], 4) == "8.0 images/s (4.0 … 16.0)"


def test_gpu_reports_too_little_memory():
    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    line = gpu.training_line("title", lambda: full, TINY, torch.device("cpu"), (1, 1), 1.0)
    assert line.startswith("expected enough memory on cpu for title, found too little")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_gpu_refuses_in_one_line_without_one():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "gpu"], capture_output=True, text=True)
    assert done.returncode == 1
    expected = "benchmarks: gpu: expected a GPU that PyTorch can use, found none: run it on a machine that has one\n"
    assert done.stderr == expected


def test_training_compares_our_step_with_the_plain_loop():
    lines = measured(TINY, rounds=2)
    assert re.search(r"in float32 [\d.]+ images/s, plain loop [\d.]+ images/s; time [\d.]+ ×", lines[-1])
