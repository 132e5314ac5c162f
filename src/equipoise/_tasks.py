"""Named tasks with noises, whose losses add up: the base of the joint likelihood and of weighting scalar losses."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from equipoise._execution import in_functorch, is_readable
from equipoise._joint import JointLoss, Kept, Stacked
from equipoise._named import NamedModules
from equipoise._reduction import Sums, is_distributed
from equipoise._stacking import stacked
from equipoise._stepping import Followed, follow
from equipoise.likelihoods._checks import bad_losses, check, complain_of_flags
from equipoise.likelihoods._noise import Noise, join
from equipoise.likelihoods.likelihood import Likelihood, reduced

Counts = Mapping[str, Tensor | float]


class Tasks(nn.Module, Followed):
    """Named likelihoods whose noises share as few vectors as possible.

    Args:
        likelihoods: by task name.
    """

    flags: Tensor

    def __init__(self, likelihoods: Mapping[str, Likelihood]) -> None:
        super().__init__()
        self._names = tuple(likelihoods)
        self.likelihoods = NamedModules(likelihoods)
        self.register_buffer("flags", torch.zeros(len(self._names), dtype=torch.int8), persistent=False)
        self._join_noises()
        self._was_traced = False
        follow(self)

    def _join_noises(self) -> None:
        """Put all noises of linear form that move alike into one bank; the others keep their own."""
        alike: dict[tuple[object, ...], list[str]] = {}
        for name, member in self.items():
            member.noise.bank.names = (f"task {name!r}",)
            if member.noise.spec.linear is not None and type(member.noise) is Noise:
                settings = member.noise.settings
                alike.setdefault((settings.update, settings.momentum), []).append(name)
        self._groups = [sorted(names, key=lambda n: (type(self[n]).__name__, n)) for names in alike.values()]
        for names in self._groups:
            join([self[name].noise for name in names], [f"task {name!r}" for name in names])
        # Plain tuples, because looking up a module by name costs as much as an operation.
        self._joined_groups = [
            (tuple(names), tuple(self[n] for n in names), self[names[0]].noise.bank) for names in self._groups
        ]
        grouped = {name for names in self._groups for name in names}
        self._single = [name for name in self._names if name not in grouped]

    def reset_parameters(self) -> None:
        """Clear the flags, as is needed after ``to_empty``."""
        self.flags.zero_()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Register the optimizer hooks of a copy."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        follow(self)

    def __getitem__(self, name: str) -> Likelihood:
        """The likelihood of a task."""
        if name not in self._names:
            raise KeyError(f"task {name!r}: expected one of {', '.join(map(repr, self._names))}")
        return cast(Likelihood, self.likelihoods[name])

    def keys(self) -> tuple[str, ...]:
        """The task names."""
        return self._names

    def items(self) -> list[tuple[str, Likelihood]]:
        """Names and likelihoods."""
        return [(name, self[name]) for name in self._names]

    def _of_whole_batch(self, means: Tensor, counts: Tensor | None = None) -> JointLoss | None:
        """The joint loss of fully labelled tasks, in a few operations for all of them.

        Args:
            means: raw losses in the order of the bank, on the CPU.
            counts: valid elements of each.
        """
        values = means.tolist()
        if not all(0.0 <= value < math.inf for value in values):
            return None
        names, members, bank = self._joined_groups[0]
        counts = torch.ones(len(names), dtype=torch.int64) if counts is None else counts
        whole = not self.training or bank.is_at_rest()
        if whole and self.training:
            constant = means.detach()
            bank.mark_healthy(lambda: bank.linear_optimum(constant))
            bank.look_for_lag()
        sums = Sums(means[None] if whole else (means * counts)[None], counts)
        part = stacked(bank, members, names, sums, whole=whole, training=self.training)
        if not whole:
            bank.watch(self.training)
        return JointLoss(loss=part.nll.sum(), _names=self._names, _parts=(part,), _kept=Kept())

    def _may_be_quick(self) -> bool:
        """Whether all noises share one vector, on the CPU of a single process."""
        if self._single or len(self._joined_groups) != 1 or is_distributed():
            return False
        return is_readable(self._joined_groups[0][2].low)

    def _joint_loss(self, local: Sequence[Sums], counts: Counts) -> JointLoss:
        """The joint loss from this rank's sums of each task; ``counts`` are divisors in place of their counts."""
        total = reduced([member for _, member in self.items()], local)
        if not is_readable(*(s.values for s in total)):
            self._flag(total)
        sums = dict(zip(self._names, total, strict=True))
        empty = dict(zip(self._names, check(total, [f"task {name!r}" for name in self._names]), strict=True))
        parts: list[Stacked] = []
        for names in self._groups:
            members = [self[name] for name in names]
            found = [sums[name] for name in names]
            known = [empty[name] for name in names]
            part = stacked(
                members[0].noise.bank,
                members,
                names,
                _one_row(found),
                normalizers=[counts.get(name) for name in names],
                any_empty=None if None in known else any(known),
                training=self.training,
            )
            parts.append(part)
            members[0].noise.bank.watch(self.training)
        single = {}
        for name in self._single:
            single[name] = self[name]._task_loss(sums[name], counts.get(name), is_empty=empty[name])
            self[name].noise.bank.watch(self.training)
        losses = [part.nll.sum() for part in parts] + [task.nll for task in single.values()]
        loss = self._with_graph(losses[0] if len(losses) == 1 else torch.stack(losses).sum())
        return JointLoss(
            loss=loss,
            _names=self._names,
            _parts=tuple(parts),
            _single=single,
            _kept=Kept(),
        )

    def _with_graph(self, loss: Tensor) -> Tensor:
        """The loss, with a zero gradient for every log-variance where no task has a label."""
        return loss + self._nothing() if not loss.requires_grad and torch.is_grad_enabled() else loss

    def _nothing(self) -> Tensor:
        """Zero with a graph to every log-variance."""
        noises = [p.sum() * 0.0 for member in self.likelihoods for p in cast(Likelihood, member).noise.parameters()]
        return torch.stack(noises).sum() if noises else self.flags.new_zeros((), dtype=torch.get_default_dtype())

    def _flag(self, sums: Sequence[Sums]) -> None:
        """Flag bad losses on the device, for ``check``; on the CPU they are read before the optimizer's step."""
        if not in_functorch():
            self.flags.copy_(torch.maximum(self.flags, bad_losses(sums)))
            self._was_traced = True

    def before_step(self, optimizer: Optimizer) -> None:
        """Raise for bad losses of a compiled forward pass, which cannot raise itself; CPU only."""
        if self._was_traced and self.flags.device.type == "cpu":
            self._was_traced = False
            self.check()

    def after_step(self, optimizer: Optimizer) -> None:
        """Nothing to do."""

    def check(self) -> None:
        """Raise errors that ``forward`` deferred in order not to stall the device, and warn about bounds.

        Reads numbers back from the device.

        Raises:
            ValueError: a task's loss was negative.
            FloatingPointError: a task's loss was not finite.
        """
        complain_of_flags(self.flags, self._names)
        for name in self._names:
            noise = self[name].noise
            noise.bank.warn_at_bounds(noise.bank.values().detach().tolist())

    def sigmas(self) -> dict[str, float | list[float]]:
        """Each task's σ in its target's unit, as Python numbers; a list where the noise has channels."""
        return {name: likelihood.sigma.tolist() for name, likelihood in self.items()}

    def weights(self) -> dict[str, float | list[float] | None]:
        """Each task's weight ∂nll/∂loss, as Python numbers; ``None`` where nll is not linear in the raw loss."""
        found = {name: likelihood.weight for name, likelihood in self.items()}
        return {name: None if weight is None else weight.tolist() for name, weight in found.items()}

    def _refuse_partial_starts(self, counts: Counts, argument: str, remedy: str = "") -> None:
        """Raise if a start, unit or closed form would be taken from one micro-batch of several."""
        if not self.training or torch.compiler.is_compiling():
            return
        for name in counts:
            member = self[name]
            if not member.noise.bank.by_gradient:
                raise ValueError(
                    f"task {name!r}: {argument} with update='closed_form' would follow each micro-batch by itself: use "
                    "update='gradient', or whole batches"
                )
            if member._waits:
                raise ValueError(
                    f"task {name!r}: {argument} before its unit or start is known, which would come from one "
                    f"micro-batch: {remedy}run a first batch without {argument}"
                )

    def _check_known(self, **given: Mapping[str, object]) -> None:
        for kind, mapping in given.items():
            for name in mapping:
                if name not in self._names:
                    raise ValueError(f"{kind}: expected the tasks {list(self._names)}, found {name!r}")


def _one_row(sums: Sequence[Sums]) -> Sums:
    """The raw losses of several likelihoods in one vector, one entry per noise."""
    if len(sums) == 1:
        s = sums[0]
        return Sums(s.values.reshape(1, -1), s.count.reshape(-1), s.mass.reshape(-1))
    dtype = torch.promote_types(sums[0].values.dtype, sums[-1].values.dtype)
    return Sums(
        torch.cat([s.values.reshape(1, -1).to(dtype) for s in sums], 1),
        torch.cat([s.count.reshape(-1) for s in sums]),
        torch.cat([s.mass.reshape(-1).to(dtype) for s in sums]),
    )
