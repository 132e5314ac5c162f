"""Training on every device and in every precision agrees with float64 on the CPU."""

import pytest
import torch

import equipoise as eq
from tests.core.contract import batch, with_noises

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


def trained(case, noise, device: torch.device, dtype: torch.dtype) -> tuple[list[float], torch.Tensor]:
    """The losses of a few steps, and s afterwards."""
    noise_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    likelihood = eq.MultiTaskLikelihood({"t": case.make(**noise)}).to(device, noise_dtype)
    output, target = (
        t.to(device, noise_dtype) if t.is_floating_point() else t.to(device) for t in batch(case, [40, 2])
    )
    output = output.to(dtype)
    scale = torch.nn.Parameter(torch.ones((), device=device, dtype=noise_dtype))
    optimizer = torch.optim.SGD([scale, *likelihood.parameters()], lr=0.05)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        joint = likelihood({"t": output * scale.to(dtype)}, {"t": target})
        joint.loss.backward()
        optimizer.step()
        likelihood.check()
        losses += [joint.loss.item(), joint.tasks["t"].loss.item()]
        assert {t.device.type for t in (joint.loss, joint.tasks["t"].sigma)} == {device.type}
    return losses, likelihood["t"].log_variance.detach().cpu().double()


@pytest.mark.parametrize(("case", "noise"), with_noises({}, {"init": "first_batch"}, {"update": "closed_form"}))
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_training_agrees(case, dtype, noise, device):
    if device.type == "mps" and dtype == torch.float64:
        pytest.skip("MPS has no float64")
    wanted, s = trained(case, noise, torch.device("cpu"), torch.float64)
    found, found_s = trained(case, noise, device, dtype)
    assert found == pytest.approx(wanted, rel=TOLERANCES[dtype], abs=TOLERANCES[dtype])
    assert torch.allclose(found_s, s, atol=TOLERANCES[dtype], rtol=TOLERANCES[dtype])
