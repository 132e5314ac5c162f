"""The overhead of weighting on a small MLP with three tasks, relative to TorchJD and to a hand-written sum."""

import torch
from torch import Tensor
from torch.nn import functional
from torchjd.aggregation import PCGrad, UPGrad
from torchjd.scalarization import UW

import equipoise as eq
from benchmarks.measure import side_by_side
from equipoise import weighting

ROUNDS = 400


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict(
            {"a": torch.nn.Linear(64, 1), "b": torch.nn.Linear(64, 4), "c": torch.nn.Linear(64, 1)}
        )

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        hidden = self.shared(inputs)
        return {name: head(hidden) for name, head in self.heads.items()}


INPUTS = torch.randn(64, 8)
TARGETS = {"a": torch.randn(64, 1), "b": torch.randint(4, (64,)), "c": torch.randn(64, 1)}


def losses(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "a": functional.mse_loss(outputs["a"], TARGETS["a"]),
        "b": functional.cross_entropy(outputs["b"], TARGETS["b"]),
        "c": functional.l1_loss(outputs["c"], TARGETS["c"]),
    }


def stepper(loss, extra=()):
    network = Network()
    optimizer = torch.optim.SGD([*network.parameters(), *extra], lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss(network(INPUTS)).backward()
        optimizer.step()

    return step


def by_hand():
    return stepper(lambda outputs: sum(losses(outputs).values()))


def torchjd_uw():
    scalarizer = UW(3)
    return stepper(lambda outputs: scalarizer(torch.stack(list(losses(outputs).values()))), scalarizer.parameters())


def uncertainty_weighting():
    ours = eq.UncertaintyWeighting({"a": "l2", "b": "classification", "c": "l1"})
    return stepper(lambda outputs: ours(losses(outputs)), ours.parameters())


def likelihood() -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood({"a": eq.Gaussian(), "b": eq.Categorical(), "c": eq.Laplace()})


def joint_likelihood():
    ours = likelihood()
    return stepper(lambda outputs: ours(outputs, TARGETS).loss, ours.parameters())


def aggregated(aggregator):
    network, ours = Network(), likelihood()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    method = weighting.Aggregated(aggregator)

    def step() -> None:
        optimizer.zero_grad()
        method.backward(ours(network(INPUTS), TARGETS), network.shared.parameters())
        optimizer.step()

    return step


def run() -> list[str]:
    torch.set_num_threads(1)
    uw = side_by_side(uncertainty_weighting(), torchjd_uw(), rounds=ROUNDS, warm_up=50)
    joint = side_by_side(joint_likelihood(), torchjd_uw(), rounds=ROUNDS, warm_up=50)
    hand = side_by_side(joint_likelihood(), by_hand(), rounds=ROUNDS, warm_up=50)
    lines = [
        f"UncertaintyWeighting against TorchJD's UW: {uw}",
        f"MultiTaskLikelihood (masks, checks) against TorchJD's UW on losses by hand: {joint}",
        f"MultiTaskLikelihood against a sum by hand: {hand}, {1e6 * (hand.one - hand.other):.0f} µs more",
    ]
    for aggregator in (UPGrad(), PCGrad()):
        ratio = side_by_side(aggregated(aggregator), joint_likelihood(), rounds=60, warm_up=5)
        lines.append(f"TorchJD's {type(aggregator).__name__} against MultiTaskLikelihood: {ratio}")
    return lines
