"""TorchJD's scalarizers as methods of weighing."""

import functools
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._joint import JointLoss
from equipoise._stepping import Followed, follow, holds
from equipoise.likelihoods._watch import OwnershipWatch
from equipoise.weighting._torchjd import expect_instance
from equipoise.weighting._weights import backward_of

if TYPE_CHECKING:
    from torch.amp import GradScaler
    from torchjd.scalarization import Scalarizer

PATIENCE = {"update": 2, "step": 100}
"""The number of batches without a call of a method's own ``update`` or ``step`` before a warning."""


class Scalarized(Followed):
    """A scalarizer of TorchJD (DWA, FAMO, IMTLL, GeometricMean, Random, STCH, UW …) on the standardized losses.

    For a task without labels in a batch, the scalarizer gets the task's last loss (1 before any), without gradient, so
    that methods that compare losses over time see no change.

    Some methods do nothing unless you call more than ``backward``. A warning says which call is missing:

    - IMTLL and UW have parameters: add ``scalarizer.parameters()`` to the optimizer.
    - FAMO: call ``scalarizer.update(method.values(joint))`` after each step, with the new losses of the same batch.
      ``likelihood.standardized_losses`` gives them without moving units and noises once more.
    - DWA: call ``scalarizer.step()`` at the end of each epoch.

    Args:
        scalarizer: an instance of ``torchjd.scalarization.Scalarizer``.

    Raises:
        TypeError: an object of another class.
        ModuleNotFoundError: TorchJD is not installed.

    >>> import equipoise as eq
    >>> from torchjd.scalarization import Sum
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Scalarized(Sum()).backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([2., 4.])
    """

    def __init__(self, scalarizer: "Scalarizer") -> None:
        expect_instance(scalarizer, "torchjd.scalarization", "Scalarizer")
        self.scalarizer = scalarizer
        self._last: dict[str, Tensor] = {}
        self._watches = {name: OwnershipWatch() for name, _ in scalarizer.named_parameters()}
        self._own_step = next((n for n in PATIENCE if callable(getattr(scalarizer, n, None))), None)
        self._batches_without = 0
        if self._own_step is not None:
            self._listen(self._own_step)
        follow(self)

    def _listen(self, name: str) -> None:
        """Notice when the scalarizer's own ``step`` or ``update`` is called."""
        original = getattr(self.scalarizer, name)

        @functools.wraps(original)
        def heard(*args: Any, **kwargs: Any) -> Any:
            self._own_step = None
            return original(*args, **kwargs)

        setattr(self.scalarizer, name, heard)

    def values(self, joint: JointLoss) -> Tensor:
        """The standardized losses of a ``joint`` loss, ``(tasks,)`` in their order, with their graph."""
        shown = []
        for name, term in joint.tasks.items():
            loss = term.standardized_loss
            value = torch.where(term.count > 0, loss, self._last.get(name, torch.ones_like(loss)))
            self._last[name] = value.detach()
            shown.append(value)
        return torch.stack(shown)

    def values_after(self, joint: JointLoss, new: Mapping[str, Tensor]) -> Tensor:
        """What FAMO's ``update`` takes after a step, ``(tasks,)``, detached.

        Args:
            joint: the joint loss before the step. A task without labels in it keeps its last loss.
            new: each task's loss after the step, see ``MultiTaskLikelihood.standardized_losses``.
        """
        terms = joint.tasks.items()
        return torch.stack([torch.where(term.count > 0, new[name], self._last[name]) for name, term in terms]).detach()

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of the scalarizer's value. Arguments: see ``Weighting``."""
        self._warn_of_own_step()
        backward_of(joint.with_noise(self.scalarizer(self.values(joint))), scaler)

    def _warn_of_own_step(self) -> None:
        self._batches_without += 1
        if self._own_step is not None and self._batches_without > PATIENCE[self._own_step]:
            name, self._own_step = self._own_step, None
            method = type(self.scalarizer).__name__
            when = "after each optimizer step" if name == "update" else "at the end of each epoch"
            warnings.warn(
                f"{method}: {name}() has not been called in {self._batches_without - 1} batches, so its weights "
                f"have not changed: call scalarizer.{name} {when}, as TorchJD's documentation says",
                stacklevel=3,
            )

    def before_step(self, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Warn if the scalarizer's parameters have gradients, but no optimizer moves them."""
        for name, parameter in self.scalarizer.named_parameters():
            watch = self._watches[name]
            watch.settled = watch.settled or holds(optimizer, parameter)
            watch.after_step(optimizer, parameter, self._ownership_message)

    def _ownership_message(self) -> str:
        return (
            f"{type(self.scalarizer).__name__}: the optimizer steps, but does not hold the scalarizer's parameters, so "
            "its weights never change: add scalarizer.parameters() to the optimizer"
        )
