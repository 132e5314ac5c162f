"""What every likelihood promises, as cases for the contract suite."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import equipoise as eq

PAGE = (Path(__file__).parents[2] / "docs/your-own-likelihood.md").read_text(encoding="utf-8")
DOCUMENTED: dict[str, Any] = {}
exec(PAGE.split("```python")[1].split("```")[0], DOCUMENTED)
"""The likelihood that the documentation defines as an example."""


@dataclass(frozen=True)
class Case:
    """One likelihood.

    Attributes:
        make: the likelihood, with noise arguments.
        leaves_out: contract items that do not apply, each with its reason.
        constant: what −log p has beyond nll, given dim of an observation; per element as nll counts.
        kind: regression, classes or labels.
    """

    name: str
    make: Callable[..., eq.Likelihood]
    kind: str = "regression"
    constant: Callable[[eq.Likelihood], float] | None = None
    leaves_out: dict[str, str] = field(default_factory=dict)
    vector: bool = False


def absolute(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs()


LOG_2PI = 1.8378770664093453
NO_DENSITY = "it has no density"
FITTED = "its unit was fitted to other targets: see test_units"


def student_constant(likelihood: eq.Likelihood) -> float:
    df = torch.tensor(likelihood.df, dtype=torch.float64)
    return float(torch.lgamma(df / 2) - torch.lgamma((df + 1) / 2) + 0.5 * torch.log(torch.pi * df))


def raw(kind: Callable[..., eq.Likelihood], *given: Any, **settings: Any) -> Callable[..., eq.Likelihood]:
    """A regression in its target's own numbers, as its formula is written."""
    return lambda **noise: kind(*given, standardize=False, **settings, **noise)


def fitted(kind: Callable[..., eq.Likelihood]) -> Callable[..., eq.Likelihood]:
    """A regression that owns a unit, which is known: offset 0.5, scale 2."""

    def make(**noise: Any) -> eq.Likelihood:
        likelihood = kind(**noise)
        likelihood.fit(torch.tensor([-1.5, 2.5]))
        return likelihood

    return make


CASES = [
    Case("Gaussian", raw(eq.Gaussian), constant=lambda _: 0.5 * LOG_2PI),
    Case("Gaussian, channels", raw(eq.Gaussian, channels=3), constant=lambda _: 0.5 * LOG_2PI, vector=True),
    Case(
        "Gaussian, own unit",
        fitted(eq.Gaussian),
        constant=lambda one: 0.5 * LOG_2PI + one.unit.scale.log().item(),
        leaves_out={"unit change": FITTED},
    ),
    Case("Laplace", raw(eq.Laplace), constant=lambda _: 0.34657359027997264),
    Case(
        "Laplace, own unit",
        fitted(eq.Laplace),
        constant=lambda one: 0.34657359027997264 + one.unit.scale.log().item(),
        leaves_out={"unit change": FITTED},
    ),
    Case(
        "Laplace, paper's form",
        lambda **k: eq.Laplace(form="paper", **k),
        leaves_out={"density": NO_DENSITY, "unit change": "its s is that of a Gaussian: log c, not 2·log c"},
    ),
    Case("Quantile, as documented", raw(DOCUMENTED["Quantile"], 0.8), leaves_out={"density": "it defines none"}),
    Case("StudentT", raw(eq.StudentT, 4.0), constant=student_constant, leaves_out={"weight": "not linear"}),
    Case(
        "MultivariateGaussian",
        raw(eq.MultivariateGaussian, 3),
        constant=lambda _: 0.5 * LOG_2PI,
        vector=True,
        leaves_out={"weight": "not linear"},
    ),
    Case(
        "VonMisesFisher",
        lambda **k: eq.VonMisesFisher(axis=-1, **k),
        kind="directions",
        constant=lambda _: LOG_2PI,
        vector=True,
        leaves_out={"unit change": "directions have no unit", "closed form": "refused", "standardize": "no unit"},
    ),
    Case(
        "Categorical", eq.Categorical, kind="classes", leaves_out={"density": "approximate", "unit change": "no unit"}
    ),
    Case(
        "Categorical, exact",
        lambda **k: eq.Categorical(exact=True, **k),
        kind="classes",
        constant=lambda _: 0.0,
        leaves_out={
            "weight": "not linear",
            "unit change": "no unit",
            "closed form": "no closed form",
            "standardize": "no unit",
        },
    ),
    Case("Bernoulli", eq.Bernoulli, kind="labels", leaves_out={"density": "approximate", "unit change": "no unit"}),
    Case(
        "Bernoulli, exact",
        lambda **k: eq.Bernoulli(exact=True, **k),
        kind="labels",
        constant=lambda _: 0.0,
        leaves_out={"weight": "not linear", "unit change": "no unit", "closed form": "no closed form"},
    ),
    Case(
        "Gibbs",
        lambda **k: eq.Gibbs(absolute, 1.0, 1.0, **k),
        leaves_out={"density": NO_DENSITY, "unit change": "depends on the loss"},
    ),
    Case(
        "Gibbs, log1p",
        lambda **k: eq.Gibbs(absolute, 0.5, "log1p", **k),
        leaves_out={"density": NO_DENSITY, "unit change": "depends on the loss", "prior": "refused"},
    ),
]


def batch(case: Case, shape: list[int], *, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Outputs and targets; ``shape`` is that of the target without the classes or the vector's axis."""
    generator = torch.Generator().manual_seed(seed)
    if case.kind == "classes":
        shape = shape or [1]
        output = torch.randn([shape[0], 5, *shape[1:]], generator=generator, dtype=dtype)
        weights = (output.movedim(1, -1) / 1.5).softmax(-1).reshape(-1, 5)
        return output, torch.multinomial(weights, 1, generator=generator).reshape(shape)
    if case.name in ("MultivariateGaussian", "VonMisesFisher"):
        shape = [*shape, 3]
    elif case.vector:
        shape = [shape[0] if shape else 4, 3, *shape[1:]]
    output = torch.randn(shape, generator=generator, dtype=dtype)
    target = torch.randn(shape, generator=generator, dtype=dtype)
    if case.kind == "directions":
        target = torch.nn.functional.normalize(output + target, dim=-1)
    return output, (output + 2 * target > 0).to(dtype) if case.kind == "labels" else target
