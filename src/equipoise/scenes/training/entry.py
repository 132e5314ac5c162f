"""What is logged of a step, as plain numbers."""

import math
import time
from typing import Any

from torch import Tensor

from equipoise import JointLoss, TaskLoss
from equipoise.scenes.training.accumulate import StepLoss, TaskTotal
from equipoise.scenes.training.log import Entry
from equipoise.scenes.training.state import State


def log_entry(
    state: State,
    joint: JointLoss | StepLoss,
    gradient_norm: Tensor,
    update_norm: Tensor,
    epoch: float,
    rate: float,
) -> Entry:
    """The entry of the step just done; ``rate`` is in images per second. Reads values back from the device."""
    weights = state.weighting.weights(joint)
    tasks = {
        name: {key: _plain(value) for key, value in _figures(term, weights[name]).items()}
        for name, term in joint.tasks.items()
    }
    return {
        "step": state.step,
        "epoch": epoch,
        "learning_rate": state.optimizer.param_groups[0]["lr"],
        "loss": _plain(joint.loss),
        "gradient_norm": _plain(gradient_norm),
        "images_per_second": rate,
        "seconds": state.seconds,
        "update_norm": _plain(update_norm),
        "tasks": tasks,
    }


def _figures(term: TaskLoss | TaskTotal, weight: Tensor | None) -> dict[str, Tensor | None]:
    return {"loss": term.loss, "nll": term.nll, "weight": weight, "sigma": term.sigma}


class Speed:
    """Measures images per second between log entries."""

    def __init__(self, step: int) -> None:
        self.step, self.time = step, time.perf_counter()

    def pause(self, seconds: float) -> None:
        """Leave out time that was not spent on training."""
        self.time += seconds

    def rate(self, step: int, batch_size: int) -> float:
        """Images per second since the last call, given the present step."""
        now = time.perf_counter()
        rate = (step - self.step) * batch_size / (now - self.time)
        self.step, self.time = step, now
        return rate


def _plain(value: Tensor | None) -> Any:
    """A number, a list of them, or ``None`` for what has no value: JSON has no NaN."""
    if value is None:
        return None
    listed: Any = value.detach().float().tolist()
    if isinstance(listed, list):
        return [x if math.isfinite(x) else None for x in listed]
    return listed if math.isfinite(listed) else None
