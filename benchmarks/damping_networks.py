"""Problems and networks of ``damping``: one small MLP for each seed and learning rate, trained side by side."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.comparison_tables import COMPRESSOR, TEMPERATURE, enb, naval, z_scored

RATES, BATCH, HIDDEN = (0.003, 0.01, 0.03), 64, 64


@dataclass(frozen=True)
class Problem:
    """Inputs ``(N, D)`` and targets by task; a task is a class where its name ends with ``?``."""

    name: str
    inputs: Tensor
    targets: dict[str, Tensor]

    @property
    def is_class(self) -> Tensor:
        return torch.tensor([name.endswith("?") for name in self.targets])


def problems(folder: Path) -> Iterator[Problem]:
    """Five of tables, and two drawn at random: an exact linear task, a noisy one and a class."""
    inputs, loads = enb(folder)
    yield Problem("enb", inputs, loads)
    columns = naval(folder)
    scaled = z_scored(columns).float()
    others = scaled[:, [index for index in range(16) if index != TEMPERATURE]]
    decay = {"compressor": scaled[:, 16], "turbine": scaled[:, 17]}
    exact = {"temperature": scaled[:, TEMPERATURE]}
    kind = {"class?": (columns[:, COMPRESSOR] > columns[:, COMPRESSOR].median()).float()}
    yield Problem("naval", scaled[:, :16], decay)
    yield Problem("naval + class", others, exact | kind)
    yield Problem("naval, four tasks", others, exact | decay | kind)
    drawn = torch.Generator().manual_seed(5)
    inputs = torch.randn(2500, 10, generator=drawn)
    waves = [_wave(inputs, drawn) for _ in range(2)]
    linear = z_scored(inputs @ torch.randn(10, generator=drawn))
    noise = torch.randn(2500, 3, generator=drawn)
    hard = {"class?": (waves[1] + 0.3 * noise[:, 2] > 0).float()}
    yield Problem("linear + class", inputs, {"linear": linear} | hard)
    mixed = {"easy": linear + 0.02 * noise[:, 0], "noisy": waves[0] + 0.3 * noise[:, 1]}
    yield Problem("two regressions + class", inputs, mixed | hard)


def _wave(inputs: Tensor, drawn: torch.Generator) -> Tensor:
    slopes = torch.randn(10, 8, generator=drawn) / 10**0.5
    phases, sizes = torch.randn(2, 8, generator=drawn)
    return z_scored(torch.sin(1.2 * inputs @ slopes + phases) @ sizes)


class Networks:
    """One MLP a run, trained side by side; run r has seed r // rates and learning rate r % rates."""

    def __init__(self, problem: Problem, seeds: int, *, laplace: bool, draw: int = 0) -> None:
        self.seeds, self.laplace, self.is_class = seeds, laplace, problem.is_class
        runs, tasks = seeds * len(RATES), len(problem.targets)
        self.seed = torch.arange(runs) // len(RATES)
        self.lr = torch.tensor(RATES).repeat(seeds)
        self.shares = [int(share * len(problem.inputs)) for share in (0.6, 0.8)]
        self.inputs, self.targets = _splits(problem, seeds, self.shares[0])
        widths = (problem.inputs.shape[1], HIDDEN, HIDDEN, tasks)
        self.layers = [
            tuple(p[self.seed].clone().requires_grad_() for p in _layer(wide, narrow, seeds, number, draw))
            for number, (wide, narrow) in enumerate(itertools.pairwise(widths))
        ]

    def losses(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each task's loss ``(runs, tasks)``, and the outputs ``(runs, N, tasks)``."""
        for weight, bias in self.layers[:-1]:
            inputs = torch.relu(torch.baddbmm(bias, inputs, weight))
        outputs = torch.baddbmm(self.layers[-1][1], inputs, self.layers[-1][0])
        errors = (outputs - targets).abs() if self.laplace else (outputs - targets).square()
        entropy = F.binary_cross_entropy_with_logits(outputs, targets.clamp(0, 1), reduction="none")
        return torch.where(self.is_class, entropy, errors).mean(1), outputs

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, number = divmod(step, self.shares[0] // BATCH)
        chosen = [
            _order(self.shares[0], seed, epoch)[number * BATCH : (number + 1) * BATCH] for seed in range(self.seeds)
        ]
        rows = torch.arange(self.seeds)[:, None], torch.stack(chosen)
        return self.inputs[rows][self.seed], self.targets[rows][self.seed]

    @torch.no_grad()
    def errors(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """RMSE or MAE, and 1 − AUC, with the losses, each ``(runs, tasks)``."""
        targets = self.targets[self.seed, start:end]
        losses, outputs = self.losses(self.inputs[self.seed, start:end], targets)
        ranks = outputs.argsort(1).argsort(1).double() + 1
        positive = targets.sum(1).double()
        negative = targets.shape[1] - positive
        auc = ((ranks * targets).sum(1) - positive * (positive + 1) / 2) / (positive * negative)
        regression = losses if self.laplace else losses.sqrt()
        return torch.where(self.is_class, 1 - auc, regression.double()), losses


def _layer(wide: int, narrow: int, seeds: int, number: int, draw: int) -> list[Tensor]:
    """PyTorch's own initial weights, by seed; other ones for each ``draw``."""
    drawn = [torch.Generator().manual_seed(100_000 * draw + 1000 * seed + number) for seed in range(seeds)]
    sizes = ((wide, narrow), (1, narrow))
    return [torch.stack([(2 * torch.rand(*size, generator=g) - 1) / wide**0.5 for g in drawn]) for size in sizes]


def _splits(problem: Problem, seeds: int, training: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets by seed, shuffled and scaled by its training rows."""
    raw = torch.stack(list(problem.targets.values()), 1)
    inputs, targets = [], []
    for seed in range(seeds):
        order = torch.randperm(len(raw), generator=torch.Generator().manual_seed(seed))
        inputs.append(_scaled(problem.inputs[order], training))
        targets.append(torch.where(problem.is_class, raw[order], _scaled(raw[order], training)))
    return torch.stack(inputs), torch.stack(targets)


def _scaled(values: Tensor, training: int) -> Tensor:
    spread = values[:training].std(0)
    return (values - values[:training].mean(0)) / torch.where(spread > 0, spread, 1.0)


def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(1_000_003 * (seed + 1) + epoch))


class Adam:
    """Adam with a rate for each run, in place."""

    def __init__(self, like: Tensor, rate: Tensor) -> None:
        self.rate, self.first, self.second, self.steps = rate, torch.zeros_like(like), torch.zeros_like(like), 0

    def step(self, value: Tensor, gradient: Tensor, factor: float = 1.0) -> None:
        self.steps += 1
        self.first.lerp_(gradient, 0.1)
        self.second.lerp_(gradient.square(), 0.001)
        unbiased = self.first / (1 - 0.9**self.steps), self.second / (1 - 0.999**self.steps)
        value.sub_(factor * self.rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8))
