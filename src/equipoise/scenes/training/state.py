"""Everything that changes while training."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from equipoise.scenes.io.run_files import DESCRIPTION, WEIGHTS
from equipoise.scenes.model.files import model_files
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.average import Average
from equipoise.scenes.training.selection import Validation
from equipoise.scenes.training.weighting import TrainedWeighting
from equipoise.weighting import Learned

OPTIMIZER, STATE, AVERAGE = "optimizer.safetensors", "state.json", "average.safetensors"
FILES = (WEIGHTS, DESCRIPTION, OPTIMIZER, STATE)
"""The files of every checkpoint."""
FORMAT = 1
"""Of ``STATE``."""


@dataclass
class State:
    """Everything that changes while training; all but ``network``, ``bad_step`` and ``recent`` is saved.

    Attributes:
        model: network and likelihood.
        network: the model's own network, or the same wrapped for several processes.
        optimizer: of the network and the log-variances.
        step: how many steps are done.
        seconds: how long they took.
        validations: all so far, in the order of their steps.
        best_step: the step of the best validation so far.
        stopped_early: whether training ended before its last step, since validation no longer improved.
        bad_step: on devices other than the CPU, the first step whose loss or gradients were not finite, int64, 0 for
            none; see ``finite``.
        recent: on such devices, the images of every step since its values were last looked at, by its number.
        average: the moving average of the model, where the recipe asks for one.
        scaler: of the loss, where the forward pass is in float16.
        weighting: how the tasks' losses are weighed.
    """

    model: SceneModel
    network: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    validations: list[Validation] = field(default_factory=list)
    best_step: int | None = None
    stopped_early: bool = False
    bad_step: Tensor | None = None
    recent: dict[int, tuple[str, ...]] = field(default_factory=dict)
    average: Average | None = None
    scaler: torch.amp.GradScaler | None = None
    weighting: TrainedWeighting = field(default_factory=lambda: TrainedWeighting(Learned()))

    def shown(self) -> AbstractContextManager[None]:
        """A context in which ``model`` is what a run validates and ends with: the average, if there is one."""
        return nullcontext() if self.average is None else self.average.applied()

    def shown_files(self) -> dict[str, bytes]:
        """The files of that model, by name."""
        with self.shown():
            return model_files(self.model)
