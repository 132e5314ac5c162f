"""Which damping and which rate of σ: an ablation that trains all seeds and learning rates of a method at once.

``python -m benchmarks.damping DATA [--problems NAMES] [--laplace]``; for DATA see ``comparison_tables``. The networks
of 10 seeds and 3 learning rates are one batch of small MLPs (two layers of 64), trained by Adam on the same batches. So
many variants can be tried. It shares no code with the library; ``comparison_tables`` repeats the main rows with it.

All regressions are z-scored. Each seed chooses its learning rate, and each run its best of 20 checkpoints, by the
geometric mean of the validation errors (RMSE, or MAE with ``--laplace``; 1 − AUC). Figures are from the test set.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.damping_networks import RATES, Adam, Networks, Problem, problems

VALIDATIONS = 20
DRAWS, SPAN = 12, 100.0
MOMENTUM = 0.99


@dataclass(frozen=True)
class Method:
    """How the weights of a step come about.

    Attributes:
        name: of the row.
        weights: from the state of all runs to the weight of each task's loss, ``(runs, tasks)``.
        rate: σ's learning rate as a multiple of the network's.
        limit: its highest value.
        floor: the smallest σ.
        pooling: λ of a prior ½·λ·Σ(s − s̄)², which draws the noises to each other.
    """

    name: str
    weights: Callable[["State"], Tensor]
    rate: float = 10.0
    limit: float = math.inf
    floor: float = 0.0
    pooling: float = 0.0


@dataclass
class State:
    """The noise of all runs: log-variances s, losses, and their running means, each ``(runs, tasks)``."""

    coefficients: Tensor
    exponents: Tensor
    s: Tensor
    loss: Tensor = field(default_factory=lambda: torch.zeros(()))
    sums: Tensor = field(default_factory=lambda: torch.zeros(()))
    mass: float = 0.0
    validation: Tensor | None = None

    def see(self, loss: Tensor) -> None:
        self.loss = loss
        self.sums = MOMENTUM * self.sums + (1 - MOMENTUM) * loss
        self.mass = MOMENTUM * self.mass + (1 - MOMENTUM)

    @property
    def mean(self) -> Tensor:
        """The bias-corrected running mean of the losses."""
        return self.sums / self.mass

    def learned(self, s: Tensor) -> Tensor:
        """∂nll/∂loss: ½·e^(−s) of a squared error, √2·e^(−s/2) of an absolute one, e^(−s) of a cross entropy."""
        return self.coefficients * torch.exp(-self.exponents * s)

    def optimum(self, loss: Tensor) -> Tensor:
        """The best s for a loss."""
        return (2 * self.coefficients * self.exponents * loss).log() / self.exponents


def damped(state: State, damping: float, s: Tensor | None = None) -> Tensor:
    s = state.s if s is None else s
    return state.learned(s) * torch.exp(damping * (s - s.mean(1, keepdim=True)))


def grown(state: State, weights: Tensor) -> Tensor:
    return weights / (weights * state.mean).sum(1, keepdim=True)


def on_validation(state: State) -> Tensor:
    known = state.mean if state.validation is None else state.validation
    return state.learned(state.optimum(known))


VARIANTS = (
    Method("equal", lambda state: torch.ones_like(state.s)),
    Method("equal, grown", lambda state: grown(state, torch.ones_like(state.s))),
    Method("learned, σ at 10 × the rate (Learned)", lambda state: state.learned(state.s)),
    Method("learned, σ at 3 ×", lambda state: state.learned(state.s), rate=3.0),
    Method("learned, σ at 1 ×", lambda state: state.learned(state.s), rate=1.0),
    Method("learned, 10 × up to .03", lambda state: state.learned(state.s), limit=0.03),
    Method("learned, 10 × up to .01", lambda state: state.learned(state.s), limit=0.01),
    Method("damped by .25, 10 ×", lambda state: damped(state, 0.25)),
    Method("damped by .5, 10 × (Damped)", lambda state: damped(state, 0.5)),
    Method("damped by .25, up to .03", lambda state: damped(state, 0.25), limit=0.03),
    Method("damped by .5, up to .03", lambda state: damped(state, 0.5), limit=0.03),
    Method("damped by .75, up to .03", lambda state: damped(state, 0.75), limit=0.03),
    Method("closed form", lambda state: state.learned(state.optimum(state.mean))),
    Method("closed form, damped by .5", lambda state: damped(state, 0.5, state.optimum(state.mean))),
    Method("closed form of validation losses", on_validation),
    Method("floor σ ≥ .3", lambda state: state.learned(state.s), limit=0.03, floor=0.3),
    Method("floor σ ≥ .1", lambda state: state.learned(state.s), limit=0.03, floor=0.1),
    Method("pooled, λ = .2", lambda state: state.learned(state.s), limit=0.03, pooling=0.2),
)


def searched(tasks: int, *, growth: bool) -> list[Method]:
    """Equal weights, and others spread evenly (Sobol's points) over log weights with ratios within 1 : 100."""
    points = torch.quasirandom.SobolEngine(tasks, scramble=True, seed=0).draw(DRAWS - 1)
    logs = [torch.zeros(tasks), *(points * math.log(SPAN))]

    def of(weights: Tensor) -> Callable[[State], Tensor]:
        fixed = weights.expand
        return lambda state: grown(state, fixed(state.s.shape)) if growth else fixed(state.s.shape)

    return [Method("", of(log.exp() / log.exp().sum())) for log in logs]


def train(
    problem: Problem,
    method: Method,
    seeds: int,
    steps: int,
    *,
    laplace: bool = False,
    draw: int = 0,
    decay: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The validation score ``(seeds,)`` and the test errors ``(seeds, tasks)`` of the chosen rate and checkpoint.

    Each ``draw`` has other initial weights; rates fall as (1 − t/T)^``decay``.
    """
    networks = Networks(problem, seeds, laplace=laplace, draw=draw)
    own = torch.tensor([1.0, 1.0]), torch.tensor([2**0.5, 0.5]) if laplace else torch.tensor([0.5, 1.0])
    coefficients, exponents = torch.where(networks.is_class[:, None], *own).T
    state = State(coefficients, exponents, torch.zeros(len(networks.lr), len(problem.targets)))
    parameters = [p for layer in networks.layers for p in layer]
    optimizers = [Adam(p, networks.lr[:, None, None]) for p in parameters]
    noise = Adam(state.s, (networks.lr * method.rate).clamp_max(method.limit)[:, None])
    best = torch.full_like(networks.lr, math.inf, dtype=torch.float64)
    found = torch.zeros(state.s.shape, dtype=torch.float64)
    for step in range(1, steps + 1):
        loss, _ = networks.losses(*networks.batch(step - 1))
        state.see(loss.detach())
        gradients = torch.autograd.grad((method.weights(state) * loss).sum(), parameters)
        factor = (1 - (step - 1) / steps) ** decay
        with torch.no_grad():
            for optimizer, parameter, gradient in zip(optimizers, parameters, gradients, strict=True):
                optimizer.step(parameter, gradient, factor)
            pull = method.pooling * (state.s - state.s.mean(1, keepdim=True))
            noise.step(state.s, 0.5 - exponents * state.learned(state.s) * state.loss + pull, factor)
            if method.floor:
                state.s.clamp_min_(2 * math.log(method.floor))
        if step * VALIDATIONS % steps < VALIDATIONS:
            errors, state.validation = networks.errors(*networks.shares)
            score = errors.clamp_min(1e-4).log().mean(1).nan_to_num(math.inf)
            test, _ = networks.errors(networks.shares[1], len(problem.inputs))
            found = torch.where((score < best)[:, None], test, found)
            best = torch.minimum(score, best)
    chosen = best.reshape(seeds, -1).argmin(1)
    rows = torch.arange(seeds), chosen
    return best.reshape(seeds, -1)[rows], found.reshape(seeds, len(RATES), -1)[rows]


def best_of(problem: Problem, methods: list[Method], seeds: int, steps: int, *, laplace: bool) -> Tensor:
    """The test errors of each seed's best method on validation."""
    scores, errors = zip(*(train(problem, each, seeds, steps, laplace=laplace) for each in methods), strict=True)
    return torch.stack(errors)[torch.stack(scores).argmin(0), torch.arange(seeds)]


def table(problem: Problem, seeds: int, steps: int, *, laplace: bool) -> Iterator[str]:
    tasks = [name.removesuffix("?") for name in problem.targets]
    yield f"\n## {problem.name}, {'Laplace' if laplace else 'Gaussian'}, {steps} steps, {seeds} seeds\n"
    yield f"| Row | change % | worst task % | {' | '.join(f'{name}' for name in tasks)} |"
    yield "|---|---|---|" + "---|" * len(tasks)
    alone = [
        train(Problem("", problem.inputs, {name: target}), VARIANTS[0], seeds, steps, laplace=laplace)[1].mean()
        for name, target in problem.targets.items()
    ]
    yield f"| each alone | | | {' | '.join(f'{value:.4f}' for value in alone)} |"
    count, reference = len(tasks), torch.zeros(())
    found = {each.name: [each] for each in VARIANTS}
    found |= {"tuned (36 runs)": searched(count, growth=False), "tuned, grown (36 runs)": searched(count, growth=True)}
    for name, methods in found.items():
        errors = best_of(problem, methods, seeds, steps, laplace=laplace)
        logs = errors.clamp_min(1e-4).log()
        reference = logs if name == "equal" else reference
        change = logs - reference
        half = 1.96 * change.mean(1).std() / seeds**0.5
        low, mean, high = (100 * math.expm1(float(change.mean() + sign * half)) for sign in (-1, 0, 1))
        worst = 100 * math.expm1(float(change.mean(0).max()))
        values = " | ".join(f"{value:.4f}" for value in errors.mean(0))
        yield f"| {name} | {mean:+.1f} [{low:+.1f}, {high:+.1f}] | {worst:+.1f} | {values} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with enb/ and naval/")
    parser.add_argument("--problems", default="", help="a part of their names")
    parser.add_argument("--laplace", action="store_true")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=600)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for problem in problems(arguments.data):
        if arguments.problems in problem.name:
            for line in table(problem, arguments.seeds, arguments.steps, laplace=arguments.laplace):
                print(line, flush=True)


if __name__ == "__main__":
    main()
