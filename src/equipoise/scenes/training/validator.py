"""Validation during training: when it is due, how signals interrupt it, and which model is kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from equipoise.scenes.io.run_files import DESCRIPTION, WEIGHTS
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.best import BEST_FILES, best_folder, keep_best, prune_best
from equipoise.scenes.training.checkpoint import checkpoint_fault
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.finite import expect_finite
from equipoise.scenes.training.log import write_validations
from equipoise.scenes.training.selection import Selection
from equipoise.scenes.training.settings import TrainingRecipe
from equipoise.scenes.training.signals import StopRequest
from equipoise.scenes.training.state import State
from equipoise.scenes.wording import counted

Figures = dict[str, float | None]
DONE = 1 << 16
"""What the leader sends when its evaluation is over; exit statuses are smaller."""


@dataclass(frozen=True, kw_only=True)
class ValidationPlan:
    """How to validate.

    Attributes:
        selection: which validation is the best.
        figures: evaluates a model on the validation split; calls its second argument after every image.
    """

    selection: Selection
    figures: Callable[[SceneModel, Callable[[], None]], Figures]


class Validator:
    """Validates a run during training; without a plan it does nothing.

    Its decisions depend on ``state.validations`` alone, which is saved in every checkpoint and is the same in all
    processes. A validation that a signal interrupts leaves the state as it was, and is due again when the run is
    resumed.
    """

    def __init__(
        self,
        plan: ValidationPlan | None,
        state: State,
        options: TrainingRecipe,
        run: Path,
        *,
        group: ProcessGroup,
        request: StopRequest,
        on_notice: Callable[[str], None],
    ) -> None:
        if options.validate_every and plan is None:
            raise ValueError("training.validate_every: expected a plan of how to validate, found none")
        self.plan = plan if options.validate_every else None
        self.state, self.options, self.run = state, options, run
        self.group, self.request, self.on_notice = group, request, on_notice
        if self.plan is not None and group.leads:
            write_validations(run, state.validations)  # Drops those after the checkpoint.

    @property
    def due(self) -> bool:
        """Whether this step must still be validated."""
        if self.plan is None or self.state.step == 0:
            return False
        step, done = self.state.step, self.state.validations
        wanted = step % self.options.validate_every == 0 or step == self.options.steps
        return wanted and not (done and done[-1]["step"] >= step)

    @property
    def finished(self) -> bool:
        """Whether training is over: all steps are done, or it stopped early, and no validation is due."""
        return (self.state.step >= self.options.steps or self.state.stopped_early) and not self.due

    def validate_if_due(self) -> float:
        """Validate this step if that is due; returns the seconds it took."""
        if self.plan is None or not self.due:
            return 0.0
        started = time.perf_counter()
        expect_finite(self.state, self.group)
        figures = self._evaluate(self.plan)
        if figures is not None:
            self._record(self.plan.selection, figures)
        return time.perf_counter() - started

    def _evaluate(self, plan: ValidationPlan) -> Figures | None:
        """The leader's figures, in all processes; ``None`` where a signal interrupted it."""
        figures: Figures = {}
        if self.group.leads:
            try:
                self._stop_on_signal()
                with self.state.shown(), evaluating(self.state.model):
                    figures = plan.figures(self.state.model, self._stop_on_signal)
            except _InterruptedError:
                return None
            self.group.largest(DONE)
        elif self._leader_was_interrupted():
            return None
        (shared,) = self.group.gathered((figures,))[:1]
        return dict(shared)

    def _stop_on_signal(self) -> None:
        """Raise if any process got a signal; the leader calls this before its first image and after each."""
        if self.group.largest(self.request.exit_status):
            raise _InterruptedError

    def _leader_was_interrupted(self) -> bool:
        """Follow the leader image by image, so that no process waits longer than one image takes."""
        while not (said := self.group.largest(self.request.exit_status)):
            pass
        return said < DONE

    def _record(self, selection: Selection, figures: Figures) -> None:
        """Append the validation, and keep the model if it is the best so far."""
        state = self.state
        score = selection.score(figures)
        state.validations.append({"step": state.step, "seconds": state.seconds, "figures": figures, "score": score})
        best = selection.best(state.validations)
        state.best_step = None if best is None else int(best["step"])
        state.stopped_early = state.step < self.options.steps and selection.exhausted(
            state.validations, self.options.early_stopping
        )
        if not self.group.leads:
            return
        if state.best_step == state.step:
            keep_best(self.run, state)
        write_validations(self.run, state.validations)
        self.on_notice(_line(selection, state))
        if state.stopped_early:
            self.on_notice(
                f"stopping early at step {state.step} of {self.options.steps}: no better {selection.name} in "
                f"{counted(self.options.early_stopping, 'validation')}"
            )

    def chosen(self) -> tuple[int, dict[str, bytes]]:
        """The step of the model that the run ends with, and its files.

        That is the best model; without validation, or where the best model is missing or damaged, the last one.
        """
        state = self.state
        last = state.step, state.shown_files()
        if self.plan is None:
            return last
        if state.best_step is None:
            self.on_notice(f"no validation gave a {self.plan.selection.name}: the model is that of the last step")
            return last
        path = best_folder(self.run, state.best_step)
        fault = checkpoint_fault(path, BEST_FILES) if path.is_dir() else "it is missing"
        if fault is not None:
            self.on_notice(f"{path}: expected the best model, found: {fault}: the model is that of step {state.step}")
            return last
        count = counted(len(state.validations), "validation")
        self.on_notice(
            f"the model is that of step {state.best_step}, the best of {count} by {self.plan.selection.name}"
        )
        prune_best(self.run, state.best_step)
        return state.best_step, {file: (path / file).read_bytes() for file in (WEIGHTS, DESCRIPTION)}


class _InterruptedError(Exception):
    """A signal came while a model was evaluated."""


@contextmanager
def evaluating(model: SceneModel) -> Iterator[None]:
    """Put the model into evaluation mode; restore every module's mode and torch's random generator afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _line(selection: Selection, state: State) -> str:
    """A validation in one line: the figures that decide, and the best step."""
    now = state.validations[-1]
    values = {name: now["figures"].get(name) for name in selection.figures}
    if len(values) > 1:
        values[selection.name] = now["score"]
    figures = ", ".join(f"{name} {'no value' if value is None else f'{value:.4g}'}" for name, value in values.items())
    best = "the best so far" if state.best_step == state.step else f"the best is that of step {state.best_step}"
    return f"validated at step {state.step}: {figures}" + (f"; {best}" if state.best_step is not None else "")
