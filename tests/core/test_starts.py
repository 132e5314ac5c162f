"""Starts from the first batch, and log-variances in closed form."""

import warnings

import pytest
import torch

from tests.core.test_likelihoods import gaussian, laplace, seeded


class TestStart:
    @pytest.mark.parametrize("kind", [gaussian, laplace])
    def test_first_batch_only(self, kind):
        output, target = seeded([30], dtype=torch.float32)
        likelihood = kind(init="first_batch")
        expected = likelihood.optimal_log_variance(output, target).item()
        likelihood(output, target)
        likelihood(100 * output, target)
        assert likelihood.log_variance.item() == pytest.approx(expected, rel=1e-6)
        again = kind(init="first_batch")
        again.load_state_dict(likelihood.state_dict())
        again(100 * output, target)
        assert again.log_variance.item() == pytest.approx(expected, rel=1e-6)

    def test_closed_form_is_a_bias_corrected_running_mean(self):
        likelihood = gaussian(update="closed_form", momentum=0.9)
        assert not list(likelihood.parameters())
        losses, running, weight = [4.0, 1.0, 9.0], 0.0, 0.0
        for loss in losses:
            term = likelihood(torch.tensor([loss]).sqrt(), torch.zeros(1))
            running, weight = 0.9 * running + 0.1 * loss, 0.9 * weight + 0.1
            assert term.sigma.item() ** 2 == pytest.approx(running / weight, rel=1e-5)
        before = likelihood.log_variance.item()
        likelihood.eval()(torch.ones(1), torch.zeros(1))
        likelihood.train()(torch.ones(1), torch.full((1,), float("nan")))
        assert likelihood.log_variance.item() == before

    def test_weights_of_the_closed_form(self):
        """1/2L, 1/L, 1/2L: every weighted loss is the same at any scale."""
        for likelihood, share in [(gaussian(update="closed_form"), 0.5), (laplace(update="closed_form"), 1.0)]:
            term = likelihood(torch.tensor([3.0]), torch.zeros(1))
            assert (term.weight * term.loss).item() == pytest.approx(share, rel=1e-5)

    def test_bound_warns_once(self):
        likelihood = gaussian(init=-2.0, bounds=(-2.0, 2.0))
        with pytest.warns(UserWarning, match="bounds"):
            likelihood(torch.zeros(2), torch.zeros(2))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            likelihood(torch.zeros(2), torch.zeros(2))
