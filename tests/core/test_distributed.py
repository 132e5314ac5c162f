"""Two gloo processes are one: the same losses, gradients and log-variances, with unequal counts and missing labels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import equipoise as eq
from tests.core.distributed_case import STEPS, data, make_likelihood, make_model


def alone(update: str) -> tuple[dict[str, torch.Tensor], list[float]]:
    model, likelihood = make_model(), make_likelihood(update)
    optimizer = torch.optim.SGD(eq.param_groups(model, likelihood, lr=0.05), lr=0.05)
    losses = []
    for step in range(STEPS):
        inputs, targets = data(step)
        optimizer.zero_grad()
        outputs = model(inputs)
        joint = likelihood(
            {"a": outputs[:, :2], "b": outputs[:, 2:], "c": outputs[:, :2], "d": outputs[:, 2:5]}, targets
        )
        joint.loss.backward()
        optimizer.step()
        losses.append(joint.loss.item())
    state = {"model." + k: v for k, v in model.state_dict().items()}
    return state | {"likelihood." + k: v for k, v in likelihood.state_dict().items()}, losses


@pytest.mark.parametrize("where", ["inside", pytest.param("outside", marks=pytest.mark.slow)])
@pytest.mark.parametrize("update", ["gradient", "closed_form", "first_batch"])
def test_two_ranks_equal_one_process(tmp_path: Path, where: str, update: str):
    """The likelihood inside of the DDP module, and beside it: log-variances are in step either way."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.core.distributed_worker", str(rank), "2", str(tmp_path), where, update],
            cwd=root,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    expected, losses = alone(update)
    for rank in range(2):
        found = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert found["losses"] == pytest.approx(losses, abs=1e-9)
        for name, value in expected.items():
            assert torch.allclose(found["state"][name].double(), value.double(), atol=1e-9, rtol=0), name
