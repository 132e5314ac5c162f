"""What the gradients of tasks say, and how right predicted uncertainties are."""

import math

import pytest
import torch
from torch.nn import functional

import equipoise as eq
from equipoise.calibration import expected_calibration_error
from equipoise.functional import student_t_quantile
from tests.core.test_weighting import joint_of, problem


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
