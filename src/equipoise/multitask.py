"""The joint likelihood of several tasks: the product of their likelihoods, so its negative logarithm is a sum."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from equipoise._execution import is_recomputing
from equipoise._joint import JointLoss
from equipoise._reduction import Sums, over_ranks
from equipoise._shortcut import Shortcut
from equipoise._tasks import Counts, Tasks
from equipoise.likelihoods.likelihood import Likelihood

Optional = Mapping[str, Tensor | None]


class MultiTaskLikelihood(Tasks):
    r"""The joint likelihood of named tasks: p(y₁ … y_K | f) = Π p(y_k | f_k, σ_k).

    The joint loss is the sum of the tasks' mean negative log-likelihoods. Every task has one vote, however many
    elements it has. The strict joint likelihood would sum over elements, and dense tasks would drown the others.

    The likelihoods become submodules. Their log-variances move into one shared vector, ordered by class and name, so
    that an optimizer's state fits in whichever order the tasks are written. ``likelihood["depth"]`` is one of them.

    Args:
        likelihoods: a likelihood of its own for each task name.

    Shapes:
        outputs, targets, masks, weights: by task name, as the task's likelihood takes them.

    Raises:
        ValueError: no tasks, or one likelihood for two tasks.
        TypeError: a name that is not a string, or a value that is not a likelihood.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 6–10.

    >>> from equipoise.likelihoods import Categorical, Laplace
    >>> likelihood = MultiTaskLikelihood({"class": Categorical(), "depth": Laplace(standardize=False)})
    >>> outputs = {"class": torch.zeros(2, 3), "depth": torch.zeros(2, 1)}
    >>> joint = likelihood(outputs, {"class": torch.tensor([0, 1]), "depth": torch.ones(2, 1)})
    >>> print(joint)
    joint loss 2.513
    task    loss    nll  weight  sigma  count
    class  1.099  1.099       1      1      2
    depth      1  1.414   1.414      1      2
    """

    def __init__(self, likelihoods: Mapping[str, Likelihood]) -> None:
        if not likelihoods:
            raise ValueError("MultiTaskLikelihood: expected at least one task, found none")
        for name, likelihood in likelihoods.items():
            if not isinstance(name, str):
                raise TypeError(f"MultiTaskLikelihood: expected task names that are strings, found {name!r}")
            if not isinstance(likelihood, Likelihood):
                raise TypeError(f"task {name!r}: expected a likelihood, found {type(likelihood).__name__}")
        if len({id(member) for member in likelihoods.values()}) < len(likelihoods):
            raise ValueError("MultiTaskLikelihood: expected a likelihood of its own for each task, found one shared")
        super().__init__(likelihoods)
        self._was_quick = False
        self._shortcut = Shortcut([self[name] for name in self._groups[0]] if self._groups else [])

    def forward(
        self,
        outputs: Optional,
        targets: Optional,
        masks: Optional | None = None,
        *,
        weights: Optional | None = None,
        counts: Counts | None = None,
    ) -> JointLoss:
        """The joint loss of a batch.

        Args:
            outputs: each task's output.
            targets: each task's target. A task without labels in this batch has ``None``, or is left out; its output
                may then be left out too.
            masks: for some or all tasks, boolean, broadcastable to the target, True = valid.
            weights: for some or all tasks, how much each element or sample counts; see ``Likelihood.forward``.
            counts: for gradient accumulation: the divisor of each task's sum, in place of this batch's number of valid
                elements (or sum of their weights). Given the totals over all micro-batches of a step, their losses add
                up to that of the whole batch. Refused while a unit, a start or a closed form would be taken from one
                micro-batch.

        Returns:
            The joint loss, a scalar with its graph, and each task's part.

        Raises:
            ValueError: an unknown task, shapes that do not fit, or a negative loss; names the task.
            TypeError: an output or target that is not a tensor, or a mask that is not boolean; names the task.
            FloatingPointError: a loss that is not finite; names the task. On a GPU see ``check``.
        """
        self._check_names(outputs, targets, masks, weights, counts)
        # Activation checkpointing needs the second pass to take the same path as the first.
        second = is_recomputing()
        may_be_quick = not (masks or weights or counts) and self._may_be_quick() and (self._was_quick or not second)
        if may_be_quick and (joint := self._quickly(outputs, targets)) is not None:
            self._was_quick = True
            return joint
        self._was_quick = self._was_quick and second
        if counts:
            self._refuse_partial_starts(counts, "counts=", "call likelihood.fit(targets) first, or ")
        sums = [self._sums(name, outputs, targets, masks, weights) for name in self._names]
        return self._joint_loss(sums, counts or {})

    def _quickly(self, outputs: Optional, targets: Optional) -> JointLoss | None:
        """The fast path on a CPU: all tasks labelled, none masked, nothing pending."""
        names = self._groups[0]
        found = self._shortcut.means([outputs.get(n) for n in names], [targets.get(n) for n in names])
        if found is None or (joint := self._of_whole_batch(*found)) is None:
            return None
        if self.training:
            for unit in self._shortcut.units:
                if unit is not None:
                    unit.advance()
        return joint

    def _sums(
        self, name: str, outputs: Optional, targets: Optional, masks: Optional | None, weights: Optional | None
    ) -> Sums:
        output, target, member = outputs.get(name), targets.get(name), self[name]
        for kind, given in (("output", output), ("target", target)):
            if given is not None and not isinstance(given, Tensor):
                raise TypeError(f"task {name!r}: expected a tensor as its {kind}, found {type(given).__name__}")
        if target is None:
            return member._no_sums(output)
        if output is None:
            raise ValueError(f"task {name!r}: expected an output, since it has a target, found none")
        mask, weight = (masks or {}).get(name), (weights or {}).get(name)
        return member.sums(output, target, mask, weight, where=f"task {name!r}")

    def divisors(
        self, outputs: Optional, targets: Optional, masks: Optional | None = None, *, weights: Optional | None = None
    ) -> dict[str, Tensor]:
        """What each task's mean over this rank's batch divides by: valid elements, or the sum of their weights.

        Added up over the micro-batches of a step and over all ranks, they are what ``counts`` takes. Nothing changes.

        Args:
            outputs: only shape and dtype matter: ``torch.zeros(()).expand(shape)`` will do.
            targets: each task's target; one that is ``None`` or absent has no divisor.
            masks: see ``forward``.
            weights: see ``forward``.

        >>> from equipoise.likelihoods import Categorical
        >>> likelihood = MultiTaskLikelihood({"class": Categorical(class_weights=[1.0, 3.0])})
        >>> likelihood.divisors({"class": torch.zeros(3, 2)}, {"class": torch.tensor([0, 1, -100])})
        {'class': tensor(4.)}
        """
        self._check_names(outputs, targets, masks, weights, None)
        found = {}
        for name in self._names:
            if targets.get(name) is not None:
                with self[name]._asking():
                    found[name] = self._sums(name, outputs, targets, masks, weights).mass.sum()
        return found

    @torch.no_grad()
    def standardized_losses(
        self, outputs: Optional, targets: Optional, masks: Optional | None = None, *, weights: Optional | None = None
    ) -> dict[str, Tensor]:
        """Each task's ``standardized_loss`` for a batch, detached, over all ranks. Nothing changes.

        For methods of weighing that look at a batch again after the optimizer's step, such as FAMO. In training mode a
        forward pass would move starts, units and closed forms once more. Every rank must call it.

        Arguments: see ``forward``.

        Returns:
            Scalars by task name; 0 where no element is valid.

        Raises:
            ValueError: an unknown task, or shapes that do not fit; names the task.
            TypeError: an output or target that is not a tensor, or a mask that is not boolean; names the task.

        >>> from equipoise.likelihoods import Gaussian
        >>> likelihood = MultiTaskLikelihood({"depth": Gaussian(standardize=False)})
        >>> likelihood.standardized_losses({"depth": torch.tensor([1.0, 3.0])}, {"depth": torch.zeros(2)})
        {'depth': tensor(5.)}
        """
        self._check_names(outputs, targets, masks, weights, None)
        with ExitStack() as asking:
            for name in self._names:
                asking.enter_context(self[name]._asking())
            total = over_ranks([self._sums(name, outputs, targets, masks, weights) for name in self._names])
        return {name: self[name]._standardized_loss(sums) for name, sums in zip(self._names, total, strict=True)}

    def fit(self, targets: Optional, masks: Optional | None = None) -> None:
        """Take the units of the given tasks from these targets, and keep them. Every rank must call it.

        Tasks that own no unit, such as classes, are skipped.

        Args:
            targets: by task name, in the shape that the forward pass takes: all targets of the training set, say.
            masks: for some or all tasks, boolean, broadcastable to the target, True = valid.

        Raises:
            ValueError: an unknown task.
        """
        self._check_known(targets=targets, masks=masks or {})
        for name, target in targets.items():
            member: Any = self[name]
            if target is not None and getattr(member, "unit", None) is not None:
                member.fit(target, (masks or {}).get(name))

    def refit(
        self, outputs: Optional, targets: Optional, masks: Optional | None = None, *, weights: Optional | None = None
    ) -> None:
        """Set each given task's noise, or temperature of approximate classes, to its best value for held-out data.

        Every rank must call it, with its share of the data and the same tasks. Arguments: see ``forward``.

        Raises:
            ValueError: an unknown task, or shapes that do not fit.
        """
        self._check_known(outputs=outputs, targets=targets, masks=masks or {}, weights=weights or {})
        for name, output in outputs.items():
            if output is not None and (target := targets.get(name)) is not None:
                self[name].refit(output, target, (masks or {}).get(name), weights=(weights or {}).get(name))

    def distribution(self, outputs: Mapping[str, Tensor]) -> dict[str, Distribution]:
        """Each task's predictive distribution, in its target's unit, for those tasks that have outputs.

        Classes and vectors move to the last axis.

        Raises:
            ValueError: an unknown task, or one without a density (Gibbs, the paper's form of Laplace).
        """
        self._check_known(outputs=outputs)
        return {name: self[name].distribution(output) for name, output in outputs.items()}

    @torch.no_grad()
    def predict(self, outputs: Mapping[str, Tensor], *, probabilities: bool = False) -> dict[str, Tensor]:
        """Each task's point predictions, for those tasks that have outputs.

        Args:
            outputs: each task's output.
            probabilities: for classes, return calibrated probabilities in the shape of the outputs.

        Returns:
            Regressions: values in the target's unit. ``Categorical``: class indices, int64 ``(N, *)``. ``Bernoulli``:
            0 or 1, int64. ``VonMisesFisher``: unit vectors. ``Gibbs``: the output as it is.

        Raises:
            ValueError: an unknown task.

        >>> from equipoise.likelihoods import Categorical, Gaussian
        >>> likelihood = MultiTaskLikelihood({"class": Categorical(), "height": Gaussian()})
        >>> likelihood.fit({"height": torch.tensor([150.0, 170.0, 190.0])})
        >>> found = likelihood.predict({"class": torch.tensor([[0.0, 2.0]]), "height": torch.tensor([0.0])})
        >>> found["class"], found["height"]
        (tensor([1]), tensor([170.]))
        """
        self._check_known(outputs=outputs)
        return {name: self[name].predict(output, probabilities=probabilities) for name, output in outputs.items()}

    def _check_names(
        self,
        outputs: Optional,
        targets: Optional,
        masks: Optional | None,
        weights: Optional | None,
        counts: Counts | None,
    ) -> None:
        self._check_known(outputs=outputs, targets=targets)
        if masks or weights or counts:
            self._check_known(masks=masks or {}, weights=weights or {}, counts=counts or {})
