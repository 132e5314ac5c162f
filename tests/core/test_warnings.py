"""Warnings are true: none where log-variances do move, one where they cannot."""

import math
import warnings

import pytest
import torch

import equipoise as eq


def caught(run) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run()
    return [str(warning.message) for warning in found]


def raw(**noise) -> eq.Gaussian:
    return eq.Gaussian(standardize=False, **noise)


class TestOwnership:
    def steps(self, schedule, *, hold: bool, joint: bool = False, compiled: bool = False, n: int = 8):
        """Train for n steps; ``schedule(i)`` says whether the noise's own optimizer steps after step i."""
        torch._dynamo.reset()
        net = torch.nn.Linear(1, 1)
        one = raw()
        holder = eq.MultiTaskLikelihood({"a": one}) if joint else one
        network = torch.optim.SGD(net.parameters(), lr=0.01)
        own = torch.optim.SGD(holder.parameters(), lr=0.01) if hold else None

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return holder({"a": net(x)}, {"a": y}).loss if joint else holder(net(x), y).nll

        loss = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss

        def run() -> None:
            for i in range(n):
                network.zero_grad()
                loss(torch.ones(2, 1), torch.full((2, 1), 3.0)).backward()
                network.step()
                if own is not None and schedule(i):
                    own.step()
                    own.zero_grad()

        return [text for text in caught(run) if "holds no log-variance" in text]

    @pytest.mark.parametrize("joint", [False, True])
    @pytest.mark.parametrize("compiled", [False, True])
    def test_warns_once_when_nothing_moves_them(self, joint, compiled):
        found = self.steps(lambda i: False, hold=False, joint=joint, compiled=compiled)
        assert len(found) == 1
        assert "param_groups" in found[0]
        assert ("task 'a'" if joint else "Gaussian") in found[0]

    @pytest.mark.parametrize("joint", [False, True])
    @pytest.mark.parametrize("schedule", ["every", "every third", "last", "never yet"])
    def test_silent_for_any_schedule(self, joint, schedule):
        rule = {
            "every": lambda i: True,
            "every third": lambda i: i % 3 == 2,
            "last": lambda i: i == 7,
            "never yet": lambda i: False,
        }[schedule]
        assert self.steps(rule, hold=True, joint=joint) == []

    def test_silent_for_an_update_by_hand(self):
        net, likelihood = torch.nn.Linear(1, 1), raw()
        network = torch.optim.SGD(net.parameters(), lr=0.01)

        def run() -> None:
            for _ in range(6):
                likelihood(net(torch.ones(2, 1)), torch.full((2, 1), 3.0)).nll.backward()
                network.step()
                with torch.no_grad():
                    for parameter in likelihood.parameters():
                        parameter -= 0.01 * parameter.grad
                        parameter.grad = None

        assert caught(run) == []

    @pytest.mark.parametrize("how", ["frozen", "closed form", "other training"])
    def test_silent_where_nothing_should_move(self, how):
        net, likelihood = torch.nn.Linear(1, 1), raw(**({"update": "closed_form"} if how == "closed form" else {}))
        if how == "frozen":
            likelihood.requires_grad_(False)
        other = torch.nn.Linear(1, 1)
        network = torch.optim.SGD((other if how == "other training" else net).parameters(), lr=0.01)

        def run() -> None:
            likelihood(net(torch.ones(2, 1)), torch.full((2, 1), 3.0)).nll.backward()
            for _ in range(5):
                if how == "other training":
                    other(torch.ones(1, 1)).sum().backward()
                else:
                    likelihood(net(torch.ones(2, 1)), torch.full((2, 1), 3.0)).nll.backward()
                network.step()

        assert [text for text in caught(run) if "log-variance" in text] == []


class TestBounds:
    @pytest.mark.parametrize("compiled", [False, True])
    def test_each_is_said_once(self, compiled):
        torch._dynamo.reset()
        likelihood = eq.MultiTaskLikelihood({"a": raw(bounds=(-1.0, 1.0)), "b": raw()})
        optimizer = torch.optim.SGD(likelihood.parameters(), lr=0.5)

        def loss(y: torch.Tensor) -> torch.Tensor:
            return likelihood({"a": torch.zeros(4), "b": torch.zeros(4)}, {"a": y, "b": y / 100}).loss

        loss = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss

        def run() -> None:
            for _ in range(8):
                optimizer.zero_grad()
                loss(torch.full((4,), 100.0)).backward()
                optimizer.step()

        found = [text for text in caught(run) if "bounds" in text]
        assert len(found) == 1
        assert found[0].startswith("task 'a': log σ² has reached its bounds [-1, 1]")

    def test_check_says_it_too(self):
        likelihood = eq.MultiTaskLikelihood({"a": raw(bounds=(-1.0, 1.0))})
        with torch.no_grad():
            likelihood["a"].log_variance.fill_(1.0)
        assert len(caught(likelihood.check)) == 1
        assert caught(likelihood.check) == []


class TestLag:
    def run(self, loss: float, batches: int, lr: float) -> list[str]:
        weighting = eq.UncertaintyWeighting({"a": "l2", "b": "l2"})
        optimizer = torch.optim.SGD(weighting.parameters(), lr=lr)

        def train() -> None:
            for _ in range(batches):
                optimizer.zero_grad()
                weighting({"a": torch.tensor(loss), "b": torch.tensor(1.0)}).backward()
                optimizer.step()

        return caught(train)

    def test_warns_once_and_names_the_task(self):
        """The optimum is log 10⁵ = 11.5; at this rate s goes a hundredth of the way."""
        found = self.run(1e5, 400, 1e-9)
        assert len(found) == 1
        assert found[0].startswith("task 'a': σ lags far behind")

    def test_silent_when_it_follows(self):
        assert self.run(1e5, 400, 0.5) == []
        assert self.run(1.1, 400, 1e-9) == []


class TestMethodsOfOthers:
    """A method with parameters or a step of its own says so when they are never used."""

    scalarization = pytest.importorskip("torchjd.scalarization")

    def train(self, scalarizer, n: int, *, own_step: str | None = None, hold: bool = False) -> list[str]:
        net = torch.nn.Linear(1, 2)
        likelihood = eq.MultiTaskLikelihood({"a": raw(), "b": raw()})
        method = eq.weighting.Scalarized(scalarizer)
        parameters = [*net.parameters(), *likelihood.parameters(), *(scalarizer.parameters() if hold else [])]
        optimizer = torch.optim.SGD(parameters, lr=1e-4)

        def run() -> None:
            for _ in range(n):
                optimizer.zero_grad()
                y = net(torch.ones(3, 1))
                joint = likelihood({"a": y[:, 0], "b": y[:, 1]}, {"a": torch.ones(3), "b": torch.full((3,), 2.0)})
                method.backward(joint, net.parameters())
                optimizer.step()
                if own_step == "update":
                    scalarizer.update(method.values(joint).detach())
                elif own_step == "step":
                    scalarizer.step()

        return caught(run)

    @pytest.mark.parametrize(("name", "step", "n"), [("FAMO", "update", 6), ("DWA", "step", 104)])
    def test_without_its_step(self, name, step, n):
        def make():
            return getattr(self.scalarization, name)(*([2] if name == "FAMO" else []))

        found = [text for text in self.train(make(), n) if f"{step}() has not been called" in text]
        assert len(found) == 1
        assert name in found[0]
        assert [text for text in self.train(make(), n, own_step=step) if "has not been called" in text] == []

    def test_parameters_in_no_optimizer(self):
        found = self.train(self.scalarization.IMTLL(2), 5)
        assert len(found) == 1
        assert "IMTLL" in found[0]
        assert self.train(self.scalarization.IMTLL(2), 5, hold=True) == []


def test_nothing_is_said_in_an_ordinary_training():
    """Defaults, 200 steps, one task with labels in half of the batches: no word."""
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 4)
    likelihood = eq.MultiTaskLikelihood({"class": eq.Categorical(), "depth": eq.Laplace(), "size": eq.StudentT(4.0)})
    optimizer = torch.optim.Adam(eq.param_groups(net, likelihood, lr=1e-3))

    def run() -> None:
        for i in range(200):
            x = torch.randn(8, 3)
            y = net(x)
            depth = 30 + 5 * x[:, :1] + torch.randn(8, 1)
            targets = {"class": (x[:, 0] > 0).long(), "depth": depth if i % 2 else None, "size": 1e-3 * x[:, 1:2]}
            optimizer.zero_grad()
            likelihood({"class": y[:, :2], "depth": y[:, 2:3], "size": y[:, 3:]}, targets).loss.backward()
            optimizer.step()

    assert caught(run) == []
    assert not math.isclose(likelihood["depth"].log_variance.item(), 0.0)
