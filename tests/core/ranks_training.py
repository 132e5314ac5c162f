"""Trainings that one process does on whole batches, and each of two ranks on its share."""

from typing import Any

import torch
from torch import Tensor, nn

import equipoise as eq
from tests.core.ranks_data import N, Result, numbers, parallel, ranks, share, state


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
    found = {"net." + name: p.detach().clone() for name, p in net.named_parameters()}
    found |= {"noise." + name: value for name, value in state(likelihood).items()} | {"losses": losses}
    return found | ({"drift": likelihood["b"].log_variance.item() - before} if unlabelled else {})


def damped(other: Any = eq.Laplace, *, inside: bool = False, absent: bool = False) -> Result:
    """Gradients and factors of one damped step; the first rank has few labels for "a" and none for "b".

    With ``absent`` the first rank passes no target for "b" at all, in place of NaN.
    """
    kinds = {"a": eq.Gaussian(standardize=False, init=-3.0, channels=2), "b": other(standardize=False, init=0.5)}
    likelihood = eq.MultiTaskLikelihood(kinds).double()
    net = Net(likelihood if inside else None).double()
    model, x = parallel(net), numbers(0, N, 4)
    targets = {"a": 0.1 * x[:, :2], "b": 1 - x[:, 2:]}
    targets["a"][3 : N // 3] = targets["a"][-5:, 1] = targets["b"][: N // 3] = float("nan")
    shares: dict[str, Tensor | None] = {name: share(target) for name, target in targets.items()}
    if absent and ranks() == (0, 2):
        shares["b"] = None
    joint = model(share(x), shares) if inside else likelihood(model(share(x)), shares)
    method = eq.weighting.Damped(0.5)
    method.backward(joint)
    factors = method.factors(joint)
    found = {"net." + name: gradient(p) for name, p in net.named_parameters()}
    found |= {"noise." + name: gradient(p) for name, p in likelihood.named_parameters()}
    return found | {"factors": [factors[name].item() for name in "ab"], "loss": method.loss(joint).item()}


def gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad.clone()


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
