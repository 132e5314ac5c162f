"""Classes: cross entropy, with a temperature as noise."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical as CategoricalDistribution
from torch.nn import functional

from equipoise.functional import at_least_single
from equipoise.likelihoods.masks import as_mask
from equipoise.likelihoods.tempered import Prepared, Tempered
from equipoise.reduction import Sums


class Categorical(Tempered):
    r"""p(y | f) = Softmax(f/σ²), a Boltzmann distribution with temperature σ².

    Outputs are ``(N, C, *)``, targets ``(N, *)``.

    *Approximate* (the paper trains it, eq. 7–10; the default): nll = e^(−s)·CE(f, y) + ½·s, at the optimum e^s = 2·CE.
    It takes (1/σ)·Σexp(f/σ²) ≈ (Σexp f)^(1/σ²), an equality at σ = 1 and no bound. Its network learns to make
    softmax(f) fit, so its distribution has ``logits = f``.

    *Exact*: nll = CE(f·e^(−s), y). Right for calibrating a trained model; by itself it gives no stable weight, since
    the network can absorb σ into the scale of its logits.

    The raw loss is CE(f, y), the mean over valid elements, in nats, in both forms.

    Args:
        exact: which form.
        ignore_index: the target that is no label.
        **noise: see ``Likelihood``; channels are not for classes.

    >>> likelihood = Categorical(ignore_index=255)
    >>> term = likelihood(torch.zeros(3, 4), torch.tensor([0, 3, 255]))
    >>> round(term.loss.item(), 4), term.count.item()  # log 4
    (1.3863, 2)
    """

    def __init__(self, *, exact: bool = False, ignore_index: int | None = None, **noise: Any) -> None:
        if noise.get("channels") is not None:
            raise ValueError("Categorical: channels: expected None, since classes share one noise")
        super().__init__(exact=exact, **noise)
        self.ignore_index = ignore_index

    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """The sum of CE(f, y); the exact form adds CE(f·e^(−s), y) and its derivative by s."""
        logits, labels, valid = self.prepared(output, target, mask, where)
        entropy = cross_entropy_sum(logits, labels)
        if not self.exact:
            return Sums(entropy[None], valid.sum())
        s = self.present(logits, labels, valid)
        scaled = logits * torch.exp(-s)
        slope = temperature_slope(scaled.detach(), labels, valid)
        count = valid.sum()
        return Sums(torch.stack([entropy, cross_entropy_sum(scaled, labels), slope, count * s.exp()]), count)

    def prepared(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Prepared:
        """Logits ``(M, C)`` in float32, labels ``(M,)`` with −100 where there is none, and where there is one."""
        if output.dim() < 2 or target.shape != output.shape[:1] + output.shape[2:]:
            raise ValueError(
                f"{where}: expected outputs (N, C, *) and targets (N, *), found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
            raise TypeError(f"{where}: expected targets of integers (class indices), found {target.dtype}")
        labels = target.long()
        valid = torch.ones_like(labels, dtype=torch.bool) if self.ignore_index is None else labels != self.ignore_index
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        labels = torch.where(valid, labels, -100).reshape(-1)
        check_labels(labels, output.shape[1], where)
        # Rows of classes: on a channels-last output a view, and five times as fast as the classes on axis 1.
        rows = output.movedim(1, -1).reshape(-1, output.shape[1])
        return at_least_single(without_masked_nan(rows, valid.reshape(-1))), labels, valid.reshape(-1)

    def slope(self, s: Tensor, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """The slope by s is e^(−s) times that by −e^(−s)."""
        scaled = logits * torch.exp(-s).to(logits.dtype)
        return temperature_slope(scaled, labels, valid).double() * torch.exp(s)

    def location(self, output: Tensor) -> Tensor:
        """The logits of ``distribution``, classes still on axis 1."""
        return output * torch.exp(-self.log_temperature())

    def distribution(self, output: Tensor) -> CategoricalDistribution:
        """Classes with logits f (approximate; f/T once refitted) or f·e^(−s) (exact); classes move to the last axis."""
        return CategoricalDistribution(logits=self.location(output).movedim(1, -1))

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"ignore_index={self.ignore_index}, {super().extra_repr()}"


def cross_entropy_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of the cross entropy over labels that are not −100."""
    return functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")


def temperature_slope(scaled_logits_MC: Tensor, labels_M: Tensor, valid_M: Tensor) -> Tensor:
    """Σ ∂CE(z, y)/∂s with z = f·e^(−s): z_y − E_softmax(z)[z]."""
    expected = (scaled_logits_MC.softmax(1) * scaled_logits_MC).sum(1)
    chosen = scaled_logits_MC.gather(1, labels_M.clamp_min(0).unsqueeze(1)).squeeze(1)
    return torch.where(valid_M, chosen - expected, 0.0).sum()


def without_masked_nan(rows_MC: Tensor, valid_M: Tensor) -> Tensor:
    """The rows, with zeros where there is no label and they could poison the gradient (0 · NaN is NaN).

    On the CPU only where they do: looking is far cheaper than copying.
    """
    if rows_MC.device.type == "cpu" and not torch.compiler.is_compiling():
        masked = rows_MC.detach()[~valid_M]
        if bool(torch.isfinite(masked).all()):
            return rows_MC
    return torch.where(valid_M.unsqueeze(1), rows_MC, 0.0)


def check_labels(labels: Tensor, classes: int, where: str) -> None:
    """Raise for a label outside the classes (on the CPU; a GPU's own kernel refuses it)."""
    if labels.device.type != "cpu" or torch.compiler.is_compiling() or labels.numel() == 0:
        return
    outside = (labels >= classes) | ((labels < 0) & (labels != -100))
    if bool(outside.any()):
        found = int(labels[outside][0])
        raise ValueError(f"{where}: expected class indices 0 … {classes - 1}, found {found}: is it the ignore_index?")
