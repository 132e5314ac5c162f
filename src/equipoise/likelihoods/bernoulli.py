"""Independent labels: binary cross entropy, with a temperature as noise."""

from collections.abc import Sequence
from typing import Unpack, cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.nn import functional

from equipoise._execution import is_readable
from equipoise._reduction import Sums
from equipoise.functional import at_least_single
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._tempered import AT_ONCE, Prepared, Tempered
from equipoise.likelihoods.elementwise import Elementwise


class Bernoulli(Tempered, Elementwise):
    r"""Labels that are independent of one another: binary cross entropy, with a temperature as noise.

    p(y = 1 | f) = sigmoid(f/σ²) for each element. *Approximate* (the default): nll = e^(−s)·BCE(f, y) + ½·s, as for
    ``Categorical``; the weight is 1/σ², at the optimum σ² = 2·BCE, and the distribution has ``logits = f``. *Exact*:
    nll = BCE(f·e^(−s), y); ``weight`` is ``None``. The raw loss is BCE(f, y) in nats, the mean over valid elements, in
    both forms.

    With a positive weight p, BCE = −[p·y·log sigmoid(f) + (1 − y)·log(1 − sigmoid(f))], as in
    ``torch.nn.BCEWithLogitsLoss(pos_weight=p)``, and the optimum stays σ² = 2·BCE.

    Args:
        exact: which form.
        pos_weight: p, above 0: one number, or one for each channel (axis 1, or the only axis).
        **noise: see ``NoiseSettings``; in the exact form ``update="closed_form"`` is refused.

    Shapes:
        output: logits, any shape, floating point.
        target: the shape of the output, any dtype, 0 … 1; NaN means "no label".
        count: the number of valid elements.

    Raises:
        ValueError: an argument out of range; in ``forward``, targets outside 0 … 1, or shapes that do not fit.

    >>> Bernoulli()(torch.zeros(2, 3), torch.ones(2, 3))  # log 2
    TaskLoss(loss=0.6931, nll=0.6931, weight=1, sigma=1, count=6)
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        *,
        exact: bool = False,
        pos_weight: float | Sequence[float] | Tensor | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        super().__init__(exact=exact, **noise)
        self._pos_weight = _pos_weight(pos_weight)
        self.register_buffer("pos_weight", self._pos_weight, persistent=False)

    def reset_parameters(self) -> None:
        """Restore the positive weight that was given, as is needed after ``to_empty``."""
        if self.pos_weight is not None:
            self.pos_weight.copy_(cast(Tensor, self._pos_weight))

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """BCE(f, y); the exact form adds BCE(f·e^(−s), y), its derivative by s, and e^s."""
        logits, labels = torch.where(valid, output, 0.0), torch.where(valid, target, 0.0)
        self._check_targets(labels)
        entropy = self._cross_entropy(logits, labels, valid)
        if not self.exact:
            return entropy[None]
        weight = valid.to(logits.dtype) if weights is None else torch.where(valid, weights, 0.0).to(logits.dtype)
        s = self.broadcastable(self._present(logits, labels, weight), logits.dim())
        scaled = logits * torch.exp(-s)
        slope = torch.where(valid, self._pull(scaled.detach(), labels) * scaled.detach(), 0.0)
        start = self._start_statistic(s, torch.ones_like(s)).expand(logits.shape)
        return torch.stack([entropy, self._cross_entropy(scaled, labels, valid), slope, torch.where(valid, start, 0.0)])

    def _prepared(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> Prepared:
        """Logits and targets at their shape, 0 where they are not valid, and the weights."""
        self._check_shapes(output, target, where)
        valid, weights = self._counted(target, mask, weights, where)
        logits = torch.where(valid, at_least_single(output), 0.0)
        labels = torch.where(valid, target.to(logits.dtype), 0.0)
        self._check_targets(labels)
        return logits, labels, valid.to(logits.dtype) if weights is None else torch.where(valid, weights, 0.0)

    def _slopes(self, s: Tensor, logits: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Σ w·(p·y·(1 − σ) − (1 − y)·σ)·f, with σ = σ(f·e^(−s)), and its derivative by s."""
        found = []
        for part in torch.split(s, max(1, AT_ONCE // max(1, logits.numel()))):
            shape = (len(part), *self.broadcastable(part[0], logits.dim()).shape)
            inverse = torch.exp(-part).to(logits.dtype).reshape(shape if part.dim() > 1 else (-1, *[1] * logits.dim()))
            chance = (logits * inverse).sigmoid()
            pull = self._positive(labels, logits.dim()) * (1 - chance) - (1 - labels) * chance
            curve = (self._positive(labels, logits.dim()) + 1 - labels) * chance * (1 - chance)
            both = torch.stack([pull * logits * weight, curve * logits.square() * inverse * weight])
            found.append(self._over_elements(both, 2))
        slope, derivative = torch.cat(found, 1)
        return slope, derivative

    def _masses(self, weight: Tensor) -> Tensor:
        """Σ of the weights of each channel."""
        return self._over_elements(weight, 0)

    def _positive(self, labels: Tensor, dim: int) -> Tensor:
        """p·y."""
        return labels if self.pos_weight is None else labels * self._weight(dim, labels.dtype)

    def _weight(self, dim: int, dtype: torch.dtype) -> Tensor:
        assert self.pos_weight is not None
        weight = self.pos_weight.to(dtype)
        axis = self._channel_axis(dim)
        return weight if weight.dim() == 0 else weight.reshape([-1 if d == axis else 1 for d in range(dim)])

    def _pull(self, logits: Tensor, labels: Tensor) -> Tensor:
        """−∂BCE/∂f = p·y·(1 − σ(f)) − (1 − y)·σ(f)."""
        chance = logits.sigmoid()
        return self._positive(labels, logits.dim()) * (1 - chance) - (1 - labels) * chance

    def _cross_entropy(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        # PyTorch's BCE of an infinite logit is NaN, even where the label agrees with it.
        bounded = logits.clamp(torch.finfo(logits.dtype).min / 16, torch.finfo(logits.dtype).max / 16)
        weight = None if self.pos_weight is None else self._weight(logits.dim(), logits.dtype)
        losses = functional.binary_cross_entropy_with_logits(bounded, labels, reduction="none", pos_weight=weight)
        return torch.where(valid, losses, 0.0)

    def _check_targets(self, labels: Tensor) -> None:
        if not is_readable(labels):
            return
        outside = (labels < 0) | (labels > 1)
        if bool(outside.any()):
            raise ValueError(f"Bernoulli: expected targets in 0 … 1, found {float(labels[outside][0]):g}")

    def location(self, output: Tensor) -> Tensor:
        """The logits of ``distribution``."""
        return output * torch.exp(-self.broadcastable(self.log_temperature(), output.dim()))

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """1 where a label is more probable than not, else 0 (int64); or the probabilities."""
        return at_least_single(self.location(output)).sigmoid() if probabilities else (output > 0).long()

    def distribution(self, output: Tensor) -> BernoulliDistribution:
        """Bernoulli with logits f (approximate; f/T after ``refit``) or f·e^(−s) (exact)."""
        return BernoulliDistribution(logits=self.location(output))

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums of ``element_losses``."""
        if self.pos_weight is not None and self.pos_weight.dim() == 1:
            axis = self._channel_axis(max(output.dim(), 1))
            if output.dim() == 0 or output.shape[axis] != len(self.pos_weight):
                raise ValueError(
                    f"{where}: expected one pos_weight for each of the channels on axis {axis} of outputs of shape "
                    f"{tuple(output.shape)}, found {len(self.pos_weight)}"
                )
        return Elementwise.sums(self, output, target, mask, weights, where=where)


def _pos_weight(given: float | Sequence[float] | Tensor | None) -> Tensor | None:
    if given is None:
        return None
    weight = torch.as_tensor(given, dtype=torch.get_default_dtype(), device="cpu").detach().clone()
    if weight.dim() > 1 or not bool((weight > 0).all() & torch.isfinite(weight).all()):
        raise ValueError(f"Bernoulli: pos_weight: expected a number above 0, or one for each channel, found {given!r}")
    return weight
