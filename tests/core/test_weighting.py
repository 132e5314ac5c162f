"""Scalar losses, and other methods behind one interface."""

import math
import sys

import pytest
import torch
from torch.nn import functional

import equipoise as eq


def problem(seed: int = 0) -> tuple[torch.nn.Module, torch.nn.ModuleDict, eq.MultiTaskLikelihood, torch.Tensor, dict]:
    torch.manual_seed(seed)
    shared = torch.nn.Linear(3, 4)
    heads = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 1), "b": torch.nn.Linear(4, 1)})
    inputs = torch.randn(16, 3)
    targets = {"a": torch.randn(16, 1), "b": 100 * torch.randn(16, 1)}
    return (
        shared,
        heads,
        eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"}),
        inputs,
        targets,
    )


def flat_gradient(loss: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
    return torch.cat([g.reshape(-1) for g in found])


def joint_of(shared, heads, likelihood, inputs, targets) -> eq.JointLoss:
    hidden = shared(inputs)
    return likelihood({name: head(hidden) for name, head in heads.items()}, targets)


class TestUncertaintyWeighting:
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("l2", lambda loss, s: 0.5 * math.exp(-s) * loss + 0.5 * s),
            ("l1", lambda loss, s: math.sqrt(2) * math.exp(-s / 2) * loss + 0.5 * s),
            ("l1-paper", lambda loss, s: 0.5 * math.exp(-s) * loss + 0.5 * s),
            ("classification", lambda loss, s: math.exp(-s) * loss + 0.5 * s),
            ("posenet", lambda loss, s: math.exp(-s) * loss + s),
            ("liebel", lambda loss, s: 0.5 * math.exp(-s) * loss + math.log(1 + math.exp(s))),
            ((2.0, 3.0), lambda loss, s: 2 * math.exp(-s) * loss + 3 * s),
        ],
    )
    def test_formulas(self, kind, expected):
        weighting = eq.UncertaintyWeighting({"t": kind}, init=0.7)
        loss = torch.tensor(1.7, requires_grad=True)
        total = weighting({"t": loss})
        assert total.item() == pytest.approx(expected(1.7, 0.7), rel=1e-6)
        total.backward()
        assert loss.grad.item() == pytest.approx(weighting.weights()["t"], rel=1e-6)
        s = weighting["t"].log_variance
        step = 1e-4
        slope = (expected(1.7, 0.7 + step) - expected(1.7, 0.7 - step)) / (2 * step)
        assert s.grad.item() == pytest.approx(slope, rel=1e-4)

    @pytest.mark.parametrize("absent", [{}, {"b": None}])
    def test_a_missing_loss_costs_nothing(self, absent):
        weighting = eq.UncertaintyWeighting({"a": "l2", "b": "classification"}, init=0.5)
        total = weighting({"a": torch.tensor(2.0)} | absent)
        total.backward()
        assert total.item() == pytest.approx(math.exp(-0.5) + 0.25)
        assert weighting["b"].log_variance.grad is None
        assert weighting({}).item() == 0.0

    def test_counts_of_zero_and_nan(self):
        weighting = eq.UncertaintyWeighting({"a": "l2"})
        assert weighting({"a": torch.tensor(float("nan"))}, counts={"a": 0}).item() == 0.0

    def test_errors_name_the_task(self):
        weighting = eq.UncertaintyWeighting({"a": "l2", "b": "l1"})
        with pytest.raises(ValueError, match=r"losses: expected the tasks \['a', 'b'\], found 'c'"):
            weighting({"c": torch.tensor(1.0)})
        with pytest.raises(ValueError, match="task 'a': expected losses of 0 or more"):
            weighting({"a": torch.tensor(-1.0)})
        with pytest.raises(FloatingPointError, match="task 'b'"):
            weighting({"b": torch.tensor(float("inf"))})
        with pytest.raises(ValueError, match="task 'a': expected a scalar loss"):
            weighting({"a": torch.ones(3)})
        with pytest.raises(ValueError, match="task 'x': expected one of l1, l2"):
            eq.UncertaintyWeighting({"x": "l3"})

    def test_flags_under_compile(self):
        weighting = eq.UncertaintyWeighting({"a": "l2", "b": "l1"})
        compiled = torch.compile(lambda a, b: weighting({"a": a, "b": b}), fullgraph=True, backend="aot_eager")
        compiled(torch.tensor(1.0), torch.tensor(-2.0))
        with pytest.raises(ValueError, match="task 'b'"):
            weighting.check()

    def test_amp_grad_scaler(self):
        model, weighting = torch.nn.Linear(2, 1), eq.UncertaintyWeighting({"a": "l2"})
        optimizer = torch.optim.Adam(eq.param_groups(model, weighting, lr=0.1))
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        for _ in range(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                output = model(torch.ones(4, 2))
            loss = weighting({"a": (output.float() - 9).square().mean()})
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        assert weighting["a"].log_variance.item() > 0


class TestWeightings:
    def test_learned_equal_and_fixed_against_autograd(self):
        shared, heads, likelihood, inputs, targets = problem()
        losses = {k: functional.mse_loss(h(shared(inputs)), targets[k]) for k, h in heads.items()}
        expected = {
            "learned": 0.5 * losses["a"] + 0.5 * losses["b"],
            "equal": (losses["a"] + losses["b"]) / 2,
            "fixed": 0.25 * losses["a"] + 3.0 * losses["b"],
        }
        methods = {
            "learned": eq.weighting.Learned(),
            "equal": eq.weighting.Equal(),
            "fixed": eq.weighting.Fixed({"a": 0.25, "b": 3.0}),
        }
        for name, method in methods.items():
            shared.zero_grad()
            method.backward(joint_of(shared, heads, likelihood, inputs, targets), shared.parameters())
            (wanted,) = torch.autograd.grad(expected[name], [shared.weight], retain_graph=True)
            assert torch.allclose(shared.weight.grad, wanted, rtol=1e-4)

    def test_fixed_refuses(self):
        with pytest.raises(ValueError, match="task 'a'"):
            eq.weighting.Fixed({"a": -1.0})
        with pytest.raises(ValueError, match="expected a weight for each"):
            eq.weighting.Fixed({"a": 1.0}).backward(joint_of(*problem()))

    def test_scalarizers(self):
        scalarization = pytest.importorskip("torchjd.scalarization")
        for scalarizer in (
            scalarization.Mean(),
            scalarization.GeometricMean(),
            scalarization.DWA(),
            scalarization.Random(),
            scalarization.IMTLL(2),
            scalarization.FAMO(2),
            scalarization.UW(2),
        ):
            shared, heads, likelihood, inputs, targets = problem()
            method = eq.weighting.Scalarized(scalarizer)
            for labelled in (True, False):
                if not labelled:
                    targets["b"][:] = float("nan")
                    heads.zero_grad()
                method.backward(joint_of(shared, heads, likelihood, inputs, targets), shared.parameters())
                assert torch.isfinite(shared.weight.grad).all()
            assert heads["b"].weight.grad is None or (heads["b"].weight.grad == 0).all()

    def test_mean_scalarizer_is_equal(self):
        scalarization = pytest.importorskip("torchjd.scalarization")
        gradients = []
        for method in (eq.weighting.Equal(), eq.weighting.Scalarized(scalarization.Mean())):
            shared, *rest = problem()
            method.backward(joint_of(shared, *rest))
            gradients.append(shared.weight.grad)
        assert torch.allclose(*gradients)

    def test_aggregators(self):
        aggregation = pytest.importorskip("torchjd.aggregation")
        for aggregator in (aggregation.UPGrad(), aggregation.PCGrad(), aggregation.MGDA(), aggregation.AlignedMTL()):
            shared, heads, likelihood, inputs, targets = problem()
            method = eq.weighting.Aggregated(aggregator)
            method.backward(joint_of(shared, heads, likelihood, inputs, targets), shared.parameters())
            losses = [functional.mse_loss(h(shared(inputs)), targets[k]) for k, h in heads.items()]
            rows = [flat_gradient(loss, shared) for loss in losses]
            torch.manual_seed(0)
            wanted = aggregator(torch.stack(rows))
            found = torch.cat([p.grad.reshape(-1) for p in shared.parameters()])
            if not isinstance(aggregator, aggregation.PCGrad):  # its order of tasks is random
                assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-4)
            head = torch.autograd.grad(losses[0], heads["a"].weight)[0]
            assert torch.allclose(heads["a"].weight.grad, head, rtol=1e-4)

    def test_sum_aggregator_accumulates_and_leaves_missing_tasks_out(self):
        aggregation = pytest.importorskip("torchjd.aggregation")
        shared, heads, likelihood, inputs, targets = problem()
        targets["b"][:] = float("nan")
        method = eq.weighting.Aggregated(aggregation.Sum())
        for times in (1, 2):
            method.backward(joint_of(shared, heads, likelihood, inputs, targets), shared.parameters())
            loss = functional.mse_loss(heads["a"](shared(inputs)), targets["a"])
            (wanted,) = torch.autograd.grad(loss, [shared.weight])
            assert torch.allclose(shared.weight.grad, times * wanted, rtol=1e-4)

    def test_absent_torchjd_says_how_to_install_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torchjd", None)
        monkeypatch.setitem(sys.modules, "torchjd.scalarization", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'equipoise\[baselines\]'"):
            eq.weighting.Scalarized(object())

    def test_wrong_objects(self):
        pytest.importorskip("torchjd")
        with pytest.raises(TypeError, match="Scalarizer, found object"):
            eq.weighting.Scalarized(object())
        with pytest.raises(TypeError, match="Aggregator, found int"):
            eq.weighting.Aggregated(3)
