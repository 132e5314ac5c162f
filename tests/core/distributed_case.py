"""The same training for one process and for two."""

import torch
from torch import Tensor

import equipoise as eq

STEPS = 6


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(4, 6).double()


def make_likelihood(update: str) -> eq.MultiTaskLikelihood:
    noise = {"closed_form": {"update": "closed_form"}, "first_batch": {"init": "first_batch"}}.get(update, {})
    return eq.MultiTaskLikelihood(
        {
            "a": eq.Gaussian(standardize=update == "first_batch", **noise),
            "b": eq.Categorical(ignore_index=9, **noise),
            "c": eq.StudentT(4.0, channels=2, standardize=False, **noise),
            "d": eq.MultivariateGaussian(3, standardize=False, **noise),
        }
    ).double()


def data(step: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Nine samples; some labels are missing, and in odd steps the second share has none for a and b."""
    g = torch.Generator().manual_seed(step)
    inputs = torch.randn(9, 4, generator=g, dtype=torch.float64)
    targets = {
        "a": torch.randn(9, 2, generator=g, dtype=torch.float64),
        "b": torch.randint(4, (9,), generator=g),
        "c": torch.randn(9, 2, generator=g, dtype=torch.float64),
        "d": torch.randn(9, 3, generator=g, dtype=torch.float64),
    }
    targets["a"][0, 1] = targets["c"][4, 0] = targets["d"][5, 2] = float("nan")
    if step % 2:
        targets["a"][3:], targets["b"][3:] = float("nan"), 9
    if step == 4:
        targets["d"][:] = float("nan")
    return inputs, targets
