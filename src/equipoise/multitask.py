"""The joint likelihood of several tasks: the product of theirs, so its negative logarithm is a sum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from equipoise.likelihoods.checks import bad_losses, complain_of_flags
from equipoise.likelihoods.likelihood import Likelihood, Term, terms


@dataclass(frozen=True, kw_only=True, eq=False)
class JointTerm:
    """The joint loss of a batch, and each task's part of it.

    Attributes:
        loss: Σ over tasks of the mean negative log-likelihood, a scalar. It may well be below zero: log σ is, for
            small σ. Watch ``tasks[name].loss`` instead.
        tasks: the terms by task name.
    """

    loss: Tensor
    tasks: dict[str, Term]


class MultiTaskLikelihood(nn.Module):
    r"""p(y₁ … y_K | f) = Π p(y_k | f_k, σ_k): the joint loss is the sum of the tasks' mean negative log-likelihoods.

    Every task has one vote, however many elements it has, as in Kendall, Gal & Cipolla (CVPR 2018), eq. 6–10. The
    strict joint likelihood would sum over elements instead, and dense tasks would drown the others.

    Args:
        likelihoods: a likelihood for each task name.

    >>> from equipoise.likelihoods import Categorical, Laplace
    >>> likelihood = MultiTaskLikelihood({"class": Categorical(), "depth": Laplace()})
    >>> outputs = {"class": torch.zeros(2, 3), "depth": torch.zeros(2, 1)}
    >>> joint = likelihood(outputs, {"class": torch.tensor([0, 1]), "depth": torch.ones(2, 1)})
    >>> {name: round(term.loss.item(), 3) for name, term in joint.tasks.items()}
    {'class': 1.099, 'depth': 1.0}
    """

    flags: Tensor

    def __init__(self, likelihoods: Mapping[str, Likelihood]) -> None:
        super().__init__()
        if not likelihoods:
            raise ValueError("MultiTaskLikelihood: expected at least one task, found none")
        for name, likelihood in likelihoods.items():
            if not isinstance(likelihood, Likelihood):
                raise TypeError(f"task {name!r}: expected a likelihood, found {type(likelihood).__name__}")
        self._names = tuple(likelihoods)
        # A task may be called "forward" or "a.b", which a ModuleDict refuses as keys.
        self.likelihoods = nn.ModuleList(likelihoods.values())
        self.register_buffer("flags", torch.zeros(len(self._names), dtype=torch.int8), persistent=False)

    def __getitem__(self, name: str) -> Likelihood:
        """The likelihood of a task."""
        return cast(Likelihood, self.likelihoods[self._names.index(name)])

    def keys(self) -> tuple[str, ...]:
        """The task names."""
        return self._names

    def items(self) -> list[tuple[str, Likelihood]]:
        """Names and likelihoods."""
        return [(name, cast(Likelihood, module)) for name, module in zip(self._names, self.likelihoods, strict=True)]

    def forward(
        self,
        outputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None] | None = None,
        *,
        counts: Mapping[str, Tensor | float] | None = None,
    ) -> JointTerm:
        """The joint loss of a batch.

        Args:
            outputs: each task's output.
            targets: each task's target.
            masks: for some or all tasks: boolean, broadcastable to the target, True = valid.
            counts: what each task's sum is divided by, in place of this batch's count of valid elements: with the
                counts of all micro-batches of a step, their losses add up to that of the whole batch.

        Raises:
            ValueError: a task is missing or unknown, shapes do not fit, a loss is negative; names the task.
            FloatingPointError: a loss is not finite; names the task. On a GPU see ``check``.
        """
        masks = masks or {}
        self._check_names(outputs=outputs, targets=targets)
        self._check_known(masks=masks, counts=counts or {})
        members = self.items()
        labels = [f"task {name!r}" for name, _ in members]
        sums = [
            likelihood.sums(outputs[name], targets[name], masks.get(name), label)
            for (name, likelihood), label in zip(members, labels, strict=True)
        ]
        if sums[0].values.device.type != "cpu" or torch.compiler.is_compiling():
            self.flags.copy_(torch.maximum(self.flags, bad_losses(sums)))
        normalizers = [None if counts is None else counts.get(name) for name in self._names]
        found = terms([likelihood for _, likelihood in members], sums, labels, normalizers)
        loss = torch.stack([term.nll for term in found]).sum()
        return JointTerm(loss=loss, tasks=dict(zip(self._names, found, strict=True)))

    def check(self) -> None:
        """Raise what ``forward`` could not say without stalling the device: call it now and then, it synchronises."""
        complain_of_flags(self.flags, self._names)

    def refit(
        self,
        outputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None] | None = None,
    ) -> None:
        """Set each given task's noise (for approximate classes: a temperature) to what is best for held-out data."""
        masks = masks or {}
        self._check_known(outputs=outputs, masks=masks)
        for name, output in outputs.items():
            self[name].refit(output, targets[name], masks.get(name))

    def sigmas(self) -> dict[str, float | list[float]]:
        """Each task's σ in its target's unit, as plain numbers."""
        return {name: likelihood.sigma.tolist() for name, likelihood in self.items()}

    def weights(self) -> dict[str, float | list[float] | None]:
        """Each task's weight ∂nll/∂loss, as plain numbers; ``None`` where nll is not linear in the raw loss."""
        found = {name: likelihood.weight for name, likelihood in self.items()}
        return {name: None if weight is None else weight.tolist() for name, weight in found.items()}

    def distribution(self, outputs: Mapping[str, Tensor]) -> dict[str, Distribution]:
        """Each task's predictive distribution, in its target's unit; for those tasks that have outputs."""
        self._check_known(outputs=outputs)
        return {name: self[name].distribution(output) for name, output in outputs.items()}

    def _check_names(self, **given: Mapping[str, Tensor]) -> None:
        for kind, mapping in given.items():
            missing = [name for name in self._names if name not in mapping]
            if missing:
                raise ValueError(f"task {missing[0]!r}: expected it among the {kind}, found {sorted(mapping)}")
        self._check_known(**given)

    def _check_known(self, **given: Mapping[str, object]) -> None:
        for kind, mapping in given.items():
            unknown = [name for name in mapping if name not in self._names]
            if unknown:
                raise ValueError(f"{kind}: expected the tasks {list(self._names)}, found {unknown[0]!r}")
