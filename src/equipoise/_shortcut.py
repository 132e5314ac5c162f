"""A fast path for the usual batch on a CPU: everything labelled, nothing pending.

Small tasks of one kind and shape are stacked, so that fifty of them cost hardly more than two. For anything unusual
(missing labels, masks, other shapes, a unit that is still being learned) ``means`` returns ``None``, and the general
path runs.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from equipoise._execution import is_traced
from equipoise.functional import at_least_single
from equipoise.likelihoods._unit import Unit
from equipoise.likelihoods.categorical import Categorical
from equipoise.likelihoods.gaussian import Gaussian
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.regression import Regression

SMALL = 2**14
"""Above this many elements stacking gains nothing, since it copies."""


class Shortcut:
    """Computes the mean raw losses of the tasks of one bank, in its order."""

    def __init__(self, members: Sequence[Likelihood]) -> None:
        self.members = tuple(members)
        # The class of each likelihood that has a fast path.
        self.kinds = [_kind(member) for member in members]
        self.units = [member.unit if isinstance(member, Regression) else None for member in members]
        self._counts: tuple[list[int], Tensor] | None = None
        self._scales: dict[int, tuple[object, Tensor, Tensor]] = {}

    def means(self, outputs: Sequence[Tensor | None], targets: Sequence[Tensor | None]) -> tuple[Tensor, Tensor] | None:
        """The mean raw loss and the number of elements of each task, if all are valid; else ``None``.

        A missing regression label shows as a mean that is not finite.
        """
        if is_traced():
            return None
        keys: list[tuple[object, ...]] = []
        for i, (output, target) in enumerate(zip(outputs, targets, strict=True)):
            if (
                not isinstance(output, Tensor)
                or not isinstance(target, Tensor)
                or (key := self._key(i, output, target)) is None
            ):
                return None
            keys.append(key)
        given: Sequence[Any] = outputs
        wanted: Sequence[Any] = targets
        means, first = [], 0
        for key, run in groupby(keys):
            last = first + sum(1 for _ in run)
            part = self._run(first, given[first:last], wanted[first:last], key)
            if part is None:
                return None
            means.append(part)
            first = last
        return (means[0] if len(means) == 1 else torch.cat(means)), self._count([t.numel() for t in wanted])

    def _count(self, counts: list[int]) -> Tensor:
        if self._counts is None or self._counts[0] != counts:
            self._counts = (counts, torch.tensor(counts))
        return self._counts[1]

    def _key(self, i: int, output: Tensor, target: Tensor) -> tuple[object, ...] | None:
        """Tasks of equal keys can be stacked; ``None``: no fast path."""
        kind = self.kinds[i]
        elements = output.numel()
        if kind is None or elements == 0 or output.device.type != "cpu" or target.device.type != "cpu":
            return None
        large = i if elements > SMALL else None
        if kind is Categorical:
            fits = output.dim() >= 2 and target.dtype == torch.int64
            if not fits or target.shape != output.shape[:1] + output.shape[2:]:
                return None
            return kind, output.shape, output.dtype, large
        unit = self.units[i]
        if output.shape != target.shape or not target.is_floating_point() or not _is_settled(unit, self.members[i]):
            return None
        return kind, output.shape, output.dtype, target.dtype, unit is None, large

    def _run(
        self, first: int, outputs: Sequence[Tensor], targets: Sequence[Tensor], key: tuple[object, ...]
    ) -> Tensor | None:
        alone = len(outputs) == 1
        if key[0] is Categorical:
            if alone:
                sums = self.members[first].sums(outputs[0], targets[0], where="")
                return sums.means if int(sums.count) == targets[0].numel() else None
            return self._entropies(first, torch.stack(list(outputs)), torch.stack(list(targets)))
        output = at_least_single(outputs[0] if alone else torch.stack(list(outputs)))
        target = at_least_single(targets[0] if alone else torch.stack(list(targets)))
        if self.units[first] is not None:
            offset, scale = self._unit(first, len(outputs))
            if not alone:
                shape = (-1, *[1] * (target.dim() - 1))
                offset, scale = offset.reshape(shape), scale.reshape(shape)
            target = (target - offset).div_(scale)
        loss = functional.mse_loss if key[0] is Gaussian else functional.l1_loss
        target = target.to(output.dtype)
        if alone:
            return loss(output, target)[None]
        losses = loss(output, target, reduction="none")
        return losses if losses.dim() == 1 else losses.flatten(1).mean(1)

    def _unit(self, first: int, number: int) -> tuple[Tensor, Tensor]:
        """Stacked offsets and scales of a run of tasks, cached until one of them changes."""
        units: list[Any] = self.units[first : first + number]
        key = [(id(known), known._version) for known in [unit.known for unit in units]]
        cached = self._scales.get(first)
        if cached is None or cached[0] != key:
            both = [unit.both() for unit in units]
            cached = self._scales[first] = (key, torch.cat([b[0] for b in both]), torch.cat([b[1] for b in both]))
        return cached[1:]

    def _entropies(self, first: int, output: Tensor, target: Tensor) -> Tensor | None:
        low, high = (int(v) for v in target.aminmax())
        members: Sequence[Any] = self.members[first : first + len(output)]
        ignored = [m.ignore_index for m in members if m.ignore_index is not None]
        if low < 0 or high >= output.shape[2] or any(low <= i <= high for i in ignored):
            return None
        rows = at_least_single(output.movedim(2, -1)).reshape(-1, output.shape[2])
        losses = functional.cross_entropy(rows, target.reshape(-1), reduction="none")
        return losses.reshape(len(members), -1).mean(1)


def _kind(member: Likelihood) -> type | None:
    """The class of a likelihood that has a fast path."""
    if isinstance(member, Categorical):
        plain = not member.exact and member.class_weights is None and not member.label_smoothing
        return Categorical if plain and type(member) is Categorical else None
    if type(member) in (Gaussian, Laplace) and member.noise.channels is None:
        return type(member)
    return None


def _is_settled(unit: Unit | None, member: Likelihood) -> bool:
    """Whether the batch needs nothing done for the unit: it is known, and this batch neither sets nor checks it."""
    if unit is None:
        return True
    if not member.training:
        return not unit.pending or bool((unit.known[0] > 0).all())
    return not unit.looks and not (unit.pending and unit.is_changing(True))
