"""What an observation model says: how far observations lie from the outputs, and how likely that is at a noise σ."""

from abc import ABC, abstractmethod
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from equipoise._reduction import Sums
from equipoise.functional import linear_optimum, prior_nll
from equipoise.likelihoods._noise import own_noise
from equipoise.likelihoods._settings import NoiseOptions, NoiseSettings
from equipoise.likelihoods._spec import NoiseSpec


class ObservationModel(nn.Module, ABC):
    """The formulas of a likelihood and its noise. ``Likelihood`` adds what happens to a batch."""

    loss_power: int = 0
    summed_rows: int = 1

    def __init__(
        self,
        *,
        linear: tuple[float, float, float] | None = None,
        reference: float | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        super().__init__()
        settings = NoiseSettings.read(type(self).__name__, noise)
        self.noise = own_noise(NoiseSpec(settings=settings, linear=linear, reference=reference))
        self.noise.bank.names = (type(self).__name__,)

    # What a subclass defines.

    @abstractmethod
    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums over the valid elements of this rank's batch; ``values[0]`` is the sum of the raw loss.

        Args:
            output: the network's output, floating point.
            target: what was observed.
            mask: boolean, broadcastable to the target, True = valid.
            weights: how much each element counts; see ``forward``.
            where: the name of the task or class, for error messages.
        """

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """The mean negative log-likelihood of each noise channel; by default a·e^(−r·s)·L + p·s, as ``linear`` says.

        Args:
            means: ``(summed_rows, *noise)``, the means of ``sums``.
            log_variance: s, of shape ``noise``: ``()`` or ``(channels,)``.

        Raises:
            NotImplementedError: neither ``linear`` was given nor this method defined.
        """
        coefficient, rate, penalty = self._linear()
        return coefficient * torch.exp(-rate * log_variance) * means[0] + penalty * log_variance

    def optimum(self, statistic: Tensor) -> Tensor:
        """The s that minimises ``nll`` plus the prior, for a mean ``statistic`` of each noise channel."""
        return linear_optimum(statistic, *self._linear(), *(self.noise.prior or (0.0, 0.0)))

    def distribution(self, output: Tensor) -> Distribution:
        """The predictive distribution for these outputs, in the target's unit.

        Raises:
            ValueError: the likelihood has no density, or defines none.
        """
        raise ValueError(
            f"{type(self).__name__}: expected a likelihood with a distribution (Gaussian, Laplace, …), found one "
            "without"
        )

    # What a subclass may define.

    def statistic(self, means: Tensor) -> Tensor:
        """The argument of ``optimum``, from the means of ``sums``; by default the mean raw loss."""
        return means[0]

    def location(self, output: Tensor) -> Tensor:
        """The centre of the predictive distribution, in the target's unit; for classes the logits."""
        return output

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """Point predictions in the target's unit; for classes their indices or, with ``probabilities``, those."""
        return self.location(output)

    def broadcastable(self, per_channel: Tensor, dim: int) -> Tensor:
        """Reshape ``per_channel``, one number per noise channel, to broadcast over outputs of ``dim`` axes."""
        return per_channel

    # What all likelihoods share.

    @property
    def log_variance(self) -> Tensor:
        """S = log σ², ``()`` or ``(channels,)``; dimensionless where the likelihood owns its target's unit."""
        return self.noise.log_variance

    @property
    def sigma(self) -> Tensor:
        """σ = e^(s/2) in the target's unit, ``()`` or ``(channels,)``, detached."""
        return self._to_target_unit(torch.exp(0.5 * self.log_variance.detach()), 1)

    @property
    def weight(self) -> Tensor | None:
        """∂nll/∂loss at the present s, detached; ``None`` where nll is not linear in the raw loss."""
        with torch.no_grad():
            return self._weight_at(self.log_variance.detach())

    def extra_repr(self) -> str:
        """The present s."""
        return f"log_variance={self.log_variance.detach().cpu().tolist()}"

    # Units and weights.

    def _raw_losses(self, means: Tensor, power: int) -> Tensor:
        """The raw loss of each noise channel, with its graph, in the target's unit to this power."""
        return self._to_target_unit(means[0], power)

    def _to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Convert a dimensionless number that has the target's unit to this power into that unit."""
        return value

    def _raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the network's numbers, where nll is linear in the raw loss."""
        if (linear := self.noise.spec.linear) is None:
            return None
        coefficient, rate, _ = linear
        return coefficient * torch.exp(-rate * log_variance)

    def _weight_at(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the target's unit."""
        weight = self._raw_weight(log_variance)
        return None if weight is None else self._to_target_unit(weight, -self.loss_power)

    def _nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """``nll``, and the prior of s."""
        nll = self.nll(means, log_variance)
        if self.noise.prior is None:
            return nll
        prior = prior_nll(log_variance, *self.noise.prior)
        return nll + (prior.mean() if nll.dim() == 0 else prior)

    def _linear(self) -> tuple[float, float, float]:
        if self.noise.spec.linear is None:
            raise NotImplementedError(f"{type(self).__name__}: define nll and optimum, or pass linear=(a, r, p)")
        return self.noise.spec.linear
