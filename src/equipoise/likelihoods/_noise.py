"""The noise of one likelihood: its own part of a bank, under whose name it is saved and loaded."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equipoise._execution import is_readable, is_traced
from equipoise.likelihoods._bank import NoiseBank
from equipoise.likelihoods._settings import NoiseSettings
from equipoise.likelihoods._sharding import full
from equipoise.likelihoods._spec import NoiseSpec


class Noise(nn.Module):
    """One likelihood's log-variance s = log σ², one number or one a channel.

    Args:
        bank: where it is stored, perhaps with those of other tasks.
        first: its first entry there.
        spec: what it is.
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
        """How many log-variances; ``None``: one."""
        return self.settings.channels

    @property
    def prior(self) -> tuple[float, float] | None:
        """(σ₀, strength), if there is one."""
        return self.settings.prior

    def reset_parameters(self) -> None:
        """Everything of its bank as at the beginning, as after ``to_empty``."""
        self.bank.reset_parameters()

    @property
    def running_weight(self) -> Tensor:
        """Of a closed form: how much the running mean has seen, 1 − momentum^batches."""
        return self.bank.running[0, self.span].reshape(self.settings.shape)

    @property
    def log_variance(self) -> Tensor:
        """S, a scalar or a vector of channels: a view that gradients flow through, with the gradient it has got."""
        stored, shape = self.bank.log_variance, self.settings.shape
        view = full(stored)[self.span].reshape(shape)
        if view.requires_grad and not is_traced():
            if stored.grad is not None and self._has_labels():
                view.grad = full(stored.grad)[self.span].reshape(shape)
            else:
                view.retain_grad()
        return view

    def _has_labels(self) -> bool:
        """Whether the task had labels since the last step: else it has no gradient, though its neighbours have."""
        bank = self.bank
        if not bank.has_run or bank.all_labelled or not is_readable(bank.labelled):
            return True
        return bool((bank.labelled[self.span] > 0).any())

    @property
    def waits_for_start(self) -> bool:
        """Whether a start from the first batch may still be due."""
        return self.bank.pending and self.settings.starts_at_first_batch

    def is_started(self) -> Tensor:
        """Which log-variances have met data with information."""
        return self.bank.started[self.span].reshape(self.settings.shape) > 0

    @torch.no_grad()
    def set_log_variance(self, value: Tensor, where: Tensor | None = None) -> None:
        """Put s to a value (where it is asked for), as a fit on held-out data does; a pending start is off."""
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
        bank.pending = True  # until a step finds that all have started

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination |= {prefix + name: tensor for name, tensor in self.tensors().items()}

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        tensors = self.tensors()
        for name, own in tensors.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
            elif state_dict[key].shape != own.shape:
                error_msgs.append(f"{key}: expected shape {tuple(own.shape)}, found {tuple(state_dict[key].shape)}")
            elif own.is_meta and not local_metadata.get("assign_to_params_buffers"):
                error_msgs.append(f"{key}: this module is on the meta device: call to_empty, or load with assign=True")
            else:
                if self.bank.low.is_meta:
                    self.bank.to_empty(device=state_dict[key].device)
                    self.bank.reset_parameters()
                self.put(name, state_dict[key])
        if strict:
            known = {prefix + name for name in tensors}
            unexpected_keys += [key for key in state_dict if key.startswith(prefix) and key not in known]

    def extra_repr(self) -> str:
        """The settings that matter."""
        settings = self.settings
        said = [f"init={settings.init!r}", f"update={settings.update!r}"]
        said += [f"channels={settings.channels}"] if settings.channels is not None else []
        said += [f"prior={settings.prior}"] if settings.prior is not None else []
        return ", ".join(said)


def own_noise(spec: NoiseSpec) -> Noise:
    """The noise of a likelihood by itself."""
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
