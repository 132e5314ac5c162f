"""The unit of a regression target: its offset and scale, so that a network may work in dimensionless numbers.

target = offset + scale · dimensionless. The unit is provisional, and updated by every batch, until 32 valid elements
have been seen; then it is settled. Some later batches (the first 16, then the 32nd, 64th … 1024th) are checked against
it. If they show that the first ones were not typical, as with a sorted loader, the unit is taken again, with a warning,
because that changes what the network's outputs mean. After that it never changes by itself.

Rare outliers (beyond 30 median absolute deviations) are left out. Data without spread give no unit.
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._execution import in_functorch, is_readable, is_recomputing, is_traced, may_wait_for
from equipoise._reduction import gather_rows
from equipoise._stepping import Followed, follow
from equipoise.likelihoods._state import NamedTensors
from equipoise.likelihoods._target_statistics import merged, target_rows

ENOUGH = 32
"""Valid elements after which a unit is no longer provisional."""
EARLY_LOOKS, LAST_LOOK, LOOKS_NEEDED = 16, 1024, 4
ATYPICAL = 2.0
"""A unit is taken again if its scale is wrong by this factor, or its offset by this many scales."""


class Unit(NamedTensors, Followed):
    """Offset and scale of a target: one of each for the task, or one per channel.

    ``known`` holds w, w·offset, w·scale and w·(number of elements it was taken from), with w = 1 once the unit is
    known, so that averages of models (EMA, SWA) average units rightly. ``gathered`` holds count, count·mean and squared
    deviations of all batches that were gathered or checked.
    """

    known: Tensor
    gathered: Tensor

    def __init__(self, channels: int | None) -> None:
        super().__init__()
        self.shape = () if channels is None else (channels,)
        self.register_buffer("known", torch.empty(4, channels or 1))
        self.register_buffer("gathered", torch.empty(3, channels or 1))
        self._begin_to_watch()
        self.reset_parameters()
        follow(self)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset to the initial state, as is needed after ``to_empty``."""
        self.known.zero_()
        self.gathered.zero_()
        self._set_batches(0)
        self.pending = True
        """Whether the unit may still be provisional; cleared when the device is read back."""

    def _begin_to_watch(self) -> None:
        self._cache: tuple[object, Tensor, Tensor] | None = None
        self._asked_at = 0
        self._resolution = torch.finfo(torch.float32).eps
        self._ran = self._ran_traced = self._warned_flat = self._warned_unknown = self._warned_again = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy starts its own watches."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._begin_to_watch()
        follow(self)

    # Reading the unit.

    @property
    def offset(self) -> Tensor:
        """In the target's unit; 0 while the unit is unknown."""
        return self.both()[0].reshape(self.shape)

    @property
    def scale(self) -> Tensor:
        """In the target's unit; 1 while the unit is unknown."""
        return self.both()[1].reshape(self.shape)

    def both(self) -> tuple[Tensor, Tensor]:
        """Offset and scale of each channel, as vectors; without channels, of length one."""
        if not is_readable(self.known):
            return self._both()
        key = (self.known.data_ptr(), self.known.dtype, self.known._version)
        if self._cache is None or self._cache[0] != key:
            self._cache = (key, *self._both())
        return self._cache[1:]

    @torch.no_grad()
    def _both(self) -> tuple[Tensor, Tensor]:
        weight = self.known[0]
        some = torch.where(weight > 0, weight, 1.0)
        return self.known[1] / some, torch.where(weight > 0, self.known[2] / some, 1.0)

    @property
    def is_settled(self) -> Tensor:
        """For each channel, whether its unit is known and no longer provisional."""
        return self.known[3] >= ENOUGH * self.known[0].clamp_min(1e-12)

    def finds_settled(self) -> bool:
        """Whether all channels are settled; reads the device back until they are, but for the meta device."""
        if self.pending and not self.known.is_meta and not is_traced():
            self.pending = not bool(self.is_settled.all())
        return not self.pending or self.known.is_meta

    def is_changing(self, training: bool) -> bool:
        """Whether the coming batch may set the unit."""
        if not self.pending or not training or in_functorch() or is_recomputing():
            return False
        if is_readable(self.known):
            self.pending = not bool(self.is_settled.all())
        return self.pending

    def _set_batches(self, batches: int) -> None:
        """Count batches, and set flags for what is due: a changing number would be recompiled for each batch."""
        self.batches = batches
        coming = batches + 1
        self.looks = coming <= EARLY_LOOKS or (coming <= LAST_LOOK and coming & batches == 0)
        """Whether the coming batch is checked."""
        self.may_be_wrong = coming >= LOOKS_NEEDED
        """Whether enough batches were checked to decide that the first ones were not typical."""

    # Learning it.

    def meet(self, target_CE: Tensor, valid_CE: Tensor, *, moving: bool, training: bool, where: str) -> Tensor | None:
        """Gather the unit from a batch while it is provisional; later return statistics of the batches to check.

        Args:
            target_CE: the elements E of each channel C.
            valid_CE: which of them are valid.
            moving: whether anything may change.
            training: in eval mode a warning says if the unit is unknown.
            where: the name of the task or class, for that warning.
        """
        if not training:
            self.warn_if_unknown(where)
        if not moving:
            return None
        changing = self.is_changing(training)
        if not changing and not self.looks:
            return None
        rows = self.shown(target_CE, valid_CE)
        if not changing:
            return rows
        self.gather(gather_rows(rows))
        return None

    @torch.no_grad()
    def gather(self, rows_RKC: Tensor) -> None:
        """Add the statistics of a batch (``shown`` of every rank), and take the unit while it is provisional."""
        self._add(rows_RKC)
        count, mean, spread, informed = self._estimate()
        provisional = torch.maximum(spread, 0.1 * mean.abs())
        scale = torch.where(count >= ENOUGH, spread, provisional)
        self._take(informed & ~self.is_settled, count, mean, scale)
        if is_readable(self.known) and not bool(informed.all()) and bool((count > 1).any()) and not self._warned_flat:
            self._warned_flat = True
            warnings.warn(
                "the targets have no spread so far (all valid ones are equal within their precision), so their "
                "unit stays unknown, with scale 1, until they do",
                stacklevel=2,
            )

    @torch.no_grad()
    def look(self, rows_RKC: Tensor) -> None:
        """Add the statistics of a batch, and take a settled unit again if the data contradict it."""
        self._add(rows_RKC)
        if not self.may_be_wrong:
            return
        count, mean, spread, informed = self._estimate()
        offset, scale = self.both()
        room = ATYPICAL * scale + 4 * torch.finfo(mean.dtype).eps * offset.abs()
        wrong = (spread > ATYPICAL * scale) | (spread * ATYPICAL < scale) | ((mean - offset).abs() > room)
        take = wrong & informed & self.is_settled
        if is_readable(self.known) and bool(take.any()) and not self._warned_again:
            self._warned_again = True
            warnings.warn(
                f"the first batches were not typical of the targets: their unit was offset {offset.tolist()}, scale "
                f"{scale.tolist()}, and is now {mean.tolist()}, {spread.tolist()}, which changes what the network's "
                "outputs mean. Shuffle the data, or call fit(targets) with all training targets first",
                stacklevel=2,
            )
        self._take(take, count, mean, spread)

    def shown(self, target_CE: Tensor, valid_CE: Tensor) -> Tensor:
        """The statistics of a batch of targets: count, mean and squared deviations of each channel, ``(3, C)``."""
        kind = target_CE.dtype
        self._resolution = torch.finfo(kind).eps if kind.is_floating_point else 0.0
        return target_rows(target_CE, valid_CE, self.known.dtype)

    def advance(self) -> None:
        """Count a training batch."""
        self._ran = True
        if torch.compiler.is_compiling():
            self._ran_traced = True
        elif self.batches <= LAST_LOOK and not in_functorch() and not is_recomputing():
            self._set_batches(self.batches + 1)

    @torch.no_grad()
    def fit(self, target_CE: Tensor, valid_CE: Tensor, where: str) -> None:
        """Take the unit from the valid elements E of each channel C, over all ranks, and keep it."""
        rows = merged(gather_rows(self.shown(target_CE, valid_CE)))
        count, mean, spread, informed = self._read(rows)
        if is_readable(self.known) and bool(((count > 0) & ~informed).any()):
            warnings.warn(
                f"{where}: the targets have no spread: the unit stays as it was, scale {self.scale.tolist()}",
                stacklevel=2,
            )
        self._take(informed, count.clamp_min(ENOUGH), mean, spread)
        self._set_batches(max(self.batches, LAST_LOOK))

    def _add(self, rows_RKC: Tensor) -> None:
        own = torch.stack([self.gathered[0], self.gathered[1] / self.gathered[0].clamp_min(1.0), self.gathered[2]])
        count, mean, squares = merged(torch.cat([own[None], rows_RKC.to(own.dtype)]))
        self.gathered.copy_(torch.stack([count, count * mean, squares]))

    def _estimate(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        count, total, squares = self.gathered
        return self._read(torch.stack([count, total / count.clamp_min(1.0), squares]))

    def _read(self, rows_KC: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Count, mean, standard deviation, and whether they determine a unit."""
        count, mean, squares = rows_KC
        spread = (squares / count.clamp_min(1.0)).sqrt()
        informed = (count > 0) & (spread > 4 * self._resolution * mean.abs())
        return count, mean, spread, informed & torch.isfinite(spread) & torch.isfinite(mean)

    def _take(self, where: Tensor, count: Tensor, mean: Tensor, scale: Tensor) -> None:
        new = torch.stack([torch.ones_like(mean), mean, scale, count])
        self.known.copy_(torch.where(where, new.to(self.known.dtype), self.known))

    # Warnings, steps and state.

    def warn_if_unknown(self, where: str) -> None:
        """Warn once if values are requested before the unit is known: they are dimensionless."""
        if self._warned_unknown or not self.pending or not is_readable(self.known) or bool((self.known[0] > 0).all()):
            return
        self._warned_unknown = True
        warnings.warn(
            f"{where}: the target's unit is not known yet, so these are the network's own numbers: train first, or "
            "call fit(targets)",
            stacklevel=3,
        )

    def before_step(self, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Count the batch of a compiled forward pass, and find out whether the unit is settled."""
        if not self._ran:
            return
        self._ran = False
        if self._ran_traced:
            self._ran_traced = False
            self._set_batches(self.batches + 1)
        if self.pending and self.batches != self._asked_at and may_wait_for(self.known, self.batches):
            self._asked_at = self.batches
            self.pending = not bool(self.is_settled.all())

    def tensors(self) -> dict[str, Tensor]:
        """What is saved, by name."""
        batches = torch.tensor(float(self.batches), device=self.known.device)
        return {"known": self.known, "gathered": self.gathered, "batches": batches}

    @torch.no_grad()
    def put(self, name: str, value: Tensor) -> None:
        """Set one of ``tensors``."""
        if name == "batches":
            self._set_batches(round(float(value)))
        else:
            getattr(self, name).copy_(value)
        self.pending = True  # until a look finds that it is settled

    def materialize(self, where: torch.device) -> None:
        """Move from the meta device to one with memory, in the initial state."""
        self.to_empty(device=where)
        self.reset_parameters()

    def extra_repr(self) -> str:
        """Offset and scale."""
        return f"offset={self.offset.tolist()}, scale={self.scale.tolist()}"
