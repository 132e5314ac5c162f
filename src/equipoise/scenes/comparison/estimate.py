"""How long a comparison takes, from finished runs or from a timed step."""

from collections.abc import Iterable

import torch

from equipoise.comparison.records import RunRecord
from equipoise.scenes.comparison.plan import Plan
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.dry_run import dry_run


def measured_seconds(records: Iterable[RunRecord]) -> float | None:
    """Return the mean time of a finished run, s, validations included; ``None`` if there is none."""
    seconds = [record.seconds for record in records if not record.failed]
    return sum(seconds) / len(seconds) if seconds else None


def estimated_seconds(plan: Plan, callbacks: RunCallbacks, device: torch.device) -> float:
    """Return the training time of a run with all tasks, s, from one timed step; validations come on top.

    Raises:
        UserError: as training would.
    """
    found, _ = dry_run(plan.recipe, callbacks, device)
    return (found.step_s or found.first_step_s) * plan.recipe.training.steps
