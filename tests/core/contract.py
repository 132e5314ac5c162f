"""What the contract suite runs on: every likelihood, on every device, in every precision.

``CASES`` are the likelihoods, each with the items that it leaves out and why; ``ITEMS`` are the items, with the
precisions that each is held in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import equipoise as eq
from tests.core.settings import DTYPES, SETTINGS, Setting

PAGE = (Path(__file__).parents[2] / "docs/your-own-likelihood.md").read_text(encoding="utf-8")
DOCUMENTED: dict[str, Any] = {}
exec(PAGE.split("```python")[1].split("```")[0], DOCUMENTED)
"""The likelihood that the documentation defines as an example."""


ITEMS = {
    "density": DTYPES,
    # Finite differences of float32 have errors of a per cent.
    "finite differences": (torch.float64,),
    "optimum": DTYPES,
    "prior": DTYPES,
    # Outputs times 10⁶ are rounded anew, by up to 0.4 % in bfloat16: the residuals are then others.
    "unit change": (torch.float64, torch.float32),
    "masks": DTYPES,
    "NaN targets": DTYPES,
    "empty batch": DTYPES,
    "closed form": DTYPES,
    "weight": DTYPES,
    "halves": DTYPES,
    "state": DTYPES,
    "first batch": DTYPES,
    # Autocast is about half precision; float32 is what it is compared with.
    "autocast": (torch.bfloat16,),
    # A compilation takes up to a second, and the graph is the same in every precision.
    "compile": (torch.float32,),
    # Only shapes and zeros.
    "several ranks": (torch.float64,),
}
"""The items of the contract, each with the precisions that it is held in; a remark says why where it is not all."""


@dataclass(frozen=True)
class Case:
    """One likelihood.

    Attributes:
        make: the likelihood, with noise arguments.
        leaves_out: items of the contract that do not apply, each with its reason.
        constant: what −log p has beyond nll, per element as nll counts.
        kind: regression, classes, labels or directions.
        vector: whether its s, or an observation, is a vector of three.
    """

    name: str
    make: Callable[..., eq.Likelihood]
    kind: str = "regression"
    constant: Callable[[eq.Likelihood], float] | None = None
    leaves_out: dict[str, str] = field(default_factory=dict)
    vector: bool = False

    def takes(self, noise: dict[str, Any]) -> bool:
        """Whether these arguments of the noise apply."""
        wanted = {"closed form": noise.get("update") == "closed_form", "prior": bool(noise.get("prior"))}
        return not any(is_wanted and item in self.leaves_out for item, is_wanted in wanted.items())

    def made(self, setting: Setting, *, s: float | None = 0.4, **noise: Any) -> eq.Likelihood:
        """The likelihood on a device, with a log-variance."""
        likelihood = self.make(**noise).to(setting.device, setting.wide)
        if s is not None:
            with torch.no_grad():
                likelihood.log_variance.fill_(s)
        return likelihood

    def batch(self, setting: Setting, shape: list[int], *, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Outputs in a setting's precision, and targets, on its device."""
        output, target = batch(self, shape, seed=seed)
        target = target.to(setting.wide) if target.is_floating_point() else target
        return output.to(setting.device, setting.dtype), target.to(setting.device)


def holds(*items: str, noises: Sequence[dict[str, Any]] = ()) -> pytest.MarkDecorator:
    """Run a test on every likelihood to which all ``items`` apply, in every setting that they are held in.

    Args:
        items: what the test is about.
        noises: arguments of the noise, each of which is run; ``closed form`` is left out where it does not apply.
    """
    found = []
    for case in CASES:
        for setting in SETTINGS:
            if any(item in case.leaves_out or setting.dtype not in ITEMS[item] for item in items):
                continue
            for noise in noises or [{}]:
                if not case.takes(noise):
                    continue
                name = ", ".join([case.name, str(setting), *(f"{k}={v}" for k, v in noise.items())])
                given = (case, setting, noise) if noises else (case, setting)
                found.append(pytest.param(*given, id=name))
    return pytest.mark.parametrize("case, setting, noise" if noises else "case, setting", found)


def with_noises(*noises: dict[str, Any]) -> list[Any]:
    """Every likelihood with each of these arguments of the noise that apply to it."""
    return [
        pytest.param(case, noise, id=f"{case.name}, {noise}") for case in CASES for noise in noises if case.takes(noise)
    ]


def absolute(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs()


LOG_2PI = 1.8378770664093453
NO_DENSITY = "it has no density"
APPROXIMATE = "nll is an approximation; the distribution has the logits that it trains"
NO_UNIT = "it has no unit"
NO_NAN = "integers know no NaN; ignore_index has tests of its own"
NOT_LINEAR = "nll is not linear in the raw loss, so there is no weight"
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
    Case("StudentT", raw(eq.StudentT, 4.0), constant=student_constant, leaves_out={"weight": NOT_LINEAR}),
    Case(
        "MultivariateGaussian",
        raw(eq.MultivariateGaussian, 3),
        constant=lambda _: 0.5 * LOG_2PI,
        vector=True,
        leaves_out={"weight": NOT_LINEAR},
    ),
    Case(
        "VonMisesFisher",
        lambda **k: eq.VonMisesFisher(axis=-1, **k),
        kind="directions",
        constant=lambda _: LOG_2PI,
        vector=True,
        leaves_out={"unit change": "directions have no unit", "closed form": "refused: its optimum takes a search"},
    ),
    Case(
        "Categorical",
        eq.Categorical,
        kind="classes",
        leaves_out={"density": APPROXIMATE, "unit change": NO_UNIT, "NaN targets": NO_NAN},
    ),
    Case(
        "Categorical, exact",
        lambda **k: eq.Categorical(exact=True, **k),
        kind="classes",
        constant=lambda _: 0.0,
        leaves_out={
            "weight": NOT_LINEAR,
            "unit change": NO_UNIT,
            "closed form": "refused: its optimum takes a search",
            "NaN targets": NO_NAN,
        },
    ),
    Case("Bernoulli", eq.Bernoulli, kind="labels", leaves_out={"density": APPROXIMATE, "unit change": NO_UNIT}),
    Case(
        "Bernoulli, exact",
        lambda **k: eq.Bernoulli(exact=True, **k),
        kind="labels",
        constant=lambda _: 0.0,
        leaves_out={"weight": NOT_LINEAR, "unit change": NO_UNIT, "closed form": "refused: its optimum takes a search"},
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
