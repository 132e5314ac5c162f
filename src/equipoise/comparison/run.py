"""One run: a candidate of a row trained with one learning rate and one seed, and judged at its best checkpoint."""

import copy
import functools
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equipoise._joint import JointLoss
from equipoise.comparison.methods import Method, settings
from equipoise.comparison.problem import Problem, Split
from equipoise.comparison.records import Metric, RunRecord
from equipoise.comparison.selection import score
from equipoise.comparison.weighers import Weigher
from equipoise.multitask import MultiTaskLikelihood
from equipoise.optim import param_groups

DRAW_STRIDE = 1_000_003
"""Far more than the seeds of a comparison, so that no seed's other initial weights are those of another seed."""
MakeOptimizer = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every run gets, whatever its row.

    Attributes:
        steps: optimizer steps.
        validations: how often the validation set is looked at, at equal distances, the last after the last step.
        optimizer: makes an optimizer of parameter groups, which hold their learning rates.
        decay: the power p of the rates' decay: before step t of T they are (1 − t/T)^p times those at the start. 0:
            they stay.

    Raises:
        ValueError: fewer than one step or validation, more validations than steps, or a power below 0.
    """

    steps: int
    validations: int = 20
    optimizer: MakeOptimizer = torch.optim.Adam
    decay: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.validations <= self.steps:
            raise ValueError(f"Budget: expected 1 to {self.steps} validations, found {self.validations}")
        if not 0.0 <= self.decay < math.inf:
            raise ValueError(f"Budget: decay: expected a power of 0 or more, found {self.decay}")

    @property
    def settings(self) -> dict[str, Any]:
        """What this budget sets, as JSON can hold it."""
        own = {"steps": self.steps, "validations": self.validations, "optimizer": _described(self.optimizer)}
        return own | ({"decay": self.decay} if self.decay else {})

    def is_due(self, step: int) -> bool:
        """Whether there is a validation after this many steps."""
        return step * self.validations // self.steps > (step - 1) * self.validations // self.steps


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run to be made.

    Attributes:
        row: the row's name.
        candidate: the name of the candidate with its learning rate.
        tasks: what is trained.
        method: how it is weighed.
        lr: the network's learning rate.
        seed: of the split, the initial weights and the batches.
        draw: 0 for the initial weights of the seed; each other number draws others.
    """

    row: str
    candidate: str
    tasks: tuple[str, ...]
    method: Method
    lr: float
    seed: int
    draw: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What this run sets, as JSON can hold it."""
        drawn = {"draw": self.draw} if self.draw else {}
        return {"lr": self.lr, "tasks": list(self.tasks), **drawn, **settings(self.method)}

    @property
    def initial_seed(self) -> int:
        """The seed of the initial weights."""
        return self.seed + DRAW_STRIDE * self.draw


def execute(problem: Problem, run: Run, budget: Budget) -> RunRecord:
    """Make a run. One that fails gives a record with its error, so that the others go on.

    The global random generator is seeded with the run's seed, and restored afterwards.
    """
    start = time.perf_counter()
    found: dict[str, Any] = {}
    with torch.random.fork_rng(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.manual_seed(run.seed)
        training = None
        try:
            training = Training(problem, run, budget)
            found = training.judged()
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {error}"}
    return RunRecord(
        row=run.row,
        candidate=run.candidate,
        seed=run.seed,
        steps=0 if training is None else training.step,
        seconds=time.perf_counter() - start,
        settings=budget.settings | run.settings,
        warnings=tuple(dict.fromkeys(str(each.message) for each in caught)),
        **found,
    )


class Training:
    """The state of a run.

    Args:
        problem: the model and the data.
        run: what to train, and how.
        budget: for how long.
    """

    def __init__(self, problem: Problem, run: Run, budget: Budget) -> None:
        self.problem, self.run, self.budget = problem, run, budget
        self.metrics = [metric for metric in problem.metrics if metric.task in run.tasks]
        torch.manual_seed(run.initial_seed)
        self.model = problem.model(run.tasks, run.initial_seed)
        form = run.method.form
        self.likelihood = MultiTaskLikelihood({task: problem.likelihood(task, form) for task in run.tasks})
        self.likelihood.to(next(self.model.parameters()).device)
        self.weigher: Weigher = run.method.weigher(self.likelihood)
        groups = param_groups(self.model, self.likelihood, lr=run.lr, log_variance_lr=form.log_variance_lr(run.lr))
        if own := self.weigher.parameters():
            groups.append({"params": own, "lr": run.lr, "weight_decay": 0.0})
        self.optimizer = budget.optimizer(groups)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        # Whatever was drawn to build it, training draws the same numbers in every row.
        torch.manual_seed(run.seed)
        self._set_mode(training=True)
        self.step = 0
        self.weights: list[tuple[int, Mapping[str, float]]] = []
        self.update_norms: list[tuple[int, float]] = []
        self.best: tuple[float, int, dict[str, float], Any] | None = None

    def judged(self) -> dict[str, Any]:
        """Train, and return what a record says of the best checkpoint."""
        while self.step < self.budget.steps:
            self._advance(*self.problem.batch(self.run.seed, self.step))
            if self.budget.is_due(self.step):
                self._validate()
        assert self.best is not None  # The last step is followed by a validation.
        _, step, validation, state = self.best
        self._restore(state)
        return {
            "validation": validation,
            "test": self._values("test"),
            "best_step": step,
            "weights": tuple(self.weights),
            "update_norms": tuple(self.update_norms),
        }

    def _advance(self, inputs: Any, targets: Mapping[str, Tensor]) -> None:
        own = {task: targets.get(task) for task in self.run.tasks}
        self.optimizer.zero_grad()
        loss: JointLoss = self.likelihood(self._outputs(inputs), own)
        self.weigher.backward(loss, self.problem.shared_parameters(self.model))
        recorded = self.step == 0 or self.budget.is_due(self.step + 1)
        before = [parameter.detach().clone() for parameter in self.model.parameters()] if recorded else []
        if self.budget.decay:
            factor = (1.0 - self.step / self.budget.steps) ** self.budget.decay
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor
        self.optimizer.step()
        self.step += 1
        if recorded:
            self.weights.append((self.step, self.weigher.weights(loss)))
            self.update_norms.append((self.step, _distance(before, self.model)))
        ends = self.step % self.problem.steps_per_epoch == 0
        self.weigher.after_step(loss, lambda: self._new_losses(inputs, own), epoch_ends=ends)

    def _outputs(self, inputs: Any) -> dict[str, Tensor]:
        outputs = self.model(inputs)
        return {task: outputs[task] for task in self.run.tasks}

    @torch.no_grad()
    def _new_losses(self, inputs: Any, targets: Mapping[str, Tensor | None]) -> Mapping[str, Tensor]:
        """The standardized losses of a batch; running statistics and random generators stay as they are."""
        kept = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        with torch.random.fork_rng():
            outputs = self._outputs(inputs)
        for buffer, value in kept:
            buffer.copy_(value)
        return self.likelihood.standardized_losses(outputs, targets)

    def _validate(self) -> None:
        values = self._values("validation")
        found = score(self.metrics, values)
        if self.best is None or found < self.best[0]:
            self.best = (found, self.step, values, self._state())

    def _values(self, split: Split) -> dict[str, float]:
        self._set_mode(training=False)
        with torch.no_grad():
            found = self.problem.evaluate(self.model, self.likelihood, split, self.run.seed)
        self._set_mode(training=True)
        return {metric.key: _finite(metric, found, split, self.step) for metric in self.metrics}

    def _set_mode(self, *, training: bool) -> None:
        self.model.train(training)
        self.likelihood.train(training)

    def _state(self) -> Any:
        return copy.deepcopy((self.model.state_dict(), self.likelihood.state_dict()))

    def _restore(self, state: Any) -> None:
        model, likelihood = state
        self.model.load_state_dict(model)
        self.likelihood.load_state_dict(likelihood)


def _described(optimizer: Any) -> str:
    """A maker of optimizers as text that stays the same in other processes."""
    if isinstance(optimizer, functools.partial):
        return f"{_described(optimizer.func)} {optimizer.args} {optimizer.keywords}"
    return str(getattr(optimizer, "__qualname__", type(optimizer).__qualname__))


def _finite(metric: Metric, found: Mapping[str, float], split: Split, step: int) -> float:
    if metric.key not in found:
        raise KeyError(f"{metric.key}: expected a value from evaluate(), found {sorted(found)}")
    value = float(found[metric.key])
    if not math.isfinite(value):
        raise FloatingPointError(f"{metric.key}: expected a finite value on the {split} set, found {value} at {step}")
    return value


def _distance(before: list[Tensor], model: nn.Module) -> float:
    """The length of an update."""
    moved = [(new.detach() - old).norm() for old, new in zip(before, model.parameters(), strict=True)]
    return float(torch.stack(moved).norm()) if moved else 0.0
