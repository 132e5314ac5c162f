"""Fixed weights with a growing effective rate, and learned ones without."""

import pytest
import torch

import equipoise as eq


def joint_of(outputs: dict[str, torch.Tensor], likelihood: eq.MultiTaskLikelihood | None = None) -> eq.JointLoss:
    likelihood = likelihood or eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in outputs})
    return likelihood(outputs, {name: torch.zeros_like(output) for name, output in outputs.items()})


def gradient(method: eq.weighting.Weighting, value: float, other: float = 1.0) -> tuple[float, float]:
    """The gradients of one output for each of two tasks, whose losses are the squares of these."""
    a, b = (torch.tensor([each], requires_grad=True) for each in (value, other))
    method.backward(joint_of({"a": a, "b": b}))
    return float(a.grad), float(b.grad)


class TestGrown:
    def test_the_sum_is_divided_by_its_bias_corrected_running_mean(self):
        method, momentum = eq.weighting.Grown({"a": 0.25, "b": 0.75}, momentum=0.9), 0.9
        mean = mass = 0.0
        for value in (3.0, 2.0, 0.5):
            total = 0.25 * value**2 + 0.75
            mean, mass = momentum * mean + (1 - momentum) * total, momentum * mass + (1 - momentum)
            expected = (0.25 * 2 * value / (mean / mass), 0.75 * 2 / (mean / mass))
            assert gradient(method, value) == pytest.approx(expected, rel=1e-5)

    def test_a_common_factor_of_the_weights_has_no_effect(self):
        found = [gradient(eq.weighting.Grown({"a": c, "b": 3 * c}), 2.0) for c in (0.1, 10.0)]
        assert found[0] == pytest.approx(found[1])

    def test_equal_weights_are_the_default(self):
        assert gradient(eq.weighting.Grown(), 2.0) == gradient(eq.weighting.Grown({"a": 0.5, "b": 0.5}), 2.0)

    def test_a_batch_without_labels_leaves_the_mean(self):
        method = eq.weighting.Grown()
        gradient(method, 2.0)
        before = float(method.mean)
        likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False)})
        output = torch.tensor([5.0], requires_grad=True)
        method.weighted = eq.weighting.Equal()
        method.backward(likelihood({"a": output}, {"a": torch.tensor([torch.nan])}))
        assert float(method.mean) == pytest.approx(before)
        assert output.grad is None or not output.grad.any()

    def test_a_state_continues_exactly(self):
        one, other = eq.weighting.Grown(), eq.weighting.Grown()
        assert one.state_dict() == {}
        gradient(one, 3.0)
        gradient(one, 2.0)
        other.load_state_dict(one.state_dict())
        assert gradient(one, 1.5) == gradient(other, 1.5)

    @pytest.mark.parametrize("momentum", [-0.1, 1.0])
    def test_a_momentum_out_of_range_is_refused(self, momentum):
        with pytest.raises(ValueError, match="expected a momentum of 0 or more, below 1"):
            eq.weighting.Grown(momentum=momentum)


class TestRateMatched:
    def likelihood(self) -> eq.MultiTaskLikelihood:
        return eq.MultiTaskLikelihood(
            {"a": eq.Gaussian(standardize=False, init=0.4), "b": eq.Laplace(standardize=False, init=-1.0)}
        )

    def gradients(self, method, likelihood, values) -> dict[str, float]:
        likelihood.zero_grad()
        outputs = {name: torch.tensor([value], requires_grad=True) for name, value in values.items()}
        method.backward(joint_of(outputs, likelihood))
        noise = {f"s_{name}": float(likelihood[name].log_variance.grad) for name in values}
        return {name: float(output.grad) for name, output in outputs.items()} | noise

    def test_the_network_gets_rescaled_gradients_and_the_noise_its_own(self):
        likelihood, method = self.likelihood(), eq.weighting.RateMatched()
        first, later = {"a": 3.0, "b": 2.0}, {"a": 0.5, "b": 1.0}
        self.gradients(method, likelihood, first)
        matched = self.gradients(method, likelihood, later)
        learned = self.gradients(eq.weighting.Learned(), likelihood, later)
        weights = likelihood.weights()
        factor = 1 / (weights["a"] * first["a"] ** 2 + weights["b"] * first["b"])
        assert matched["a"] == pytest.approx(factor * learned["a"], rel=1e-5)
        assert matched["b"] == pytest.approx(factor * learned["b"], rel=1e-5)
        assert {name: matched[name] for name in ("s_a", "s_b")} == pytest.approx(
            {name: learned[name] for name in ("s_a", "s_b")}
        )

    def test_smaller_sigmas_do_not_raise_the_rate(self):
        grown = []
        for log_variance in (0.0, -4.0):
            likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False, init=log_variance)})
            output = torch.tensor([2.0], requires_grad=True)
            eq.weighting.RateMatched().backward(joint_of({"a": output}, likelihood))
            grown.append(float(output.grad))
        assert grown[0] == pytest.approx(grown[1]) == pytest.approx(2 * 2.0 / 2.0**2)

    def test_a_task_that_is_labelled_later_counts_from_then_on(self):
        likelihood, method = self.likelihood(), eq.weighting.RateMatched()
        for target in (torch.tensor([torch.nan]), torch.tensor([0.0])):
            outputs = {name: torch.tensor([2.0], requires_grad=True) for name in "ab"}
            method.backward(likelihood(outputs, {"a": torch.tensor([0.0]), "b": target}))
            assert all(torch.isfinite(output.grad).all() for output in outputs.values())
        weights = likelihood.weights()
        assert float(method.factor) == pytest.approx(1 / (weights["a"] * 4 + weights["b"] * 2), rel=1e-5)

    def test_a_state_continues_exactly(self):
        likelihood, one, other = self.likelihood(), eq.weighting.RateMatched(), eq.weighting.RateMatched()
        self.gradients(one, likelihood, {"a": 3.0, "b": 2.0})
        other.load_state_dict(one.state_dict())
        later = {"a": 0.5, "b": 1.0}
        assert self.gradients(one, likelihood, later) == self.gradients(other, likelihood, later)

    @pytest.mark.parametrize(
        ("likelihood", "found"),
        [
            (eq.StudentT(3.0, standardize=False), "none"),
            (eq.Gaussian(channels=2, standardize=False), "2, one a channel"),
        ],
    )
    def test_a_task_without_a_single_weight_is_refused(self, likelihood, found):
        outputs = {"t": torch.ones(3, 2, requires_grad=True)}
        with pytest.raises(ValueError, match=f"task 't': RateMatched: expected a likelihood .*, found {found}"):
            eq.weighting.RateMatched().backward(joint_of(outputs, eq.MultiTaskLikelihood({"t": likelihood})))
