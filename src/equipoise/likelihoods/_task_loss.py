"""The loss of one task for one batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise._figures import figure
from equipoise._kept import kept
from equipoise.likelihoods._model import ObservationModel

FIGURES = ("loss", "nll", "weight", "sigma", "count")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TaskLoss:
    """One task's part of the joint loss, for one batch. Diagnostics are computed when they are first read.

    Attributes:
        nll: the mean negative log-likelihood of the valid elements, constants dropped, a scalar with its graph; 0 where
            no element is valid.
        count: the number of valid elements over all ranks, a scalar, int64.

    >>> import equipoise as eq
    >>> eq.Gaussian(standardize=False)(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0]))
    TaskLoss(loss=5, nll=2.5, weight=0.5, sigma=1, count=2)
    """

    nll: Tensor
    count: Tensor
    _likelihood: ObservationModel
    _means: Tensor
    _mass: Tensor
    _shares: Tensor | None
    _log_variance: Tensor
    _noise: Tensor

    @property
    @kept
    def loss(self) -> Tensor:
        """The raw loss in the target's unit, a detached scalar: mean squared error, mean absolute error, cross entropy.

        NaN where no element is valid.
        """
        with torch.no_grad():
            losses = self._likelihood._raw_losses(self._means.detach(), self._likelihood.loss_power)
            return (losses * self._mass).sum() / self._mass.sum()

    @property
    @kept
    def weight(self) -> Tensor | None:
        """∂nll/∂loss, ``()`` or ``(channels,)``, detached; ``None`` where nll is not linear in the raw loss.

        Its unit is that of 1/loss, so weight·loss is what the data add to nll, whatever the target's unit.
        """
        with torch.no_grad():
            return self._likelihood._weight_at(self._log_variance)

    @property
    @kept
    def sigma(self) -> Tensor:
        """σ in the target's unit, ``()`` or ``(channels,)``, detached."""
        with torch.no_grad():
            return self._likelihood._to_target_unit(torch.exp(0.5 * self._log_variance), 1)

    @property
    @kept
    def raw_loss(self) -> Tensor:
        """``loss`` with its graph, a scalar in the target's unit; 0 where no element is valid."""
        return self._raw_loss(self._likelihood.loss_power)

    @property
    @kept
    def standardized_loss(self) -> Tensor:
        """``loss`` with its graph, a scalar in the network's own numbers, for methods that set the weights themselves.

        It does not depend on the target's unit where the likelihood owns it; elsewhere it equals ``raw_loss``.
        """
        return self._raw_loss(0)

    @property
    def noise_nll(self) -> Tensor:
        """``nll`` with its graph to the noise alone; see ``JointLoss.noise_loss``."""
        return mean_over_channels(self._likelihood._nll(self._means.detach(), self._noise), self._shares)

    def _raw_loss(self, power: int) -> Tensor:
        with torch.enable_grad():  # They are kept; see JointLoss.tasks.
            return mean_over_channels(self._likelihood._raw_losses(self._means, power), self._shares)

    def figures(self) -> list[str]:
        """``FIGURES`` as text; reads them back from the device."""
        return [figure(getattr(self, name)) for name in FIGURES]

    def __repr__(self) -> str:
        pairs = zip(FIGURES, self.figures(), strict=True)
        return f"TaskLoss({', '.join(f'{name}={value}' for name, value in pairs)})"


def mean_over_channels(per_channel: Tensor, shares: Tensor | None) -> Tensor:
    """The mean over noise channels by their shares of the elements; ``None``: one channel, which has all of them."""
    return per_channel if shares is None else (per_channel * shares).sum()
