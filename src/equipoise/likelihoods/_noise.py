"""The noise of one likelihood: its part of a bank, saved and loaded under the likelihood's name."""

from collections.abc import Sequence

import torch
from torch import Tensor

from equipoise._execution import is_readable, is_traced
from equipoise.likelihoods._bank import NoiseBank
from equipoise.likelihoods._settings import NoiseSettings
from equipoise.likelihoods._sharding import full
from equipoise.likelihoods._spec import NoiseSpec
from equipoise.likelihoods._state import NamedTensors


class Noise(NamedTensors):
    """One likelihood's log-variance s = log σ², one number or one a channel.

    Args:
        bank: where it is stored, perhaps with the noises of other tasks.
        first: its first entry there.
        spec: its settings and form.
    """

    def __init__(self, bank: NoiseBank, first: int, spec: NoiseSpec) -> None:
        super().__init__()
        self.bank, self.spec = bank, spec
        self.span = slice(first, first + spec.size)

    @property
    def settings(self) -> NoiseSettings:
        """What the user asked for."""
        return self.spec.settings

    @property
    def channels(self) -> int | None:
        """The number of log-variances; ``None``: a single one, of shape ``()``."""
        return self.settings.channels

    @property
    def prior(self) -> tuple[float, float] | None:
        """(σ₀, strength), if there is one."""
        return self.settings.prior

    def reset_parameters(self) -> None:
        """Reset the bank to its initial state, as is needed after ``to_empty``."""
        self.bank.reset_parameters()

    @property
    def running_weight(self) -> Tensor:
        """Closed form only: the weight of the running mean, 1 − momentum^batches."""
        return self.bank.running[0, self.span].reshape(self.settings.shape)

    @property
    def log_variance(self) -> Tensor:
        """``s``, a scalar or ``(channels,)``: a view that gradients flow through, with its share of the gradient."""
        stored, shape = self.bank.log_variance, self.settings.shape
        view = full(stored)[self.span].reshape(shape)
        if view.requires_grad and not is_traced():
            if stored.grad is not None and self._has_labels():
                view.grad = full(stored.grad)[self.span].reshape(shape)
            else:
                view.retain_grad()
        return view

    def _has_labels(self) -> bool:
        """Whether the task had labels since the last step; without, it has no gradient though its neighbours do."""
        bank = self.bank
        if not bank.has_run or bank.all_labelled or not is_readable(bank.labelled):
            return True
        return bool((bank.labelled[self.span] > 0).any())

    @property
    def waits_for_start(self) -> bool:
        """Whether a start from the first batch may still be due."""
        return self.bank.pending and self.settings.starts_at_first_batch

    def is_started(self) -> Tensor:
        """Which log-variances have seen data with information."""
        return self.bank.started[self.span].reshape(self.settings.shape) > 0

    @torch.no_grad()
    def set_log_variance(self, value: Tensor, where: Tensor | None = None) -> None:
        """Set s to a value (``where`` true), as a fit on held-out data does; cancels a pending start."""
        span, value = self.span, value.reshape(-1).clamp(*self.settings.bounds).to(self.bank.low.dtype)
        take = torch.ones_like(value, dtype=torch.bool) if where is None else where.reshape(-1).expand(value.shape)
        self.bank.write(span, torch.where(take, value, self.bank.values()[span]))
        self.bank.started[span].copy_(torch.where(take, 1.0, self.bank.started[span]))
        self.bank.low[span].copy_(torch.where(take, torch.minimum(self.bank.low[span], value), self.bank.low[span]))

    def tensors(self) -> dict[str, Tensor]:
        """What is saved, by name."""
        bank, shape = self.bank, self.settings.shape
        kept = {"log_variance": bank.log_variance, "started": bank.started, "low": bank.low}
        found = {name: full(tensor.detach())[self.span].reshape(shape) for name, tensor in kept.items()}
        if not bank.by_gradient:
            found["running"] = bank.running[:, self.span].reshape(2, *shape)
        return found

    @torch.no_grad()
    def put(self, name: str, value: Tensor) -> None:
        """Set one of ``tensors``."""
        bank, value = self.bank, value.detach().to(self.bank.low.device)
        if name == "log_variance":
            bank.write(self.span, value.reshape(-1))
        elif name == "running":
            bank.running[:, self.span].copy_(value.reshape(2, -1))
        else:
            getattr(bank, name)[self.span].copy_(value.reshape(-1))
        bank.pending = True  # until a step finds that all entries have started

    def materialize(self, where: torch.device) -> None:
        """Move the bank from the meta device to one with memory, in the initial state."""
        self.bank.to_empty(device=where)
        self.bank.reset_parameters()

    def extra_repr(self) -> str:
        """The main settings."""
        settings = self.settings
        said = [f"init={settings.init!r}", f"update={settings.update!r}"]
        said += [f"channels={settings.channels}"] if settings.channels is not None else []
        said += [f"prior={settings.prior}"] if settings.prior is not None else []
        return ", ".join(said)


def own_noise(spec: NoiseSpec) -> Noise:
    """The noise of a single likelihood, in a bank of its own."""
    return Noise(NoiseBank([spec]), 0, spec)


def join(members: Sequence[Noise], names: Sequence[str]) -> NoiseBank:
    """Move the noises of several likelihoods into one bank, values included."""
    bank = NoiseBank([member.spec for member in members])
    bank.to(members[0].bank.low.device, members[0].bank.low.dtype)
    bank.names = tuple(names)
    first = 0
    for member in members:
        state = member.tensors()
        member.bank = bank
        member.span = slice(first, first + member.spec.size)
        first += member.spec.size
        for name, value in state.items():
            member.put(name, value)
    return bank
