"""A training step of the scene system against a plain loop over the same network, on the CPU, side by side.

The plain loop computes in float32 with contiguous tensors, without ``torch.compile``, with a hand-written sum of losses
and PyTorch's AdamW. Ours is the step of ``equipoise train``: once in the precision that it takes here, once in float32.
Both see the same batches of streets, which lie in memory: reading and augmentation are not counted. Times are by the
clock, so other work on the machine affects them; the line names the load.
"""

import os
from collections.abc import Iterator

import torch

from benchmarks.measure import Ratio, side_by_side
from benchmarks.scene_steps import Case, Steps
from equipoise.scenes.training.precision import Precision, choose_precision

CASES = (
    Case(encoder="small", size=(128, 256)),
    Case(encoder="small", size=(128, 256), decoder="deeplabv3plus"),
    Case(encoder="resnet18", size=(128, 256)),
    Case(encoder="resnet18", size=(256, 512), batch_size=4),
)
ROUNDS = 5
CPU = torch.device("cpu")


def run() -> Iterator[str]:
    for case in CASES:
        yield from measured(case, ROUNDS)


def measured(case: Case, rounds: int) -> list[str]:
    """A line for each precision of our step."""
    steps, best = Steps(case, CPU), choose_precision("auto", CPU)
    precisions: dict[Precision, None] = dict.fromkeys((best, "float32"))
    lines = []
    for precision in precisions:
        ratio = side_by_side(steps.ours(precision), steps.plain(), rounds=rounds, warm_up=2)
        lines.append(
            f"{case}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}: {said(precision, ratio, case)}"
        )
    return lines


def said(precision: Precision, ratio: Ratio, case: Case) -> str:
    rates = [case.batch_size / seconds for seconds in (ratio.one, ratio.other)]
    return f"ours in {precision} {rates[0]:.1f} images/s, plain loop {rates[1]:.1f} images/s; time {ratio}"
