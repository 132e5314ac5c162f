"""The raw losses of a whole batch in as few operations as there are kinds of tasks: the usual case on a CPU.

Small tasks of one kind and shape are stacked, so that fifty of them cost hardly more than two. Whatever is unusual
(missing labels, masks, other shapes, a unit that is still being learned) gives ``None``: the general way takes over.
"""

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.execution import is_readable
from equipoise.functional import at_least_single
from equipoise.likelihoods.categorical import Categorical
from equipoise.likelihoods.gaussian import Gaussian
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.regression import Regression

SMALL = 2**14
"""Tasks of more elements gain nothing from being stacked, which copies them."""


def whole_batch_means(
    members: Sequence[Likelihood], outputs: Sequence[Tensor | None], targets: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor] | None:
    """The mean raw loss of each task and its count of elements, all elements valid; ``None`` where that is not known.

    A missing regression label shows as a mean that is not finite.
    """
    keys = []
    for member, output, target in zip(members, outputs, targets, strict=True):
        if output is None or target is None or (key := _key(member, output, target)) is None:
            return None
        keys.append(key)
    means, counts, first = [], [], 0
    for key, run in groupby(keys):
        last = first + len(list(run))
        part = _means(members[first:last], outputs[first:last], targets[first:last], key)
        if part is None:
            return None
        means.append(part)
        counts += [targets[i].numel() for i in range(first, last)]  # type: ignore[union-attr]
        first = last
    return (means[0] if len(means) == 1 else torch.cat(means)), torch.tensor(counts)


def _key(member: Likelihood, output: Tensor, target: Tensor) -> tuple[object, ...] | None:
    """Tasks of equal keys can be stacked; ``None``: not in short."""
    if not is_readable(output, target) or output.numel() == 0:
        return None
    kind: object = type(member)
    large: object = id(member) if output.numel() > SMALL else None
    if isinstance(member, Regression) and kind in (Gaussian, Laplace):
        unit = member.unit
        plain = member.noise.channels is None and output.shape == target.shape and target.is_floating_point()
        if not plain or (unit is not None and member.training and (unit.looks or unit.is_changing(True))):
            return None
        return kind, output.shape, output.dtype, target.dtype, unit is None, large
    if kind is Categorical and _is_plain_categorical(member, output, target):  # type: ignore[arg-type]
        return kind, output.shape, output.dtype, large
    return None


def _is_plain_categorical(member: Categorical, output: Tensor, target: Tensor) -> bool:
    fits = output.dim() >= 2 and target.shape == output.shape[:1] + output.shape[2:] and target.dtype == torch.int64
    return fits and not member.exact and member.class_weights is None and not member.label_smoothing


def _means(
    members: Sequence[Likelihood],
    outputs: Sequence[Tensor | None],
    targets: Sequence[Tensor | None],
    key: tuple[object, ...],
) -> Tensor | None:
    given = [o for o in outputs if o is not None]
    wanted = [t for t in targets if t is not None]
    if len(members) == 1 and isinstance(members[0], Categorical):
        sums = members[0].sums(given[0], wanted[0], where="")
        return sums.means if int(sums.count) == wanted[0].numel() else None
    output = given[0][None] if len(members) == 1 else torch.stack(given)
    target = wanted[0][None] if len(members) == 1 else torch.stack(wanted)
    if isinstance(members[0], Categorical):
        return _stacked_entropy(members, output, target)
    return _stacked_errors(members, at_least_single(output), target, squared=key[0] is Gaussian)


def _stacked_errors(members: Sequence[Likelihood], output: Tensor, target: Tensor, *, squared: bool) -> Tensor:
    units = [member.unit for member in members if isinstance(member, Regression) and member.unit is not None]
    target = at_least_single(target)
    if units:
        both = [unit.both() for unit in units]
        shape = (-1, *[1] * (target.dim() - 1))
        offset, scale = (both[0][i] if len(both) == 1 else torch.cat([b[i] for b in both]) for i in (0, 1))
        target = (target - offset.reshape(shape)).div_(scale.reshape(shape))
    loss = functional.mse_loss if squared else functional.l1_loss
    target = target.to(output.dtype)
    if len(members) == 1:
        return loss(output, target)[None]
    return loss(output, target, reduction="none").flatten(1).mean(1)


def _stacked_entropy(members: Sequence[Likelihood], output: Tensor, target: Tensor) -> Tensor | None:
    low, high = (int(v) for v in target.aminmax())
    ignored = [m.ignore_index for m in members if isinstance(m, Categorical) and m.ignore_index is not None]
    if low < 0 or high >= output.shape[2] or any(low <= i <= high for i in ignored):
        return None
    rows = at_least_single(output.movedim(2, -1)).reshape(-1, output.shape[2])
    losses = functional.cross_entropy(rows, target.reshape(-1), reduction="none")
    return losses.reshape(len(members), -1).mean(1)
