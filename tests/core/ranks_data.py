"""Batches that one process takes whole, and each of two ranks in part."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import equipoise as eq

Result = dict[str, Any]
N = 60


def ranks() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share(tensor: Tensor) -> Tensor:
    """This process's part of a batch: of two ranks the first has a third."""
    rank, world = ranks()
    return tensor if world == 1 else tensor[: N // 3] if rank == 0 else tensor[N // 3 :]


def parallel(module: nn.Module, **options: Any) -> nn.Module:
    return module if ranks()[1] == 1 else DistributedDataParallel(module, **options)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed: int, classes: int) -> Tensor:
    return torch.randint(classes, (N,), generator=torch.Generator().manual_seed(seed))


KINDS: dict[str, Callable[..., eq.Likelihood]] = {
    "gaussian": eq.Gaussian,
    "channels": lambda **k: eq.Laplace(channels=2, **k),
    "student": lambda **k: eq.StudentT(3.0, **k),
    "multivariate": lambda **k: eq.MultivariateGaussian(2, **k),
    "classes": eq.Categorical,
    "exact": lambda **k: eq.Categorical(exact=True, **k),
    "labels": lambda **k: eq.Bernoulli(exact=True, **k),
    "gibbs": lambda **k: eq.Gibbs(lambda f, y: (f - y).abs(), **k),
}


def task(kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Outputs and targets of the whole batch; the ranks' parts have different spreads."""
    output = numbers(seed, N, 2)
    if kind in ("classes", "exact"):
        target = labels(seed + 1, 2)
        target[5:9] = -100
        return output, target
    if kind == "labels":
        return output, (output + 2 * numbers(seed + 1, N, 2) > 0).double()
    target = output + numbers(seed + 1, N, 2) * torch.linspace(1, 5, N, dtype=torch.float64)[:, None]
    target[7, 1] = target[40, 0] = float("nan")
    return output, target


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}
