"""What a comparison needs to know of a model and its data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from equipoise.comparison.methods import Form
from equipoise.comparison.records import Metric
from equipoise.likelihoods import Likelihood
from equipoise.multitask import MultiTaskLikelihood

Split = Literal["validation", "test"]


class Problem(Protocol):
    """A model and its data, as a comparison asks for them.

    Everything random must come from the seed alone, so that all rows of a seed start from the same weights and see the
    same batches. To use several processes, objects of the class must survive ``pickle``, and the class must be in a
    module or in a script that guards its start by ``if __name__ == "__main__":``.

    Attributes:
        name: a title, for tables.
        tasks: all task names.
        metrics: by which tasks are judged; at least one for each task.
        steps_per_epoch: how many batches make an epoch, which some methods must know.

    >>> from equipoise.comparison import Table
    >>> import torch
    >>> problem: Problem = Table(
    ...     name="toy", inputs=torch.randn(60, 3), targets={"a": torch.randn(60)}, kinds={"a": "regression"}
    ... )
    >>> problem.metrics[0].key
    'a.rmse'
    """

    @property
    def name(self) -> str:
        """A title, for tables."""
        ...

    @property
    def tasks(self) -> Sequence[str]:
        """All task names."""
        ...

    @property
    def metrics(self) -> Sequence[Metric]:
        """By which tasks are judged."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """How many batches make an epoch."""
        ...

    def model(self, tasks: Sequence[str], seed: int) -> nn.Module:
        """Build a network for some of the tasks; what tasks share must start equal, whichever they are.

        Args:
            tasks: which outputs it must have. ``model(inputs)`` must return a mapping with each of them.
            seed: of the initial weights. The global generator is seeded with it as well.
        """
        ...

    def shared_parameters(self, model: nn.Module) -> Iterable[Tensor]:
        """The parameters that several tasks train, for methods that aggregate gradients.

        Args:
            model: one that ``model`` built.
        """
        ...

    def likelihood(self, task: str, form: Form) -> Likelihood:
        """Build the likelihood of a task.

        Args:
            task: its name.
            form: what the row asks for: ``noise`` are keywords for the constructor, ``standardize`` too unless it is
                ``None``; ``laplace`` asks regressions for absolute errors.
        """
        ...

    def batch(self, seed: int, step: int) -> tuple[Any, Mapping[str, Tensor]]:
        """The inputs and the targets of all tasks, where the model is.

        Args:
            seed: of the order of the samples, and of any augmentation.
            step: from 0.
        """
        ...

    def evaluate(
        self, model: nn.Module, likelihood: MultiTaskLikelihood, split: Split, seed: int
    ) -> Mapping[str, float]:
        """The values of the metrics of the likelihood's tasks, by ``Metric.key``. No gradients are kept.

        Args:
            model: in evaluation mode.
            likelihood: in evaluation mode; ``likelihood.predict(outputs)`` gives answers in the targets' units.
            split: which part of the data.
            seed: of the split, where it depends on one.
        """
        ...
