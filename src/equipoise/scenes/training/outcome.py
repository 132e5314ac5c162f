"""How a call of ``train`` ended."""

from dataclasses import dataclass

from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.selection import Validation


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call of ``train`` ended.

    Attributes:
        model: as the last step left it.
        step: the last step done.
        seconds: how long all steps of the run took.
        exit_status: of the signal that asked training to stop; 0: none did.
        model_step: the step of the model written to the run's folder, an earlier one where validation found that
            better; ``None`` where training is not finished.
        stopped_early: whether validation no longer improved.
        validations: all of the run.
    """

    model: SceneModel
    step: int
    seconds: float
    exit_status: int = 0
    model_step: int | None = None
    stopped_early: bool = False
    validations: tuple[Validation, ...] = ()
