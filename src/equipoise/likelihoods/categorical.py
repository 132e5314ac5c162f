"""Classes: cross entropy, with a temperature as noise."""

from collections.abc import Sequence
from typing import Unpack, cast

import torch
from torch import Tensor
from torch.distributions import Categorical as CategoricalDistribution
from torch.nn import functional

from equipoise._execution import is_readable
from equipoise._reduction import Sums
from equipoise.functional import at_least_single
from equipoise.likelihoods._masks import as_mask, as_weights
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._tempered import AT_ONCE, Prepared, Tempered

NO_LABEL = -100
"""The "no label" of PyTorch and Hugging Face. It is never a class, whatever ``ignore_index`` is."""


class Categorical(Tempered):
    r"""Classes: cross entropy, with a temperature as noise. p(y | f) = Softmax(f/σ²), a Boltzmann distribution.

    *Approximate* (the default, and what the paper trains): nll = e^(−s)·CE(f, y) + ½·s. The weight is 1/σ², and at the
    optimum σ² = 2·CE. It takes (1/σ)·Σexp(f/σ²) ≈ (Σexp f)^(1/σ²), an equality at σ = 1 and no bound elsewhere. The
    network learns to make softmax(f) fit, so the distribution has ``logits = f``. The paper's notes print 1/(2σ²) as
    the weight; its derivation gives 1/σ².

    *Exact*: nll = CE(f·e^(−s), y). It is right for calibrating a trained model. It gives no stable weight, since the
    network can absorb σ into the scale of its logits; ``weight`` is ``None``.

    The raw loss is CE(f, y) in nats, the mean over valid elements, in both forms. With class weights w and label
    smoothing ε it is that of ``torch.nn.CrossEntropyLoss``: Σ [(1 − ε)·w_y·(−log p_y) + ε/C·Σ_c w_c·(−log p_c)]/Σ w_y,
    and the optimum stays σ² = 2·CE.

    Args:
        exact: which form.
        ignore_index: a target that means "no label", beside −100.
        class_weights: w, one for each class, 0 or more. A class of weight 0 means "no label".
        label_smoothing: ε, 0 or more, below 1; in the approximate form only.
        **noise: see ``NoiseSettings``; ``channels`` is refused, and in the exact form ``update="closed_form"``.

    Shapes:
        output: logits ``(N, C, *)``, floating point. Logits of −∞ rule a class out; that of a label must be finite.
        target: class indices ``(N, *)``, integers; −100 and ``ignore_index`` mean "no label".
        count: the number of valid elements.

    Raises:
        ValueError: an argument out of range; in ``forward``, a label outside the classes, or shapes that do not fit.
        TypeError: in ``forward``, targets that are not integers.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 7–10.

    >>> likelihood = Categorical(ignore_index=255)
    >>> likelihood(torch.zeros(3, 4), torch.tensor([0, 3, 255]))  # log 4
    TaskLoss(loss=1.386, nll=1.386, weight=1, sigma=1, count=2)
    """

    class_weights: Tensor | None

    def __init__(
        self,
        *,
        exact: bool = False,
        ignore_index: int | None = None,
        class_weights: Sequence[float] | Tensor | None = None,
        label_smoothing: float = 0.0,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        if noise.get("channels") is not None:
            raise ValueError("Categorical: channels: expected None, since classes share one noise")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"Categorical: label_smoothing: expected 0 or more, below 1, found {label_smoothing!r}")
        if exact and label_smoothing:
            raise ValueError("Categorical: label_smoothing: expected 0 with exact=True, whose labels are observations")
        super().__init__(exact=exact, **noise)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self._class_weights = _class_weights(class_weights)
        self.register_buffer("class_weights", self._class_weights, persistent=False)

    def reset_parameters(self) -> None:
        """Restore the class weights that were given, as is needed after ``to_empty``."""
        if self.class_weights is not None:
            self.class_weights.copy_(cast(Tensor, self._class_weights))

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """The sum of CE(f, y); the exact form adds CE(f·e^(−s), y) and its derivative by s."""
        if not self.exact and mask is None and weights is None and self.class_weights is None:
            return self._plain_sums(output, target, where)
        logits, labels, weight = self._prepared(output, target, mask, weights, where)
        entropy = self._entropy(logits, labels, weight)
        count, mass = (weight > 0).sum(), weight.sum()
        if not self.exact:
            return Sums(entropy[None], count, mass)
        s = self._present(logits, labels, weight)
        scaled = logits * torch.exp(-s)
        slope, _ = self._slopes(s.detach().reshape(1), logits.detach(), labels, weight)
        slope = slope[0] * torch.exp(-s)
        values = [entropy, self._entropy(scaled, labels, weight), slope, self._start_statistic(s, mass)]
        return Sums(torch.stack(values), count, mass)

    def _plain_sums(self, output: Tensor, target: Tensor, where: str) -> Sums:
        """The sum without weights and masks, by PyTorch's own function, in the memory layout in which it is fast."""
        self._check(output, target, where)
        labels, missing = self._labels(target, output.shape[1], where)
        count = torch.tensor(labels.numel()) if missing is None else labels.numel() - missing.sum()
        if missing is not None:
            labels = torch.where(missing, NO_LABEL, labels)
        rows = output.movedim(1, -1)
        if rows.is_contiguous():
            output, labels = rows.reshape(-1, output.shape[1]), labels.reshape(-1)
        output = at_least_single(output)
        if missing is not None:
            output = without_masked_infinities(output, labels == NO_LABEL)
        entropy = functional.cross_entropy(
            output, labels, ignore_index=NO_LABEL, reduction="sum", label_smoothing=self.label_smoothing
        )
        return Sums(entropy[None], count)

    def _prepared(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> Prepared:
        """Logits ``(M, C)`` in float32, labels ``(M,)`` with −100 where there is none, and their weights."""
        self._check(output, target, where)
        labels, missing = self._labels(target, output.shape[1], where, mask)
        valid = torch.ones_like(labels, dtype=torch.bool) if missing is None else ~missing
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        rows = at_least_single(output.movedim(1, -1).reshape(-1, output.shape[1]))
        weight = valid.to(rows.dtype)
        if weights is not None:
            weight = torch.where(valid, as_weights(weights, target.shape, where), 0.0).to(rows.dtype)
        if self.class_weights is not None:
            if len(self.class_weights) != output.shape[1]:
                raise ValueError(
                    f"{where}: expected {output.shape[1]} class weights, one a class, found {len(self.class_weights)}"
                )
            weight = weight * self.class_weights.to(weight.dtype)[torch.where(valid, labels, 0)]
        weight = weight.reshape(-1)
        labels = torch.where(weight > 0, labels.reshape(-1), NO_LABEL)
        return without_masked_infinities(rows, weight == 0), labels, weight

    def _entropy(self, logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        """Σ of the weighted cross entropy. ``weight`` includes the label's class weight, which smoothing must undo."""
        losses = functional.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="none")
        if not self.label_smoothing:
            return (losses * weight).sum()
        scale, classes = self.label_smoothing / logits.shape[1], self.class_weights
        smooth = -functional.log_softmax(logits, 1) if classes is None else -functional.log_softmax(logits, 1) * classes
        # The weight of an element without its class weight: the smoothed part has one for each class.
        share = weight if classes is None else weight / classes[labels.clamp_min(0)].clamp_min(1e-30)
        smoothed = torch.where(weight > 0, smooth.sum(1), 0.0) * share
        return (1 - self.label_smoothing) * (losses * weight).sum() + scale * smoothed.sum()

    def _slopes(self, s: Tensor, logits: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Σ w·(f_y − E[f]), and e^(−s)·Σ w·Var[f]."""
        finite = torch.where(torch.isfinite(logits), logits, 0.0)
        chosen = finite.gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1)
        found = []
        for part in torch.split(s, max(1, AT_ONCE // max(1, logits.numel()))):
            inverse = torch.exp(-part).to(logits.dtype)[:, None, None]
            probability = (logits * inverse).softmax(-1)
            mean = (probability * finite).sum(-1)
            variance = (probability * (finite - mean[..., None]).square()).sum(-1)
            slope = torch.where(weight > 0, (chosen - mean) * weight, 0.0).sum(-1)
            spread = torch.where(weight > 0, variance * weight, 0.0).sum(-1)
            found.append(torch.stack([slope, spread * inverse[:, 0, 0]]))
        slope, derivative = torch.cat(found, 1)
        return slope, derivative

    def _blank(self) -> tuple[Tensor, Tensor]:
        """An output and a target of one sample without a label."""
        classes = 1 if self.class_weights is None else len(self.class_weights)
        output = self.noise.bank.low.new_zeros(1, classes)
        return output, torch.full((1,), NO_LABEL, device=output.device)

    def _masses(self, weight: Tensor) -> Tensor:
        """Σ of the weights."""
        return weight.sum()

    def location(self, output: Tensor) -> Tensor:
        """The logits of ``distribution``, classes still on axis 1."""
        return output * torch.exp(-self.log_temperature())

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """The most probable class, int64 ``(N, *)``, or the probabilities of all, ``(N, C, *)``."""
        return at_least_single(self.location(output)).softmax(1) if probabilities else output.argmax(1)

    def distribution(self, output: Tensor) -> CategoricalDistribution:
        """Classes with logits f (approximate; f/T after ``refit``) or f·e^(−s) (exact), on the last axis."""
        return CategoricalDistribution(logits=self.location(output).movedim(1, -1))

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"ignore_index={self.ignore_index}, {super().extra_repr()}"

    def _check(self, output: Tensor, target: Tensor, where: str) -> None:
        if output.dim() < 2 or target.shape != output.shape[:1] + output.shape[2:]:
            raise ValueError(
                f"{where}: expected outputs (N, C, *) and targets (N, *), found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise TypeError(f"{where}: expected targets of integers (class indices), found {target.dtype}")

    def _labels(
        self, target: Tensor, classes: int, where: str, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Labels as int64, and which of them mean "no label"; ``None``: all are labels."""
        labels = target.long()
        if is_readable(labels) and labels.numel():
            low, high = (int(v) for v in labels.aminmax())
            if low >= 0 and high < classes and not (self.ignore_index is not None and low <= self.ignore_index <= high):
                return labels, None
        missing = labels == NO_LABEL
        if self.ignore_index is not None and self.ignore_index != NO_LABEL:
            missing = missing | (labels == self.ignore_index)
        if mask is not None:
            missing = missing | ~as_mask(mask, target.shape, where)
        check_labels(labels, missing, classes, where)
        return labels, missing


def _class_weights(given: Sequence[float] | Tensor | None) -> Tensor | None:
    if given is None:
        return None
    weights = torch.as_tensor(given, dtype=torch.get_default_dtype(), device="cpu").detach().clone()
    if weights.dim() != 1 or not bool((weights >= 0).all() & torch.isfinite(weights).all() & (weights > 0).any()):
        raise ValueError(
            f"Categorical: class_weights: expected one number of 0 or more for each class, found {given!r}"
        )
    return weights


def without_masked_infinities(logits: Tensor, masked: Tensor) -> Tensor:
    """Replace logits without a label by zeros, since infinite ones would make the gradient NaN (0 · ∞).

    On the CPU only if there are any, since checking is far cheaper than copying.
    """
    if is_readable(logits) and bool(torch.isfinite(logits.detach().sum())):
        return logits
    rows = masked.unsqueeze(1)
    return torch.where(rows, 0.0, logits)


def check_labels(labels: Tensor, missing: Tensor, classes: int, where: str) -> None:
    """Raise for a label outside the classes. CPU only: on a GPU the kernel of the cross entropy refuses it."""
    if not is_readable(labels) or labels.numel() == 0:
        return
    outside = ((labels >= classes) | (labels < 0)) & ~missing
    if bool(outside.any()):
        found = int(labels[outside][0])
        raise ValueError(f"{where}: expected class indices 0 … {classes - 1}, found {found}: is it the ignore_index?")
