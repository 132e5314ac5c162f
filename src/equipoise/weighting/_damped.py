"""Learned weights with damped ratios, so that a task that is learned well does not starve the others."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import Tensor

from equipoise._damping import check_damping, damped_total, damping_factors
from equipoise._joint import JointLoss
from equipoise.weighting._weights import backward_of

if TYPE_CHECKING:
    from torch.amp import GradScaler

DAMPING = 0.5
"""Regressions are then weighed by 1/σ, not 1/σ². Measured in docs/what-we-measured.md."""


class Damped:
    r"""The joint likelihood, with each task's gradient times c_k = (σ_k²/σ̄²)^damping.

    σ̄² is the geometric mean of the tasks' variances, each the geometric mean over its channels, in the network's own
    numbers. The product of all c_k is 1. So the common scale still grows as the losses fall; only the ratios change. A
    squared error of spread σ_k is weighed by 1/σ_k² with ``damping=0``, by 1/σ_k with 0.5, and as every other task with
    1.

    Without damping, the weight of a regression that is learned almost perfectly grows without end, and the shared
    layers serve it alone: a class beside it starves. With 0.5 a regression pulls on its own output as strongly as ever,
    however well it is learned.

    c_k has no gradient, and σ_k is in no other task's part. So the noise has the same optimum as without damping, and
    σ, distributions and calibration mean what they did.

    Give regressions their own unit (``standardize=True``, the default): otherwise the ratios of σ depend on units.

    Args:
        damping: 0 (learned weights as they are) to 1 (their common scale alone).

    Raises:
        ValueError: a damping outside 0 to 1.

    Source: our own; a joint likelihood to powers (see Bissiri, Holmes & Walker, JRSS B 2016) that follow σ. Measured in
    docs/what-we-measured.md.

    >>> import math, torch, equipoise as eq
    >>> noise = {"easy": 0.01, "hard": 1.0}  # σ²
    >>> likelihood = eq.MultiTaskLikelihood(
    ...     {name: eq.Gaussian(standardize=False, init=math.log(variance)) for name, variance in noise.items()}
    ... )
    >>> outputs = {name: torch.tensor([1.0], requires_grad=True) for name in noise}
    >>> Damped(0.5).backward(likelihood(outputs, {name: torch.zeros(1) for name in noise}))
    >>> [round(output.grad.item(), 2) for output in outputs.values()]  # with Learned: 100 and 1
    [31.62, 3.16]
    """

    def __init__(self, damping: float = DAMPING) -> None:
        self.damping = check_damping(damping, "Damped")

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of Σ c_k·nll_k. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """Σ c_k·nll_k, a scalar with its graph, for training loops that want a loss to be returned.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        return damped_total(joint, self._factors(joint))

    def factors(self, joint: JointLoss) -> dict[str, Tensor]:
        """c_k of each task, a scalar without gradient.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        return dict(zip(joint.tasks, self._factors(joint).unbind(), strict=True))

    def _factors(self, joint: JointLoss) -> Tensor:
        return damping_factors([term._log_variance for term in joint.tasks.values()], self.damping)
