"""One task's part of the joint loss of a batch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from equipoise._execution import is_traced


class Reporting(Protocol):
    """What a likelihood knows of its raw loss: how to give it, its weight and σ in the target's unit."""

    loss_power: int

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """A dimensionless number that goes with the target's unit to this power, in that unit."""
        ...

    def _loss_value(self, means: Tensor, mass: Tensor) -> Tensor: ...

    def _total_raw_loss(self, means: Tensor, shares: Tensor | None, power: int) -> Tensor: ...

    def _weight_at(self, log_variance: Tensor) -> Tensor | None: ...


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TaskLoss:
    """One task's part of the joint loss, for one batch. Diagnostics are computed when they are asked for.

    Attributes:
        nll: mean negative log-likelihood of the valid elements, constants dropped; 0 where there is none.
        count: how many elements were valid, over all ranks.
    """

    nll: Tensor
    count: Tensor
    _likelihood: "Reporting"
    _means: Tensor
    _mass: Tensor
    _shares: Tensor | None
    _log_variance: Tensor

    @cached_property
    def loss(self) -> Tensor:
        """The raw loss in the target's unit, detached: mean squared error, absolute error or cross entropy.

        NaN where there is no valid element.
        """
        with torch.no_grad():
            return self._likelihood._loss_value(self._means.detach(), self._mass)

    @cached_property
    def weight(self) -> Tensor | None:
        """∂nll/∂loss, detached, a vector where the noise has channels; ``None`` where nll is not linear in loss.

        In the unit of 1/loss: for one noise, weight·loss is what the data add to nll, whatever the target's unit.
        """
        with torch.no_grad():
            return self._likelihood._weight_at(self._log_variance)

    @cached_property
    def sigma(self) -> Tensor:
        """σ in the target's unit, detached."""
        with torch.no_grad():
            return self._likelihood.to_target_unit(torch.exp(0.5 * self._log_variance), 1)

    @cached_property
    def raw_loss(self) -> Tensor:
        """``loss`` with its graph, in the target's unit; 0 where there is no valid element."""
        return self._likelihood._total_raw_loss(self._means, self._shares, self._likelihood.loss_power)

    @cached_property
    def standardized_loss(self) -> Tensor:
        """The raw loss with its graph, in the network's numbers: what methods that set the weights themselves work on.

        Where the likelihood owns its target's unit, this does not depend on it; elsewhere it equals ``raw_loss``.
        """
        return self._likelihood._total_raw_loss(self._means, self._shares, 0)

    def __repr__(self) -> str:
        """The figures of the task, in the target's unit."""
        return f"TaskLoss({', '.join(f'{name}={shown}' for name, shown in self.figures().items())})"

    def figures(self) -> dict[str, str]:
        """The figures as text, by name; a vector for noise with channels, a dash for what has no value."""
        names = ("loss", "nll", "weight", "sigma", "count")
        return {name: as_text(getattr(self, name)) for name in names}


def as_text(value: Tensor | None) -> str:
    """Four significant figures of a number or a vector; the shape where numbers cannot be read.

    >>> as_text(torch.tensor([0.5, 1234.5678])), as_text(torch.tensor(3)), as_text(None)
    ('[0.5, 1235]', '3', '-')
    """
    if value is None:
        return "-"
    if value.is_meta or is_traced():
        return f"<{value.dtype} {list(value.shape)}>".replace("torch.", "")
    listed: Any = value.detach().tolist()
    if isinstance(listed, list):
        return f"[{', '.join(f'{x:.4g}' for x in listed)}]"
    return f"{listed:.4g}"


def shared_out(per_channel: Tensor, shares: Tensor | None) -> Tensor:
    """The mean over channels, by their shares of the elements; ``None``: one channel, which has all."""
    return per_channel if shares is None else (per_channel * shares).sum()
