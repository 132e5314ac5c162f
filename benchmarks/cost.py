"""The cost of weighting in the worst case: a small MLP with 2, 10 and 50 tasks, and dense losses against PyTorch's.

Ratios are medians over alternating steps. The profiler counts the operations of one step without the optimizer.
"""

from itertools import cycle

import torch
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torchjd.scalarization import UW

import equipoise as eq
from benchmarks.measure import side_by_side

TASKS, ROUNDS, WARM_UP = (2, 10, 50), 400, 80
DENSE = (4, 1, 128, 256)
CLASSES = 19


class Network(torch.nn.Module):
    def __init__(self, tasks: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(16, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, tasks),
        )

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        return {f"t{i}": column for i, column in enumerate(self.layers(inputs).unbind(1))}


def batch(tasks: int) -> tuple[Tensor, dict[str, Tensor]]:
    inputs = torch.randn(64, 16)
    return inputs, {f"t{i}": inputs[:, i % 16] + 0.1 * torch.randn(64) for i in range(tasks)}


def stepper(tasks: int, loss, likelihood=None, extra=()):
    network = Network(tasks)
    # Use many batches, so that the network cannot memorise them and drive σ to its floor, which is not typical.
    batches = cycle([batch(tasks) for _ in range(64)])
    groups = [{"params": [*network.parameters(), *extra]}]
    if likelihood is not None:
        groups = eq.param_groups(network, likelihood, lr=1e-3)
    optimizer = torch.optim.Adam(groups, lr=1e-3)

    def step() -> None:
        inputs, targets = next(batches)
        optimizer.zero_grad()
        loss(network(inputs), targets).backward()
        optimizer.step()

    def forward_backward() -> None:
        inputs, targets = next(batches)
        loss(network(inputs), targets).backward()

    return step, forward_backward


def fixed(tasks: int):
    weights = [0.5 + 0.01 * i for i in range(tasks)]

    def loss(outputs, targets):
        return sum(w * functional.mse_loss(outputs[n], targets[n]) for w, n in zip(weights, targets, strict=True))

    return stepper(tasks, loss)


def ours(tasks: int, **noise):
    likelihood = eq.MultiTaskLikelihood({f"t{i}": eq.Gaussian(**noise) for i in range(tasks)})
    return stepper(tasks, lambda o, t: likelihood(o, t).loss, likelihood)


def scalar_losses(tasks: int):
    weighting = eq.UncertaintyWeighting({f"t{i}": "l2" for i in range(tasks)})
    return stepper(tasks, lambda o, t: weighting({n: functional.mse_loss(o[n], t[n]) for n in t}), weighting)


def torchjd(tasks: int):
    scalarizer = UW(tasks)

    def loss(outputs, targets):
        return scalarizer(torch.stack([functional.mse_loss(outputs[n], targets[n]) for n in targets]))

    return stepper(tasks, loss, extra=scalarizer.parameters())


def operations(run) -> int:
    """Count the PyTorch operations of one forward and backward pass."""
    for _ in range(WARM_UP):
        run()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    return sum(event.name.startswith("aten::") for event in found.events())


def small() -> list[str]:
    lines = []
    for tasks in TASKS:
        base, plain = fixed(tasks)
        methods = {
            "MultiTaskLikelihood": ours(tasks),
            "the same, closed form": ours(tasks, update="closed_form"),
            "UncertaintyWeighting": scalar_losses(tasks),
            "TorchJD's UW": torchjd(tasks),
        }
        lines.append(f"{tasks} tasks: fixed weights by hand: {operations(plain)} operations")
        for name, (step, forward_backward) in methods.items():
            ratio = side_by_side(step, base, rounds=ROUNDS, warm_up=WARM_UP)
            lines.append(
                f"{tasks} tasks: {name} against fixed weights: {ratio}, {operations(forward_backward)} operations"
            )
    return lines


def passes(loss, output: Tensor):
    leaf = output.detach().requires_grad_()

    def run() -> None:
        leaf.grad = None
        loss(leaf).backward()

    return run


def peak(run) -> int:
    """Return the peak of memory that a forward and backward pass allocates in PyTorch, bytes."""
    run()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, record_shapes=False) as found:
        run()
    held = most = 0
    for event in sorted(found.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def dense() -> list[str]:
    n, _, height, width = DENSE
    output, target = torch.randn(DENSE), torch.randn(DENSE)
    labels = torch.randint(CLASSES, (n, height, width))
    likelihood = {"l1": eq.Laplace(), "l2": eq.Gaussian(), "classes": eq.Categorical()}
    for kind in ("l1", "l2"):
        likelihood[kind].fit(target)
    cases = [
        ("Laplace", lambda f: likelihood["l1"](f, target).nll, lambda f: functional.l1_loss(f, target), output),
        ("Gaussian", lambda f: likelihood["l2"](f, target).nll, lambda f: functional.mse_loss(f, target), output),
    ]
    logits = torch.randn(n, CLASSES, height, width)
    for layout, name in ((torch.contiguous_format, "contiguous"), (torch.channels_last, "channels last")):
        cases.append(
            (
                f"Categorical, {name}",
                lambda f: likelihood["classes"](f, labels).nll,
                lambda f: functional.cross_entropy(f, labels),
                logits.contiguous(memory_format=layout),
            )
        )
    lines = []
    for name, one, other, given in cases:
        one, other = passes(one, given), passes(other, given)
        ratio = side_by_side(one, other, rounds=60, warm_up=20)
        lines.append(f"dense {DENSE}, {name} against torch's: {ratio}; peak memory {peak(one) / peak(other):.2f} x")
    return lines


def run() -> list[str]:
    torch.set_num_threads(1)
    return small() + dense()
