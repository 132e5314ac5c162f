"""Devices and sharding: no float64 where a device has none, modules built on ``meta``, ``fully_shard``."""

from collections.abc import Callable
from weakref import WeakValueDictionary

import pytest
import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import equipoise as eq
from equipoise import _stepping


class NoFloat64(TorchDispatchMode):
    """What a Mac's GPU does with float64."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if any(isinstance(t, torch.Tensor) and t.dtype == torch.float64 for t in tree_leaves(out)):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return out


def x(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


LOGITS = x(40, 3)
CLASSES = torch.multinomial((LOGITS / 1.5).softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
REGRESSIONS: dict[str, Callable[..., eq.Likelihood]] = {
    "Gaussian": eq.Gaussian,
    "Laplace": lambda **k: eq.Laplace(channels=2, **k),
    "StudentT": lambda **k: eq.StudentT(3.0, **k),
    "Multivariate": lambda **k: eq.MultivariateGaussian(2, **k),
}
CLASSIFIERS: dict[str, Callable[..., eq.Likelihood]] = {
    "Categorical": eq.Categorical,
    "exact": lambda **k: eq.Categorical(exact=True, **k),
    "weighted": lambda **k: eq.Categorical(class_weights=[1.0, 2.0, 0.5], label_smoothing=0.1, **k),
}
NOISES: list[dict[str, str]] = [{}, {"init": "first_batch"}, {"update": "closed_form"}]
CASES = [
    (kind, noise)
    for kind in (*REGRESSIONS, *CLASSIFIERS)
    for noise in NOISES
    if not (kind == "exact" and "update" in noise)  # The exact form has no closed form.
]


@pytest.fixture
def alone(monkeypatch):
    """Likelihoods of other tests, kept alive by compiled code, look at every optimizer's step too."""
    monkeypatch.setattr(_stepping, "_followed", WeakValueDictionary())


@pytest.mark.usefixtures("alone")
class TestNoFloat64:
    def test_the_mode_notices(self):
        with pytest.raises(TypeError, match="float64"), NoFloat64():
            torch.zeros(3).double()

    @pytest.mark.parametrize(("kind", "noise"), CASES)
    def test_training_refit_and_answers(self, kind, noise):
        output, target = (LOGITS, CLASSES) if kind in CLASSIFIERS else (x(40, 2), x(40, 2) * 3 + 50)
        output = output.clone().requires_grad_()
        with NoFloat64():
            likelihood = (REGRESSIONS | CLASSIFIERS)[kind](**noise)
            optimizer = torch.optim.SGD([*likelihood.parameters(), torch.zeros(1, requires_grad=True)], lr=0.1)
            for _ in range(2):
                likelihood(output, target).nll.backward()
                optimizer.step()
            likelihood.refit(output.detach(), target)
            best = likelihood.optimal_log_variance(output.detach(), target)
            likelihood.predict(output)
            likelihood.distribution(output)
        assert bool(torch.isfinite(best).all())

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.int32])
    def test_targets_of_other_types(self, dtype):
        target = (20 + 5 * x(40, 1)).to(dtype)
        with NoFloat64():
            likelihood = eq.Gaussian()
            likelihood(torch.zeros(40, 1), target)
            likelihood.fit(target)
        assert likelihood.unit.scale.item() == pytest.approx(target.float().std(correction=0).item(), rel=1e-3)

    def test_audit_and_report(self):
        shared = torch.ones(1, requires_grad=True)
        likelihood = eq.MultiTaskLikelihood({"c": eq.Categorical(), "d": eq.Laplace()})
        outputs, targets = {"c": LOGITS * shared, "d": x(40, 1) * shared}, {"c": CLASSES, "d": 3 + x(40, 1)}
        with NoFloat64():
            audit = eq.audit_gradients(likelihood(outputs, targets), [shared])
            report = eq.calibration_report(likelihood, outputs, targets)
        assert audit.norms["c"] > 0
        assert report["d"].nll == pytest.approx(report["d"].nll)


class TestMeta:
    @pytest.mark.parametrize(("kind", "noise"), CASES)
    @pytest.mark.parametrize("joint", [False, True])
    def test_built_there_and_brought_to_life(self, kind, noise, joint):
        """After ``to_empty`` and ``reset_parameters`` it is as if built on the CPU."""
        make = (REGRESSIONS | CLASSIFIERS)[kind]

        def built() -> torch.nn.Module:
            return eq.MultiTaskLikelihood({"t": make(**noise)}) if joint else make(**noise)

        with torch.device("meta"):
            likelihood = built()
        assert all(p.is_meta for p in likelihood.parameters())
        likelihood.to_empty(device="cpu")
        for tensor in [*likelihood.parameters(), *likelihood.buffers()]:
            tensor.detach().fill_(123.0 if tensor.is_floating_point() else 1)  # what memory may hold
        for module in likelihood.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        output, target = (LOGITS, CLASSES) if kind in CLASSIFIERS else (x(40, 2), x(40, 2) * 3 + 50)
        found, wanted = [], []
        for one, into in ((likelihood, found), (built(), wanted)):
            for _ in range(2):
                into.append((one({"t": output}, {"t": target}).loss if joint else one(output, target).nll).item())
        assert found == pytest.approx(wanted, abs=1e-6)

    @pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
    def test_loading_onto_meta_says_what_to_do(self):
        with torch.device("meta"):
            likelihood = eq.MultiTaskLikelihood({"a": eq.Categorical()})
        with pytest.raises(RuntimeError, match="to_empty"):
            likelihood.load_state_dict(eq.MultiTaskLikelihood({"a": eq.Categorical()}).state_dict())


class Joint(torch.nn.Module):
    def __init__(self, **noise):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Linear(4, 5)
        self.likelihood = eq.MultiTaskLikelihood(
            {"c": eq.Categorical(**noise), "d": eq.Gaussian(**noise), "s": eq.StudentT(3.0, **noise)}
        )

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        y = self.net(inputs)
        targets = {"c": labels, "d": 9 + inputs[:, :1], "s": inputs[:, 1:2]}
        return self.likelihood({"c": y[:, :3], "d": y[:, 3:4], "s": y[:, 4:]}, targets).loss


@pytest.fixture
def one_rank(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
def test_fully_shard_on_one_rank(one_rank, noise):
    """The same losses, log-variances and whole states as without it; two ranks are in test_ranks."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    found = []
    for shard in (False, True):
        model = Joint(**noise)
        if shard:
            fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        optimizer = torch.optim.SGD(eq.param_groups(model.net, model.likelihood, lr=0.05))
        losses = []
        for i in range(4):
            g = torch.Generator().manual_seed(i)
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4, generator=g), torch.randint(0, 3, (8,), generator=g))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        state = model.likelihood.state_dict()
        found.append((losses, {name: value.clone() for name, value in state.items()}))
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)
    assert found[1][1].keys() == found[0][1].keys()
    for name, value in found[0][1].items():
        assert torch.allclose(found[1][1][name], value, atol=1e-5), name
