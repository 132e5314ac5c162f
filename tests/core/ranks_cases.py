"""Small trainings and fits that one process does on the whole batch, and each of two ranks on its share."""

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import equipoise as eq

Result = dict[str, Any]
N = 60


def ranks() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def share(tensor: Tensor) -> Tensor:
    """This process's part of a batch: of two ranks the first has a third."""
    rank, world = ranks()
    return tensor if world == 1 else tensor[: N // 3] if rank == 0 else tensor[N // 3 :]


def parallel(module: nn.Module, **options: Any) -> nn.Module:
    return module if ranks()[1] == 1 else DistributedDataParallel(module, **options)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels(seed: int, classes: int) -> Tensor:
    return torch.randint(classes, (N,), generator=torch.Generator().manual_seed(seed))


KINDS: dict[str, Callable[..., eq.Likelihood]] = {
    "gaussian": eq.Gaussian,
    "channels": lambda **k: eq.Laplace(channels=2, **k),
    "student": lambda **k: eq.StudentT(3.0, **k),
    "multivariate": lambda **k: eq.MultivariateGaussian(2, **k),
    "classes": eq.Categorical,
    "exact": lambda **k: eq.Categorical(exact=True, **k),
    "labels": lambda **k: eq.Bernoulli(exact=True, **k),
    "gibbs": lambda **k: eq.Gibbs(lambda f, y: (f - y).abs(), **k),
}


def task(kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Outputs and targets of the whole batch; the ranks' parts have different spreads."""
    output = numbers(seed, N, 2)
    if kind in ("classes", "exact"):
        target = labels(seed + 1, 2)
        target[5:9] = -100
        return output, target
    if kind == "labels":
        return output, (output + 2 * numbers(seed + 1, N, 2) > 0).double()
    target = output + numbers(seed + 1, N, 2) * torch.linspace(1, 5, N, dtype=torch.float64)[:, None]
    target[7, 1] = target[40, 0] = float("nan")
    return output, target


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


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


class Net(nn.Module):
    def __init__(self, inside: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.inside = inside

    def forward(self, x: Tensor, targets: dict[str, Tensor] | None = None) -> Any:
        hidden = torch.relu(self.trunk(x))
        outputs = {"a": self.a(hidden), "b": self.b(hidden)}
        return outputs if self.inside is None else self.inside(outputs, targets)


def tasks(**noise: Any) -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood({"a": eq.Gaussian(**noise), "b": eq.Laplace(**noise)}).double()


def training(method: Any, *, inside: bool = False, unlabelled: bool = False, adam: bool = False, **ddp: Any) -> Result:
    """Three steps of a network of two tasks."""
    likelihood = tasks()
    net = Net(likelihood if inside else None).double()
    model = parallel(net, **ddp)
    groups = eq.param_groups(net, likelihood, lr=0.01)
    optimizer = torch.optim.Adam(groups) if adam else torch.optim.SGD(groups, lr=0.01)
    losses, before = [], 0.0
    for step in range(4 if unlabelled else 3):
        x = numbers(step, N, 4)
        targets = {"a": 20 + 3 * x[:, :2], "b": 1 - x[:, 2:] + numbers(step + 9, N, 2)}
        if unlabelled and step >= 2:
            targets["b"][:] = float("nan")
        if unlabelled and step == 2:
            before = likelihood["b"].log_variance.item()
        optimizer.zero_grad()
        shares = {name: share(target) for name, target in targets.items()}
        joint = model(share(x), shares) if inside else likelihood(model(share(x)), shares)
        method.backward(joint, list(net.trunk.parameters()))
        optimizer.step()
        losses.append(joint.loss.item())
    # The batch norm of no layer: all state must agree.
    found = {"net." + name: p.detach().clone() for name, p in net.named_parameters()}
    found |= {"noise." + name: value for name, value in state(likelihood).items()} | {"losses": losses}
    return found | ({"drift": likelihood["b"].log_variance.item() - before} if unlabelled else {})


def aggregated_without_ddp(name: str) -> Result:
    """The shared gradient alone: without DDP the heads' gradients are this rank's own."""
    import torchjd.aggregation

    net, likelihood, x = Net().double(), tasks(standardize=False), numbers(0, N, 4)
    targets = {"a": share(20 + 3 * x[:, :2]), "b": share(1 - x[:, 2:])}
    method = eq.weighting.Aggregated(getattr(torchjd.aggregation, name)())
    method.backward(likelihood(net(share(x)), targets), net.trunk.parameters())
    return {"shared": [p.grad.clone() for p in net.trunk.parameters()]}


def aggregated(name: str, **options: Any) -> Result:
    import torchjd.aggregation

    return training(eq.weighting.Aggregated(getattr(torchjd.aggregation, name)()), **options)


def fractional_counts() -> Result:
    """A rank's share of 4 elements may be 0.25 of one: means of 4.0 and 2.0 weighed by it."""
    weighting, (rank, world) = eq.UncertaintyWeighting({"a": "l2"}).double(), ranks()
    loss, count = ((4.0, 0.25), (2.0, 1.0))[rank] if world == 2 else ((4.0 * 0.25 + 2.0) / 1.25, 1.25)
    return {"loss": weighting({"a": torch.tensor(loss, dtype=torch.float64)}, counts={"a": count}).item()}


def negative_on_one_rank() -> Result:
    """The error is raised on both, though the sum over the ranks is above zero."""
    value = torch.full((3,), -0.1 if ranks()[0] == 0 else 5.0)
    try:
        eq.Gibbs(lambda f, y: f - y)(value, torch.zeros(3))
    except ValueError as error:
        return {"error": "losses of at least 0" in str(error)}
    return {"error": False}


def weights_on_one_rank() -> Result:
    """The first rank says nothing of weights: each of its elements weighs 1."""
    likelihood = eq.MultiTaskLikelihood({"g": eq.Gaussian(standardize=False)}).double()
    output, target = task("gaussian")
    weights = torch.full((N,), 3.0, dtype=torch.float64)
    weights[: N // 3] = 1.0
    given = None if ranks() == (0, 2) else {"g": share(weights)}
    return {"loss": likelihood({"g": share(output)}, {"g": share(target)}, weights=given).loss.item()}


def sharded(**noise: Any) -> Result:
    """``fully_shard`` on two ranks; one process trains the plain model."""
    likelihood = eq.MultiTaskLikelihood(
        {"a": eq.Gaussian(**noise), "b": eq.Laplace(channels=2, **noise), "c": eq.StudentT(3.0, **noise)}
    ).double()
    net = Net(likelihood).double()
    if ranks()[1] > 1:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        fully_shard(net, mesh=init_device_mesh("cpu", (2,)))
    optimizer = torch.optim.SGD(eq.param_groups(net, likelihood, lr=0.01))
    losses = []
    for step in range(3):
        x = numbers(step, N, 4)
        optimizer.zero_grad()
        joint = net(share(x), {"a": share(20 + 3 * x[:, :2]), "b": share(1 - x[:, 2:] + numbers(step + 9, N, 2))})
        joint.loss.backward()
        optimizer.step()
        losses.append(joint.loss.item())
    found = {name: whole(value).clone() for name, value in net.state_dict().items()}
    return found | {"losses": losses}


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


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
    **{f"unit {kind}": lambda kind=kind: gathered_unit(kind) for kind in ("gaussian", "channels", "student", "multivariate")},
    **{f"start {kind}": lambda kind=kind: started(kind, init="first_batch") for kind in KINDS},
    **{
        f"closed form {kind}": lambda kind=kind: started(kind, update="closed_form", momentum=0.5)
        for kind in KINDS
        if kind not in ("exact", "labels")
    },
    **{f"weights {kind}": lambda kind=kind: weighted(kind) for kind in KINDS},
    "fractional counts": fractional_counts,
    "audit": audit,
    "one rank has labels": lambda: one_rank_has_labels("masked"),
    **{f"{name} without DDP": lambda name=name: aggregated_without_ddp(name) for name in ("UPGrad", "Mean")},
    **{f"{name}, DDP": lambda name=name: aggregated(name) for name in ("UPGrad", "Mean")},
    "UPGrad, likelihood inside DDP": lambda: aggregated("UPGrad", inside=True),
    "Learned, DDP": lambda: training(eq.weighting.Learned()),
    "Learned, inside": lambda: training(eq.weighting.Learned(), inside=True),
    "Equal, inside": lambda: training(eq.weighting.Equal(), inside=True),
    "Fixed, inside": lambda: training(eq.weighting.Fixed({"a": 1.0, "b": 0.2}), inside=True),
    "fully sharded": sharded,
    "fully sharded, first batch": lambda: sharded(init="first_batch"),
    "fully sharded, closed form": lambda: sharded(update="closed_form"),
    "static graph": lambda: training(eq.weighting.Learned(), inside=True, static_graph=True),
    "static graph, Equal": lambda: training(eq.weighting.Equal(), inside=True, static_graph=True),
    "unlabelled, DDP": lambda: training(eq.weighting.Learned(), unlabelled=True, adam=True),
    "unlabelled, inside": lambda: training(eq.weighting.Learned(), unlabelled=True, adam=True, inside=True),
}

MAY_BREAK: dict[str, Callable[[], Result]] = {
    "one rank has no target": lambda: one_rank_has_labels("absent"),
    "one rank has no weights": weights_on_one_rank,
}
"""Ranks that disagree on what they reduce cannot go on: these come last, and what came before is kept."""
