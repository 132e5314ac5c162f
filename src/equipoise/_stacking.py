"""The losses of all tasks whose noises share a bank, by one formula."""

from collections.abc import Sequence

import torch
from torch import Tensor

from equipoise._joint import Stacked
from equipoise._reduction import Sums
from equipoise.functional import at_least_single
from equipoise.likelihoods._bank import NoiseBank
from equipoise.likelihoods.likelihood import Likelihood


def stacked(
    bank: NoiseBank,
    members: Sequence[Likelihood],
    names: Sequence[str],
    sums: Sums,
    *,
    whole: bool = False,
    normalizers: Sequence[Tensor | float | None] = (),
    any_empty: bool | None = False,
    training: bool = False,
) -> Stacked:
    """Each entry's part of the joint loss.

    Args:
        bank: the noises, in the order of ``members``.
        members: the likelihoods.
        names: the names of their tasks.
        sums: the raw losses in one row, over all ranks.
        whole: all entries are labelled and no noise moves; ``sums`` holds means.
        normalizers: for each task the divisor of its sum, in place of its count.
        any_empty: whether any entry has no valid element; ``None``: not known, since that would read a device back.
        training: whether the noises may move.
    """
    counts = sums.count
    if whole:
        means, mass, s = sums.values[0], counts, bank.values()
    else:
        means, mass = sums.means[0], sums.mass
        s = bank.for_batch(slice(None), means.detach(), counts, bank.linear_optimum, training=training)
    nll = bank.linear_nll(means, at_least_single(s))
    shares = _shares(members, mass, normalizers, any_empty)
    return Stacked(
        nll=nll if shares is None else nll * shares,
        means=means,
        mass=mass,
        counts=counts,
        shares=shares,
        log_variance=s.detach().clone(),
        noise=s,
        members={name: (member, member.noise.span) for name, member in zip(names, members, strict=True)},
    )


def _shares(
    members: Sequence[Likelihood], mass: Tensor, normalizers: Sequence[Tensor | float | None], any_empty: bool | None
) -> Tensor | None:
    """Each entry's share of its task's divisor; ``None`` where every task is one entry, fully labelled."""
    given = any(n is not None for n in normalizers)
    if not given and any_empty is False and all(m.noise.channels is None for m in members):
        return None
    found = []
    for i, member in enumerate(members):
        own = mass[member.noise.span]
        normalizer = normalizers[i] if given else None
        divisor = own.sum() if normalizer is None else torch.as_tensor(normalizer, dtype=mass.dtype, device=mass.device)
        found.append(own / divisor.clamp_min(1e-30))
    return torch.cat(found)
