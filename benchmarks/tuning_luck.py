"""How much of what tuned weights gain is the luck of many runs: ``python -m benchmarks.tuning_luck DATA``.

A search over 12 weights and 3 learning rates keeps the best of 36 runs by their validation error. Runs also differ by
the luck of their initial weights. So each setting is trained again from three other initial weights (*trained again*);
and equal, grown and damped weights, which have nothing to tune, get 12 initial weights to choose among (*12 draws*).
The change is relative to equal weights, the mean over three initial weights. For DATA see ``comparison_tables``, for
the networks ``damping``; errors are those of the test set, rates constant or falling linearly to 0.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.damping import DRAWS, VARIANTS, Method, searched, train
from benchmarks.damping_networks import Problem, problems

AGAIN = (1, 2, 3)
"""Initial weights that no choice was made on."""
UNTUNED = {
    "equal": "equal",
    "equal, grown": "equal, grown",
    "learned, damped": "damped by .5, 10 × (Damped)",
}


def trained(problem: Problem, method: Method, draws: range, seeds: int, steps: int, decay: float) -> tuple[Tensor, ...]:
    """The validation scores ``(draws, seeds)``, and the logarithms of the test errors ``(draws, seeds, tasks)``."""
    found = [train(problem, method, seeds, steps, draw=draw, decay=decay) for draw in draws]
    scores, errors = zip(*found, strict=True)
    return torch.stack(scores), torch.stack(errors).clamp_min(1e-4).log()


def figures(problem: Problem, seeds: int, steps: int, decay: float) -> Iterator[tuple[str, int, Tensor]]:
    """Each row's name, its number of runs, and the logarithms of its errors ``(seeds, tasks)``."""
    every, again = torch.arange(seeds), list(AGAIN)
    known = {method.name: method for method in VARIANTS}
    for row, name in UNTUNED.items():
        scores, errors = trained(problem, known[name], range(DRAWS), seeds, steps, decay)
        yield row, 3, errors[again].mean(0)
        yield f"{row}, 12 draws", 36, errors[scores.argmin(0), every]
    for row, growth in (("tuned", False), ("tuned, grown", True)):
        methods = searched(len(problem.targets), growth=growth)
        found = [trained(problem, method, range(len(AGAIN) + 1), seeds, steps, decay) for method in methods]
        scores, errors = (torch.stack(parts) for parts in zip(*found, strict=True))
        chosen = scores[:, 0].argmin(0)
        yield row, 36, errors[chosen, 0, every]
        yield f"{row}, trained again", 39, errors[chosen, :, every][:, again].mean(1)


def table(problem: Problem, seeds: int, steps: int, decay: float) -> Iterator[str]:
    rates = "rates that fall to 0" if decay else "constant rates"
    yield f"\n## {problem.name}, {rates}, {steps} steps, {seeds} seeds\n"
    yield f"| Row | runs | change % | worst task % | {' | '.join(name.removesuffix('?') for name in problem.targets)} |"
    yield "|---|---:|---:|---:|" + "---:|" * len(problem.targets)
    reference = torch.zeros(())
    for row, runs, logs in figures(problem, seeds, steps, decay):
        reference = logs if row == "equal" else reference
        change = logs - reference
        half = 1.96 * change.mean(1).std() / seeds**0.5
        low, mean, high = (100 * math.expm1(float(change.mean() + sign * half)) for sign in (-1, 0, 1))
        worst = 100 * math.expm1(float(change.mean(0).max()))
        values = " | ".join(f"{value:.4f}" for value in logs.exp().mean(0))
        yield f"| {row} | {runs} | {mean:+.1f} [{low:+.1f}, {high:+.1f}] | {worst:+.1f} | {values} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with enb/ and naval/")
    parser.add_argument("--problems", default="enb;naval;naval + class", help="their names, separated by ;")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for problem in problems(arguments.data):
        if problem.name in arguments.problems.split(";"):
            for decay in (0.0, 1.0):
                for line in table(problem, arguments.seeds, arguments.steps, decay):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
