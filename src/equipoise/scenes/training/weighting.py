"""The method of weighing that a recipe asks for."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from equipoise import JointLoss
from equipoise.errors import UsageError
from equipoise.scenes.training.accumulate import StepLoss
from equipoise.scenes.training.famo import Famo
from equipoise.scenes.training.weighting_settings import (
    DAMPED,
    EQUAL,
    FAMO,
    FIXED,
    LEARNED,
    SCALARIZERS,
    UNSAVED,
    WeightingRecipe,
)
from equipoise.weighting import Aggregated, Damped, Equal, Fixed, Grown, Learned, RateMatched, Scalarized, Weighting

ARGUMENTS: dict[str, dict[str, Any]] = {"CAGrad": {"c": 0.4}, "FairGrad": {"alpha": 2.0}, "STCH": {"mu": 0.5}}
"""Arguments without a default in TorchJD: those that LibMTL recommends."""
COUNTED = {FAMO: "shape", "IMTLL": "shape", "UW": "shape", "NashMTL": "n_tasks"}
"""Methods that must know the number of tasks, by the name of that argument."""
Weights = Mapping[str, Tensor | None]


class TrainedWeighting:
    """A method of weighing in a training run: its gradients, its weights for the log, and its state.

    Args:
        method: how gradients come about.
        name: as recipes spell it.
    """

    def __init__(self, method: Weighting, name: str = LEARNED) -> None:
        self.method, self.name = method, name
        self._epoch: float | None = None

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Parameters of the method itself, which the optimizer must hold; FAMO's have an optimizer of their own."""
        if isinstance(self.method, Famo) or not isinstance(self.method, Scalarized):
            return []
        return list(self.method.scalarizer.parameters())

    def begin(self, epoch: float) -> None:
        """Note the epoch of the next batch: some methods compare epochs."""
        if self._epoch is not None and epoch != self._epoch and isinstance(self.method, Scalarized):
            getattr(self.method.scalarizer, "step", lambda: None)()
        self._epoch = epoch

    def weights(self, joint: JointLoss | StepLoss) -> Weights:
        """Each task's weight in the last batch, ∂(what was minimised)/∂(raw loss); ``None`` where it is unknown."""
        method = self.method
        if isinstance(method, Damped):
            factors = method.factors(joint.parts[0] if isinstance(joint, StepLoss) else joint)
            return {name: _product(term.weight, factors[name]) for name, term in joint.tasks.items()}
        if isinstance(method, Learned) or isinstance(joint, StepLoss):  # No others take steps in parts.
            return {name: term.weight for name, term in joint.tasks.items()}
        tasks = joint.tasks
        if isinstance(method, RateMatched):
            return {name: _product(term.weight, method.factor) for name, term in tasks.items()}
        if isinstance(method, Grown):
            given = TrainedWeighting(method.weighted).weights(joint)
            inverse = None if method.mean is None else 1 / method.mean
            return {name: _product(weight, inverse) for name, weight in given.items()}
        if isinstance(method, Equal | Fixed):
            own = method.weights if isinstance(method, Fixed) else dict.fromkeys(tasks, 1 / len(tasks))
            return {name: own[name] * (term.standardized_loss / term.raw_loss).detach() for name, term in tasks.items()}
        return dict.fromkeys(tasks)

    def state_dict(self) -> dict[str, float]:
        """What a resumed run needs beside model and optimizer."""
        return self.method.state_dict() if isinstance(self.method, Grown | RateMatched | Famo) else {}

    def load_state_dict(self, state: Mapping[str, float], device: torch.device) -> None:
        """Continue from what ``state_dict`` returned.

        Raises:
            UsageError: checkpoints do not hold the state of this method of TorchJD.
            RunError: the checkpoint lacks the state of FAMO.
        """
        if self.name in UNSAVED:
            raise UsageError(
                f"--resume: expected a method whose state a checkpoint holds, found weighting.method = {self.name!r}: "
                "start again with --overwrite"
            )
        if isinstance(self.method, Grown | RateMatched | Famo):
            self.method.load_state_dict(state, device)


def _product(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else one * other


def make_weighting(recipe: WeightingRecipe, tasks: int, device: torch.device) -> TrainedWeighting:
    """The method of weighing for so many tasks.

    Raises:
        UsageError: it needs TorchJD, which is not installed.
    """
    if recipe.method == LEARNED:
        return TrainedWeighting(RateMatched() if recipe.rate == "matched" else Learned())
    if recipe.method == DAMPED:
        return TrainedWeighting(Damped(recipe.damping), DAMPED)
    if recipe.method in (EQUAL, FIXED):
        weights = recipe.weights if recipe.method == FIXED else None
        if recipe.rate == "grown":
            return TrainedWeighting(Grown(weights), recipe.method)
        return TrainedWeighting(Equal() if weights is None else Fixed(weights), recipe.method)
    return TrainedWeighting(_baseline(recipe.method, tasks, device), recipe.method)


def _baseline(name: str, tasks: int, device: torch.device) -> Weighting:
    """A method of TorchJD."""
    arguments = ARGUMENTS.get(name, {}) | ({COUNTED[name]: tasks} if name in COUNTED else {})
    try:
        if name in SCALARIZERS:
            from torchjd import scalarization

            scalarizer = getattr(scalarization, name)(**arguments).to(device)
            return Famo(scalarizer) if name == FAMO else Scalarized(scalarizer)
        from torchjd import aggregation

        return Aggregated(getattr(aggregation, name)(**arguments))
    except ImportError as error:
        raise UsageError(
            f"weighting.method: expected TorchJD for {name!r}, found it not installed ({error}): pip install "
            "'equipoise[baselines]'"
        ) from None
