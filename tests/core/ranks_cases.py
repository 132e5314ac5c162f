"""What one process does on a whole batch, and each of two ranks on its share: fits, starts, sums and trainings."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import equipoise as eq
from tests.core.ranks_data import KINDS, N, Result, numbers, ranks, share, state, task
from tests.core.ranks_training import Net, aggregated, aggregated_without_ddp, damped, sharded, tasks, training


def refit(kind: str) -> Result:
    likelihood = KINDS[kind]().double()
    output, target = task(kind)
    likelihood.refit(share(output), share(target))
    return state(likelihood)


def fit_unit(kind: str) -> Result:
    likelihood = KINDS[kind]().double()
    likelihood.fit(share(50 + 9 * task(kind)[1]))
    return state(likelihood)


def gathered_unit(kind: str) -> Result:
    likelihood = KINDS[kind]().double()
    for seed in range(3):
        output, target = task(kind, seed)
        likelihood(share(output), share(50 + 9 * target))
    return state(likelihood)


def started(kind: str, **noise: Any) -> Result:
    """Two batches: the first starts, the second must not."""
    own = {} if kind in ("classes", "exact", "labels", "gibbs") else {"standardize": False}
    likelihood = KINDS[kind](**noise, **own).double()
    losses = []
    for seed in (0, 5):
        output, target = task(kind, seed)
        losses.append(likelihood(share(output), share(target)).nll.item())
    return state(likelihood) | {"losses": losses}


def weighted(kind: str) -> Result:
    """Weights of samples; the gradient of s is that of the whole batch on every rank, averaged or not."""
    own = {} if kind in ("classes", "exact", "labels", "gibbs") else {"standardize": False}
    likelihood = KINDS[kind](**own).double()
    output, target = task(kind)
    weights = torch.rand(N, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    term = likelihood(share(output), share(target), weights=share(weights))
    term.nll.backward()
    gradients = [p.grad.clone() for p in likelihood.parameters()]
    return {"nll": term.nll.item(), "loss": term.loss.item(), "gradients": gradients}


def fractional_counts() -> Result:
    """A rank's share of 4 elements may be 0.25 of one: means of 4.0 and 2.0 weighed by it."""
    weighting, (rank, world) = eq.UncertaintyWeighting({"a": "l2"}).double(), ranks()
    loss, count = ((4.0, 0.25), (2.0, 1.0))[rank] if world == 2 else ((4.0 * 0.25 + 2.0) / 1.25, 1.25)
    return {"loss": weighting({"a": torch.tensor(loss, dtype=torch.float64)}, counts={"a": count}).item()}


def damped_losses(*, missing: bool) -> Result:
    """Scalar losses with their counts; with ``missing`` the second rank has none for "b"."""
    weighting, (rank, world) = eq.UncertaintyWeighting({"a": "l2", "b": "l1"}, damping=0.5).double(), ranks()
    with torch.no_grad():
        weighting["a"].log_variance.fill_(-2.0)
    given: dict[str, tuple[float, int] | None] = {"a": (2.6, 10), "b": (4.0, 3) if missing else (2.2, 10)}
    if world == 2:
        given = [{"a": (4.0, 3), "b": (4.0, 3)}, {"a": (2.0, 7), "b": None if missing else (10 / 7, 7)}][rank]
    losses = {name: torch.tensor(one[0], dtype=torch.float64) for name, one in given.items() if one is not None}
    total = weighting(losses, counts={name: one[1] for name, one in given.items() if one is not None})
    total.backward()
    return {"total": total.item(), "gradients": [p.grad for p in weighting.parameters()]}


def negative_on_one_rank() -> Result:
    """The error is raised on both, though the sum over the ranks is above zero."""
    value = torch.full((3,), -0.1 if ranks()[0] == 0 else 5.0)
    try:
        eq.Gibbs(lambda f, y: f - y)(value, torch.zeros(3))
    except (ValueError, FloatingPointError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"error": "none"}


def weights_on_one_rank() -> Result:
    """The first rank says nothing of weights: each of its elements weighs 1."""
    likelihood = eq.MultiTaskLikelihood({"g": eq.Gaussian(standardize=False)}).double()
    output, target = task("gaussian")
    weights = torch.full((N,), 3.0, dtype=torch.float64)
    weights[: N // 3] = 1.0
    given = None if ranks() == (0, 2) else {"g": share(weights)}
    return {"loss": likelihood({"g": share(output)}, {"g": share(target)}, weights=given).loss.item()}


def looked_at_again(kind: str) -> Result:
    likelihood = eq.MultiTaskLikelihood({"a": KINDS[kind]().double()})
    output, target = task(kind)
    likelihood({"a": share(output)}, {"a": share(target)})
    return {"loss": likelihood.standardized_losses({"a": share(2 * output)}, {"a": share(target)})["a"].item()}


def audit() -> Result:
    net, likelihood, x = Net().double(), tasks(standardize=False), numbers(0, N, 4)
    joint = likelihood(net(share(x)), {"a": share(20 + 3 * x[:, :2]), "b": share(1 - x[:, 2:])})
    found = eq.audit_gradients(joint, net.trunk.parameters())
    return {"norms": list(found.norms.values()), "cosine": found.cosine("a", "b")}


def one_rank_has_labels(how: str) -> Result:
    """Tasks whose labels are all on the second rank, the unit and a start included; ``how`` the first has none."""
    likelihood = eq.MultiTaskLikelihood({"g": eq.Gaussian(init="first_batch"), "c": eq.Categorical()}).double()
    (output, target), (logits, classes) = task("gaussian"), task("classes")
    target[: N // 3] = float("nan")
    classes[: N // 3] = -100
    given = {"g": share(output), "c": share(logits)}, {"g": share(target), "c": share(classes)}
    if how == "absent" and ranks() == (0, 2):
        given[1].pop("g")
        given[1]["c"] = None
    for _ in range(3):
        joint = likelihood(*given)
    return state(likelihood) | {"loss": joint.loss.item(), "counts": [t.count.item() for t in joint.tasks.values()]}


CASES: dict[str, Callable[[], Result]] = {
    **{f"refit {kind}": lambda kind=kind: refit(kind) for kind in KINDS},
    **{f"fit {kind}": lambda kind=kind: fit_unit(kind) for kind in ("gaussian", "channels", "student", "multivariate")},
    **{
        f"unit {kind}": lambda kind=kind: gathered_unit(kind)
        for kind in ("gaussian", "channels", "student", "multivariate")
    },
    **{f"start {kind}": lambda kind=kind: started(kind, init="first_batch") for kind in KINDS},
    **{
        f"closed form {kind}": lambda kind=kind: started(kind, update="closed_form", momentum=0.5)
        for kind in KINDS
        if kind not in ("exact", "labels")
    },
    **{f"weights {kind}": lambda kind=kind: weighted(kind) for kind in KINDS},
    **{f"looked at again {kind}": lambda kind=kind: looked_at_again(kind) for kind in KINDS},
    "fractional counts": fractional_counts,
    "audit": audit,
    "one rank has labels": lambda: one_rank_has_labels("masked"),
    **{f"{name} without DDP": lambda name=name: aggregated_without_ddp(name) for name in ("UPGrad", "Mean")},
    **{f"{name}, DDP": lambda name=name: aggregated(name) for name in ("UPGrad", "Mean")},
    "UPGrad, likelihood inside DDP": lambda: aggregated("UPGrad", inside=True),
    "Learned, DDP": lambda: training(eq.weighting.Learned()),
    "Learned, inside": lambda: training(eq.weighting.Learned(), inside=True),
    "Damped, DDP": lambda: training(eq.weighting.Damped()),
    "Damped, inside": lambda: training(eq.weighting.Damped(), inside=True),
    "Damped, unlabelled": lambda: training(eq.weighting.Damped(), unlabelled=True, adam=True, inside=True),
    "Damped, one rank without labels": damped,
    "Damped, one rank without labels, inside": lambda: damped(inside=True),
    "Damped, one rank without labels, StudentT": lambda: damped(partial(eq.StudentT, 4.0)),
    "Damped losses": lambda: damped_losses(missing=False),
    "Damped losses, one rank without": lambda: damped_losses(missing=True),
    "Equal, inside": lambda: training(eq.weighting.Equal(), inside=True),
    "Fixed, inside": lambda: training(eq.weighting.Fixed({"a": 1.0, "b": 0.2}), inside=True),
    "static graph": lambda: training(eq.weighting.Learned(), inside=True, static_graph=True),
    "static graph, Equal": lambda: training(eq.weighting.Equal(), inside=True, static_graph=True),
    "unlabelled, DDP": lambda: training(eq.weighting.Learned(), unlabelled=True, adam=True),
    "unlabelled, inside": lambda: training(eq.weighting.Learned(), unlabelled=True, adam=True, inside=True),
}

MAY_BREAK: dict[str, Callable[[], Result]] = {
    "one rank has no target": lambda: one_rank_has_labels("absent"),
    "Damped, one rank has no target": lambda: damped(absent=True),
    "Damped, one rank has no target, inside": lambda: damped(inside=True, absent=True),
    "one rank has no weights": weights_on_one_rank,
    "fully sharded": sharded,
    "fully sharded, first batch": lambda: sharded(init="first_batch"),
    "fully sharded, closed form": lambda: sharded(update="closed_form"),
}
"""Ranks that disagree on what they reduce cannot go on: these come last, and what came before is kept."""
