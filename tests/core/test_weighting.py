"""Scalar losses, other methods behind one interface, the audit of gradients, calibration."""

import math
import sys

import pytest
import torch
from torch.nn import functional

import equipoise as eq
from equipoise.calibration import expected_calibration_error
from equipoise.functional import student_t_quantile


def problem(seed: int = 0) -> tuple[torch.nn.Module, torch.nn.ModuleDict, eq.MultiTaskLikelihood, torch.Tensor, dict]:
    torch.manual_seed(seed)
    shared = torch.nn.Linear(3, 4)
    heads = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 1), "b": torch.nn.Linear(4, 1)})
    inputs = torch.randn(16, 3)
    targets = {"a": torch.randn(16, 1), "b": 100 * torch.randn(16, 1)}
    return shared, heads, eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"}), inputs, targets


def flat_gradient(loss: torch.Tensor, module: torch.nn.Module) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)
    return torch.cat([g.reshape(-1) for g in found])


def joint_of(shared, heads, likelihood, inputs, targets) -> eq.JointTerm:
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
        with pytest.raises(ValueError, match="task 'a': expected losses of at least 0"):
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


class TestAudit:
    def test_against_autograd(self):
        shared, heads, likelihood, inputs, targets = problem()
        joint = joint_of(shared, heads, likelihood, inputs, targets)
        audit = eq.audit_gradients(joint, shared.parameters())
        assert shared.weight.grad is None
        joint.loss.backward()  # the graph is still there
        rows = []
        for name, head in heads.items():
            loss = 0.5 * functional.mse_loss(head(shared(inputs)), targets[name])
            rows.append(torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, list(shared.parameters()))]))
        assert list(audit.norms.values()) == pytest.approx([row.norm().item() for row in rows], rel=1e-4)
        assert sum(audit.shares.values()) == pytest.approx(1.0)
        cosine = functional.cosine_similarity(rows[0], rows[1], dim=0).item()
        assert audit.cosines["a", "b"] == pytest.approx(cosine, abs=1e-4)
        assert audit.dominating() == "b"
        assert "share" in str(audit)

    def test_tasks_that_do_not_reach_the_parameters(self):
        shared = torch.ones(2, requires_grad=True)
        audit = eq.audit_gradients({"a": shared.sum(), "b": torch.tensor(1.0)}, [shared])
        assert audit.norms["b"] == 0.0
        assert math.isnan(audit.cosines["a", "b"])

    def test_what_raises(self):
        with pytest.raises(ValueError, match="shared parameters"):
            eq.audit_gradients({"a": torch.tensor(1.0)}, [])
        with pytest.raises(ValueError, match="task 'a': expected a scalar"):
            eq.audit_gradients({"a": torch.ones(2)}, [torch.ones(1, requires_grad=True)])


class TestCalibration:
    def test_coverage_and_temperature_before_and_after_refitting(self):
        torch.manual_seed(0)
        n = 40_000
        logits = 3 * torch.randn(n, 5)
        likelihood = eq.MultiTaskLikelihood(
            {
                "class": eq.Categorical(),
                "depth": eq.Gaussian(init=4.0, standardize=False),
                "heavy": eq.StudentT(3.0, init=3.0, standardize=False),
            }
        )
        outputs = {"class": logits, "depth": torch.zeros(n), "heavy": torch.zeros(n)}
        targets = {
            "class": torch.distributions.Categorical(logits=logits / 3).sample(),
            "depth": 0.5 * torch.randn(n),
            "heavy": torch.distributions.StudentT(3.0).sample((n,)),
        }
        before = eq.calibration_report(likelihood, outputs, targets)
        assert before["class"].calibration_error > 0.2
        assert before["depth"].coverage[0.5] > 0.99
        likelihood.refit(outputs, targets)
        after = eq.calibration_report(likelihood, outputs, targets)
        assert after["class"].calibration_error < 0.01
        for task in ("depth", "heavy"):
            for level, share in after[task].coverage.items():
                # Four standard errors of a share of 40 000.
                assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / n) + 0.003)
        assert likelihood["class"].temperature.log_temperature.exp().item() == pytest.approx(3.0, rel=0.05)
        assert likelihood["class"].log_variance.item() == 0.0
        assert all(after[task].nll < before[task].nll for task in after.tasks)
        assert "in 95%" in str(after)

    def test_nll_has_all_constants(self):
        likelihood = eq.MultiTaskLikelihood({"m": eq.MultivariateGaussian(2, standardize=False), "l": eq.Bernoulli()})
        outputs = {"m": torch.zeros(5, 2), "l": torch.zeros(4)}
        targets = {"m": torch.zeros(5, 2), "l": torch.ones(4)}
        report = eq.calibration_report(likelihood, outputs, targets)
        assert report["m"].nll == pytest.approx(math.log(2 * math.pi))
        assert report["l"].nll == pytest.approx(math.log(2))

    def test_error_by_hand(self):
        confidence = torch.tensor([0.95, 0.95, 0.55, 0.55])
        right = torch.tensor([1.0, 1.0, 0.0, 1.0])
        assert expected_calibration_error(confidence, right, bins=10) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)

    def test_t_quantiles_against_scipy(self):
        stats = pytest.importorskip("scipy.stats")
        for df in (1.0, 2.5, 4.0, 30.0):
            for p in (0.75, 0.9, 0.975):
                assert student_t_quantile(df, p) == pytest.approx(stats.t.ppf(p, df), rel=2e-3)
