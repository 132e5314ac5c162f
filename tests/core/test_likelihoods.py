"""Gaussian and Laplace against torch.distributions, closed forms, float64 finite differences and loops."""

import math

import pytest
import torch

import equipoise as eq

SHAPES = [[], [5], [4, 3], [2, 3, 4], [2, 3, 2, 4], [2, 3, 2, 2, 2]]


def seeded(shape: list[int], *, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(shape, dtype=dtype, generator=generator),
        torch.randn(shape, dtype=dtype, generator=generator),
    )


def double(likelihood: eq.Likelihood, log_variance: float = 0.7) -> eq.Likelihood:
    likelihood = likelihood.double()
    with torch.no_grad():
        likelihood.log_variance.fill_(log_variance)
    return likelihood


def gaussian(**noise) -> eq.Gaussian:
    """In the target's own numbers, as the formula is written."""
    return eq.Gaussian(standardize=False, **noise)


def laplace(**noise) -> eq.Laplace:
    """In the target's own numbers, as the formula is written."""
    return eq.Laplace(standardize=False, **noise)


class TestRegression:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize(
        ("kind", "constant"), [(gaussian, 0.5 * math.log(2 * math.pi)), (laplace, 0.5 * math.log(2))]
    )
    def test_value_is_that_of_the_density(self, kind, constant, shape):
        output, target = seeded(shape)
        likelihood = double(kind())
        expected = -likelihood.distribution(output).log_prob(target).mean() - constant
        assert likelihood(output, target).nll.item() == pytest.approx(expected.item(), abs=1e-12)

    def test_laplace_sigma_is_the_standard_deviation(self):
        likelihood = double(laplace(), 1.3)
        assert likelihood.distribution(torch.zeros(1)).stddev.item() == pytest.approx(likelihood.sigma.item())

    def test_paper_form_by_hand(self):
        likelihood = double(eq.Laplace(form="paper"), math.log(4.0))
        term = likelihood(torch.tensor([3.0, 5.0]).double(), torch.tensor([1.0, 1.0]).double())
        assert term.loss.item() == pytest.approx(3.0)
        assert term.nll.item() == pytest.approx(3.0 / 8 + 0.5 * math.log(4))
        assert term.weight.item() == pytest.approx(1 / 8)
        assert likelihood.optimal_log_variance(torch.tensor([3.0]), torch.tensor([1.0])).exp().item() == pytest.approx(
            2.0
        )
        with pytest.raises(ValueError, match="form='exact'"):
            likelihood.distribution(torch.zeros(2))

    @pytest.mark.parametrize("kind", [gaussian, laplace, lambda **k: eq.Laplace(form="paper", **k)])
    @pytest.mark.parametrize("prior", [None, (2.0, 0.5)])
    def test_optimum_has_no_gradient(self, kind, prior):
        output, target = seeded([50])
        likelihood = double(kind(prior=prior))
        likelihood.noise.set_log_variance(likelihood.optimal_log_variance(output, target))
        likelihood(output, target).nll.backward()
        assert likelihood.log_variance.grad.abs().item() < 1e-12

    @pytest.mark.parametrize("kind", [gaussian, laplace])
    def test_gradients_against_finite_differences(self, kind):
        output, target = seeded([3, 2, 4])
        target[0, 1, 2] = float("nan")
        likelihood = double(kind(channels=2))
        parameters = (output.requires_grad_(), next(likelihood.parameters()))
        likelihood.eval()

        def nll(f, s):
            return torch.func.functional_call(likelihood, {"noise.bank.log_variance": s}, (f, target)).nll

        assert torch.autograd.gradcheck(nll, parameters)

    @pytest.mark.parametrize("kind", [gaussian, laplace])
    @pytest.mark.parametrize("factor", [1e-6, 3.0, 1e6])
    def test_unit_change_shifts_the_optimum(self, kind, factor):
        output, target = seeded([200])
        likelihood = double(kind())
        shift = likelihood.optimal_log_variance(factor * output, factor * target) - likelihood.optimal_log_variance(
            output, target
        )
        assert shift.item() == pytest.approx(2 * math.log(factor), abs=1e-9)

    @pytest.mark.parametrize("kind", [gaussian, laplace])
    def test_what_is_masked_never_leaks(self, kind):
        output, target = seeded([4, 3])
        mask = torch.tensor([[True], [False], [True], [True]])
        clean_output = output.clone().requires_grad_()
        clean = double(kind())(clean_output[[0, 2, 3]], target[[0, 2, 3]])
        output[1], target[1] = float("inf"), float("nan")
        output.requires_grad_()
        dirty = double(kind())(output, target, mask)
        assert dirty.nll.item() == pytest.approx(clean.nll.item())
        assert dirty.count.item() == 9
        clean.nll.backward()
        dirty.nll.backward()
        assert torch.equal(dirty_rows := output.grad[[0, 2, 3]], clean_output.grad[[0, 2, 3]]), dirty_rows
        assert torch.equal(output.grad[1], torch.zeros(3).double())

    def test_channels_by_hand(self):
        likelihood = gaussian(channels=2).double()
        with torch.no_grad():
            likelihood.log_variance.copy_(torch.tensor([0.0, math.log(4.0)]))
        output = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double()
        target = torch.tensor([[0.0, 0.0], [0.0, float("nan")]]).double()
        term = likelihood(output, target)
        squares = 0.5 * 1 + 0.5 * 9 + 0.5 * 4 / 4 + 0.5 * math.log(4)
        assert term.nll.item() == pytest.approx(squares / 3)
        assert term.loss.item() == pytest.approx((1 + 9 + 4) / 3)
        assert term.sigma.tolist() == pytest.approx([1.0, 2.0])
        assert term.weight.tolist() == pytest.approx([0.5, 0.125])

    @pytest.mark.parametrize("kind", [gaussian, laplace])
    def test_known_noise_is_recovered(self, kind):
        """σ of 20 000 residuals has a standard error of σ/√(2n) ≈ 0.5 % (Gaussian), σ/√n (Laplace): four of them."""
        torch.manual_seed(0)
        sigma = 3.0
        likelihood = kind()
        density = kind(init=2 * math.log(sigma)).distribution(torch.zeros(20_000))
        target, output = density.sample(), torch.zeros(20_000)
        optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
        for _ in range(400):
            optimizer.zero_grad()
            likelihood(output, target).nll.backward()
            optimizer.step()
        assert likelihood.sigma.item() == pytest.approx(sigma, rel=4 / math.sqrt(20_000))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_summed_in_float32(self, dtype):
        output, target = torch.full((100_000,), 2.0, dtype=dtype), torch.zeros(100_000, dtype=dtype)
        term = gaussian()(output, target)
        assert term.loss.item() == 4.0
        assert term.nll.dtype == torch.float32

    def test_what_raises(self):
        likelihood = gaussian()
        with pytest.raises(ValueError, match=r"equal shape, found \(4, 1\) and \(4,\)"):
            likelihood(torch.zeros(4, 1), torch.zeros(4))
        with pytest.raises(TypeError, match="boolean mask"):
            likelihood(torch.zeros(4), torch.zeros(4), torch.ones(4))
        with pytest.raises(ValueError, match="broadcasts to"):
            likelihood(torch.zeros(4), torch.zeros(4), torch.ones(3, dtype=torch.bool))
        with pytest.raises(FloatingPointError, match="not finite"):
            likelihood(torch.tensor([float("nan")]), torch.zeros(1))
        with pytest.raises(ValueError, match="expected 3 channels on axis 1"):
            gaussian(channels=3)(torch.zeros(4, 2), torch.zeros(4, 2))

    @pytest.mark.parametrize(
        "arguments",
        [
            {"init": "first"},
            {"update": "closed"},
            {"momentum": 1.0},
            {"bounds": (1.0, 0.0)},
            {"channels": 0},
            {"prior": (0.0, 1.0)},
            {"init": 99.0},
        ],
    )
    def test_arguments_out_of_range(self, arguments):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            gaussian(**arguments)


class TestStandardize:
    @pytest.mark.parametrize("kind", [eq.Gaussian, eq.Laplace])
    @pytest.mark.parametrize("factor", [1e-6, 1e6])
    def test_training_does_not_feel_the_unit(self, kind, factor):
        def trained(scale: float) -> tuple[float, float, float]:
            torch.manual_seed(1)
            model, likelihood = torch.nn.Linear(3, 1), kind(standardize=True, init="first_batch")
            inputs = torch.randn(64, 3)
            target = scale * (inputs @ torch.tensor([[1.0], [2.0], [-1.0]]) + 5 + 0.3 * torch.randn(64, 1))
            optimizer = torch.optim.Adam(eq.param_groups(model, likelihood, lr=0.05))
            for _ in range(60):
                optimizer.zero_grad()
                term = likelihood(model(inputs), target)
                term.nll.backward()
                optimizer.step()
            power = 2 if kind is eq.Gaussian else 1
            assert likelihood.distribution(model(inputs)).mean.mean().item() / scale == pytest.approx(
                target.mean().item() / scale, rel=0.2
            )
            return term.loss.item() / scale**power, term.sigma.item() / scale, term.weight.item() * scale**power

        assert trained(factor) == pytest.approx(trained(1.0), rel=1e-3)

    def test_fit_by_channel_and_round_trip(self):
        likelihood = eq.Laplace(standardize=True, channels=2)
        target = torch.tensor([[1.0, 100.0], [3.0, 300.0], [float("nan"), 500.0]])
        likelihood.fit(target)
        assert likelihood.unit.offset.tolist() == pytest.approx([2.0, 300.0])
        assert likelihood.unit.scale.tolist() == pytest.approx([1.0, math.sqrt(80000 / 3)])
        copy = eq.Laplace(standardize=True, channels=2)
        copy.load_state_dict(likelihood.state_dict())
        copy(torch.zeros(1, 2), torch.zeros(1, 2))  # a first batch that must not be taken for the unit
        assert torch.equal(copy.unit.offset, likelihood.unit.offset)
        located = likelihood.location(torch.tensor([[1.0, -1.0]]))
        assert located.tolist()[0] == pytest.approx([3.0, 300 - math.sqrt(80000 / 3)])

    def test_no_spread(self):
        likelihood = eq.Gaussian(standardize=True)
        with pytest.warns(UserWarning, match="no spread"):
            likelihood(torch.zeros(3), torch.full((3,), 7.0))
        assert likelihood.unit.scale.item() == 1.0

    def test_an_empty_first_batch_is_waited_out(self):
        likelihood = eq.Gaussian(standardize=True, init="first_batch")
        likelihood(torch.zeros(2), torch.full((2,), float("nan")))
        likelihood(torch.zeros(2), torch.tensor([1.0, 3.0]))
        assert likelihood.unit.offset.item() == 2.0
        assert likelihood.log_variance.item() == pytest.approx(0.0)
