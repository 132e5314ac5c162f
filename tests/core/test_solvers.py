"""The extra ``baselines`` brings the solvers of every aggregator that the documentation names."""

import warnings

import pytest
import torch

import equipoise as eq

aggregation = pytest.importorskip("torchjd.aggregation")
NAMED = {
    "UPGrad": {},
    "PCGrad": {},
    "CAGrad": {"c": 0.5},
    "MGDA": {},
    "NashMTL": {"n_tasks": 2},
    "AlignedMTL": {},
}


@pytest.mark.parametrize("name", NAMED)
def test_an_aggregator_gives_a_gradient(name):
    torch.manual_seed(0)
    trunk = torch.nn.Linear(3, 4)
    heads = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 1), "b": torch.nn.Linear(4, 1)})
    likelihood = eq.MultiTaskLikelihood({task: eq.Gaussian(standardize=False) for task in heads})
    inputs = torch.randn(16, 3)
    hidden = trunk(inputs)
    joint = likelihood({t: h(hidden) for t, h in heads.items()}, {"a": inputs[:, :1], "b": -inputs[:, 1:2]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cvxpy's own, of how NashMTL states its problem
        eq.weighting.Aggregated(getattr(aggregation, name)(**NAMED[name])).backward(joint, trunk.parameters())
    assert torch.isfinite(trunk.weight.grad).all()
    assert trunk.weight.grad.abs().sum() > 0
