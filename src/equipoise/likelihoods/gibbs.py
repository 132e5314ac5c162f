"""Any non-negative loss, weighed by a learned noise."""

from collections.abc import Callable
from typing import Literal, Unpack

import torch
from torch import Tensor

from equipoise._execution import is_readable
from equipoise._reduction import Sums
from equipoise.functional import at_least_single, log1p_nll, log1p_optimum
from equipoise.likelihoods._masks import as_mask, as_weights
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.likelihood import Likelihood


class Gibbs(Likelihood):
    r"""Any non-negative loss L, weighed by a learned noise: p(y | f) ∝ exp(−coefficient·e^(−s)·L(f, y)).

    nll = coefficient·e^(−s)·L + penalty·s, the mean over valid elements. The weight is coefficient/σ², and at the
    optimum σ² = coefficient·L/penalty. It cannot be normalised for every L, so there is no ``distribution``, and no
    unit.

    (coefficient, penalty) of published forms: (1, ½) is the paper's classification, (½, ½) its squared and absolute
    errors, (1, 1) PoseNet (Kendall & Cipolla, CVPR 2017). ``penalty="log1p"`` with coefficient ½ is Liebel & Körner's
    log(1 + σ²) (arXiv 1805.06334), whose nll is never below zero.

    Args:
        loss_fn: maps (output, target) to the losses of single elements (``reduction="none"``), in any shape, none below
            zero. A NaN *target* means "no label"; a loss that is NaN for any other reason is an error.
        coefficient: above 0.
        penalty: above 0, or ``"log1p"``.
        **noise: see ``NoiseSettings``; ``channels`` is refused, and ``prior`` with ``"log1p"``.

    Shapes:
        output, target: what ``loss_fn`` takes.
        mask, weights: broadcastable to the losses.
        count: the number of valid losses.

    Raises:
        ValueError: an argument out of range; in ``forward``, a ``loss_fn`` that gives one number for many elements. It
            has averaged already, so masks, missing labels and means over ranks would be wrong.

    >>> likelihood = Gibbs(lambda f, y: (f - y).abs(), coefficient=1.0, penalty=1.0)
    >>> likelihood(torch.tensor([1.0, 5.0]), torch.tensor([0.0, 2.0]))
    TaskLoss(loss=2, nll=2, weight=1, sigma=1, count=2)
    """

    def __init__(
        self,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        coefficient: float = 1.0,
        penalty: float | Literal["log1p"] = 0.5,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        if not (isinstance(coefficient, int | float) and coefficient > 0):
            raise ValueError(f"Gibbs: coefficient: expected a number above 0, found {coefficient!r}")
        if penalty != "log1p" and not (isinstance(penalty, int | float) and penalty > 0):
            raise ValueError(f"Gibbs: penalty: expected a number above 0 or 'log1p', found {penalty!r}")
        linear = None if isinstance(penalty, str) else (float(coefficient), 1.0, float(penalty))
        super().__init__(linear=linear, **noise)
        if self.noise.channels is not None:
            raise ValueError("Gibbs: channels: expected None")
        if penalty == "log1p" and self.noise.prior is not None:
            raise ValueError("Gibbs: prior: expected None with penalty='log1p'")
        self.loss_fn, self.coefficient, self.penalty = loss_fn, float(coefficient), penalty

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """The sum of the losses."""
        losses, valid = self._losses(output, target, where)
        if mask is not None:
            valid = valid & as_mask(mask, losses.shape, where)
        total = None
        if weights is not None:
            weights = as_weights(weights, losses.shape, where)
            valid = valid & (weights > 0)
            kept = torch.where(valid, weights, 0.0).to(losses.dtype)
            total = kept.sum()
        losses = torch.where(valid, losses, 0.0)
        # One loss below zero would hide in the sum; −∞ shows it, on every rank.
        hidden = torch.where((losses.detach() < 0).any(), -torch.inf, 0.0)
        summed = losses.sum() if weights is None else (losses * kept).sum()
        return Sums((summed + hidden)[None], valid.sum(), total)

    def _blank(self) -> None:
        """None: what ``loss_fn`` takes is unknown, and its sum takes part in no other reduction."""

    def _losses(self, output: Tensor, target: Tensor, where: str) -> tuple[Tensor, Tensor]:
        """The losses of single elements, and which have a label."""
        missing = torch.isnan(target) if target.is_floating_point() else None
        if missing is not None and output.shape == target.shape:
            # A NaN target must not reach the gradient, not even as 0 · NaN.
            target = torch.where(missing, at_least_single(output.detach()).to(target.dtype), target)
        losses = at_least_single(self.loss_fn(output, target))
        is_batch = target.dim() > 0 and target.shape[0] > 1
        if losses.numel() == 1 and (is_batch or (losses.dim() == 0 and max(output.numel(), target.numel()) > 1)):
            raise ValueError(
                f"{where}: expected the losses of single elements (reduction='none'), found one number for targets of "
                f"shape {tuple(target.shape)}: loss_fn averages by itself, so masks, missing labels and ranks would "
                "count wrongly"
            )
        if missing is None:
            return losses, torch.ones_like(losses, dtype=torch.bool)
        at_losses = _at_losses(missing, losses.shape)
        if at_losses is not None:
            return losses, ~at_losses
        if is_readable(missing) and bool(missing.any()):
            raise ValueError(
                f"{where}: cannot match losses of shape {tuple(losses.shape)} to the NaN targets of shape "
                f"{tuple(missing.shape)}: pass masks= at the shape of the losses instead"
            )
        # Elsewhere a missing target makes the losses NaN, which ``check`` reports without stalling the device.
        return torch.where(missing.any(), torch.nan, losses), torch.ones_like(losses, dtype=torch.bool)

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """coefficient·e^(−s)·L + penalty·s, or + log(1 + e^s)."""
        if self.penalty == "log1p":
            return log1p_nll(means[0], log_variance, self.coefficient)
        return super().nll(means, log_variance)

    def optimum(self, statistic: Tensor) -> Tensor:
        """The s that minimises ``nll``: e^s = coefficient·L/penalty without a prior."""
        return log1p_optimum(statistic, self.coefficient) if self.penalty == "log1p" else super().optimum(statistic)

    def _raw_weight(self, log_variance: Tensor) -> Tensor:
        """coefficient·e^(−s)."""
        return self.coefficient * torch.exp(-log_variance)

    def extra_repr(self) -> str:
        """The coefficients, and the present s."""
        return f"coefficient={self.coefficient:g}, penalty={self.penalty!r}, {super().extra_repr()}"


def _at_losses(missing: Tensor, shape: torch.Size) -> Tensor | None:
    """Missing targets at the shape of the losses: any missing one makes a loss of several elements missing.

    ``None``: the shapes do not say which losses belong to which targets.
    """
    if missing.shape == shape:
        return missing
    if missing.shape[: len(shape)] == shape:
        return missing.flatten(len(shape)).any(-1)
    if missing.dim() >= 2 and missing.shape[:1] + missing.shape[2:] == shape:
        return missing.any(1)
    return None
