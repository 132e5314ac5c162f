"""How much each task moves the shared parameters: gradient norms, shares and cosines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from equipoise._figures import table
from equipoise._joint import JointLoss
from equipoise._reduction import add_over_ranks, is_distributed
from equipoise.functional import at_least_single


@dataclass(frozen=True, kw_only=True)
class GradientAudit:
    """What ``audit_gradients`` found, with g_k the gradient of task k on the shared parameters. Print it for a table.

    Attributes:
        norms: ‖g_k‖ of each task.
        shares: ‖g_k‖/Σ‖g_j‖ of each task; 0 if all norms are 0.
        cosines: g_j·g_k/(‖g_j‖‖g_k‖) of each pair of tasks; NaN if a norm is 0. Below 0 the tasks conflict.

    >>> print(GradientAudit(norms={"a": 3.0, "b": 1.0}, shares={"a": 0.75, "b": 0.25}, cosines={("a", "b"): -0.5}))
    task  norm  share  cos a  cos b
    a        3  75.0%   1.00  -0.50
    b        1  25.0%  -0.50   1.00
    """

    norms: dict[str, float]
    shares: dict[str, float]
    cosines: dict[tuple[str, str], float]

    def dominating(self, share: float = 0.8) -> str | None:
        """The name of a task whose share is at least ``share`` (above ½), or ``None``."""
        return next((name for name, value in self.shares.items() if value >= share), None)

    def cosine(self, one: str, other: str) -> float:
        """The cosine of the gradients of the tasks ``one`` and ``other``, in any order.

        Raises:
            KeyError: an unknown task.
        """
        return self.cosines[(one, other) if (one, other) in self.cosines else (other, one)]

    def __str__(self) -> str:
        names = list(self.norms)
        rows = [["task", "norm", "share", *(f"cos {name}" for name in names)]]
        for name in names:
            cosines = (1.0 if name == other else self.cosine(name, other) for other in names)
            rows.append([name, f"{self.norms[name]:.3g}", f"{self.shares[name]:.1%}", *(f"{c:.2f}" for c in cosines)])
        return table(rows)


def audit_gradients(terms: JointLoss | Mapping[str, Tensor], shared_parameters: Iterable[Tensor]) -> GradientAudit:
    """Measure how strongly each task pulls on the shared parameters, and whether tasks conflict.

    Takes one backward pass per task, leaves ``.grad`` untouched and keeps the graph, so ``backward`` may follow. It
    reads results back from the device; once every hundred steps or so is enough.

    With several ranks, every rank must call it. Gradients of a joint loss in training mode are those of the whole
    batch; gradients of given losses are averaged over the ranks, as DistributedDataParallel does.

    Args:
        terms: what ``MultiTaskLikelihood`` returned, whose losses are weighted by the learned noise; or a scalar loss,
            with its graph, for each task name.
        shared_parameters: the parameters that several tasks train, any shapes. A task that does not reach them has
            norm 0.

    Returns:
        Norms, shares and cosines as Python numbers.

    Raises:
        ValueError: no parameters that require gradients, or a loss that is not a scalar.

    >>> shared = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> audit = audit_gradients({"a": 3 * shared[0], "b": -shared[0]}, [shared])
    >>> audit.norms, audit.shares, audit.cosines
    ({'a': 3.0, 'b': 1.0}, {'a': 0.75, 'b': 0.25}, {('a', 'b'): -1.0})
    """
    losses = {name: term.nll for name, term in terms.tasks.items()} if isinstance(terms, JointLoss) else dict(terms)
    parameters = [p for p in shared_parameters if p.requires_grad]
    if not parameters:
        raise ValueError("audit_gradients: expected shared parameters that require gradients, found none")
    gradients = []
    for name, loss in losses.items():
        if loss.dim() != 0:
            raise ValueError(f"task {name!r}: expected a scalar loss, found one of shape {tuple(loss.shape)}")
        gradients.append(_flat_gradient(loss, parameters))
    matrix = at_least_single(torch.stack(gradients))
    if is_distributed():
        matrix = add_over_ranks(matrix) / dist.get_world_size()
    norms = matrix.norm(dim=1)
    cosines = (matrix @ matrix.T) / (norms * norms[:, None])
    total = norms.sum()
    shares = torch.where(total > 0, norms / total, 0.0)
    names = list(losses)
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    return GradientAudit(
        norms=dict(zip(names, norms.tolist(), strict=True)),
        shares=dict(zip(names, shares.tolist(), strict=True)),
        cosines={(names[i], names[j]): float(cosines[i, j]) for i, j in pairs},
    )


def _flat_gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    if not loss.requires_grad:
        return torch.cat([torch.zeros_like(p).reshape(-1) for p in parameters])
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).reshape(-1) for p, g in zip(parameters, found, strict=True)]
    )
