"""The rows of a comparison: what each trains, and the candidates among which validation chooses."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from equipoise.errors import RecipeError
from equipoise.scenes.comparison import variations as vary
from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.comparison.weights import against, draws, grid
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.training.weighting_settings import AGGREGATORS, DAMPED, SCALARIZERS

LEARNED_FORMS: dict[str, tuple[str, Callable[[Recipe], Recipe]]] = {
    "learned": ("learned weights, not damped, with the noise that the recipe sets", lambda recipe: recipe),
    "gradient": ("learned weights, s by gradient", vary.gradient_noise),
    "paper": (
        "learned weights, the paper's form: L1 as a Gaussian, raw units, s at the network's rate",
        vary.paper_form,
    ),
    "laplace": ("learned weights, Laplace likelihoods", lambda recipe: vary.of_kind(recipe, "laplace")),
    "first-batch": (
        "learned weights, s from the first batch",
        lambda recipe: vary.with_noise(vary.gradient_noise(recipe), init="first_batch"),
    ),
    "closed-form": ("learned weights in closed form, from a running mean of the losses", vary.closed_form),
}
"""Forms of learned weights by the names of their rows, each with its description."""
BASELINES = {DAMPED: DAMPED} | {name.lower(): name for name in (*SCALARIZERS, *AGGREGATORS)}
FIXED_FORMS = ("equal", "fixed", "grid", "tuned")
UNITS = {"raw": (False, "targets in their own units"), "standardized": (True, "standardized targets")}
SWEEP = "sweep-"
"""The start of the names of rows that only show weights of one task against another."""
RATES = {
    "grown": "divided by the running mean of the weighted sum",
    "matched": "with the effective rate fixed",
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of the settings among which a row chooses: a file name, a description, and the recipe, without a seed."""

    name: str
    description: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        name: unique, and part of the names of its runs' folders.
        description: one line.
        candidates: at least one.
        control_of: where it is a control, the row that it belongs to.
    """

    name: str
    description: str
    candidates: tuple[Candidate, ...]
    control_of: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it trains."""
        return self.candidates[0].recipe.tasks


def known_rows() -> list[str]:
    """Return the names that ``make_rows`` takes, without those that also name units.

    >>> [name for name in known_rows() if name.startswith("equal")]
    ['equal', 'equal-grown']
    """
    fixed = [name + rate for name in FIXED_FORMS for rate in ("", "-grown")]
    learned = [name + rate for name in LEARNED_FORMS for rate in ("", "-matched")]
    return ["alone", *fixed, "pairs", *learned, *BASELINES.values()]


def make_rows(recipe: Recipe, settings: ComparisonRecipe, where: str) -> list[Row]:
    """Return the rows that the settings name, in their order, and those of a sweep.

    Args:
        recipe: what all runs have in common; see ``variations.compared``.
        settings: of the comparison.
        where: the file, for messages.

    Raises:
        RecipeError: an unknown row, with a suggestion, or one that does not suit the recipe.
    """
    rows = list(itertools.chain.from_iterable(_rows(name, recipe, settings, where) for name in settings.rows))
    if settings.sweep:
        rows += _sweep(recipe, settings, where)
    return list({row.name: row for row in rows}.values())


def _rows(name: str, recipe: Recipe, settings: ComparisonRecipe, where: str) -> Iterator[Row]:
    """Yield the rows of one name: several for ``alone`` and ``pairs``."""
    if name == "alone":
        for task in recipe.tasks:
            alone = vary.as_equal(vary.with_tasks(recipe, [task]))
            yield _row(f"alone-{task}", f"{task} alone", [("", alone)], settings)
        return
    if len(recipe.tasks) < 2:
        raise RecipeError(f"{where}: comparison.rows: expected alone with a single task, found {name!r}: add tasks")
    if name == "pairs":
        for pair in itertools.combinations(recipe.tasks, 2) if len(recipe.tasks) > 2 else ():
            yield pair_row(recipe, pair, settings)
        return
    base, units, rate = _parts(name, where)
    varied = vary.standardized(recipe, UNITS[units][0]) if units else recipe
    if base in LEARNED_FORMS:
        says, form = LEARNED_FORMS[base]
        made = vary.as_learned(form(varied), rate)
        if units:
            made = vary.standardized(made, UNITS[units][0])
        control = name.removesuffix("-matched") if rate == "matched" else None
        yield _row(name, _described(says, units, rate), [("", made)], settings, control)
    elif base in BASELINES:
        method = BASELINES[base]
        says = "learned weights, their ratios damped" if method == DAMPED else f"TorchJD's {method}"
        yield _row(name, _described(says, units, rate), [("", vary.with_method(varied, method))], settings)
    else:
        says, weights = _fixed_weights(base, recipe, settings, where)
        if base == "equal":
            made_all = [("", vary.as_equal(varied, rate))]
        else:
            made_all = [(_in_words(each), vary.with_weights(varied, each, rate)) for each in weights]
        yield _row(name, _described(says, units, rate), made_all, settings)


def _parts(name: str, where: str) -> tuple[str, str, vary.Rate]:
    """Split a row's name into its form, its units and its rate; the latter two may be empty and ``free``."""
    base, rate, units = name, "free", ""
    for ending in RATES:
        if base.endswith(f"-{ending}"):
            base, rate = base.removesuffix(f"-{ending}"), ending
    for ending in UNITS:
        if base.endswith(f"-{ending}"):
            base, units = base.removesuffix(f"-{ending}"), ending
    base = base.lower() if base.lower() in BASELINES else base
    rates = {"matched": LEARNED_FORMS, "grown": FIXED_FORMS, "free": (*LEARNED_FORMS, *FIXED_FORMS, *BASELINES)}
    if base not in rates[rate] or (base == "paper" and units):
        raise RecipeError(f"{where}: comparison.rows: found {name!r}{suggestion(name, known_rows())}")
    return base, units, "grown" if rate == "grown" else "matched" if rate == "matched" else "free"


def _fixed_weights(
    base: str, recipe: Recipe, settings: ComparisonRecipe, where: str
) -> tuple[str, Sequence[Mapping[str, float]]]:
    """Return what a row of fixed weights is, and the weights among which it chooses."""
    if base == "equal":
        return "equal weights", ({},)
    if base == "grid":
        found = grid(recipe.tasks, settings.levels)
        return f"fixed weights, the best of a grid of {len(found)}", found
    if base == "tuned":
        return f"fixed weights, the best of {settings.draws}: equal ones, the others random", draws(
            recipe.tasks, settings.draws
        )
    if set(settings.weights) != set(recipe.tasks) or not all(weight >= 0 for weight in settings.weights.values()):
        raise RecipeError(
            f"{where}: comparison.weights: expected a weight of 0 or more for each of {', '.join(recipe.tasks)}, which "
            f"the row fixed uses, found {settings.weights or 'none'}"
        )
    return "fixed weights", (settings.weights,)


def pair_row(recipe: Recipe, pair: Sequence[str], settings: ComparisonRecipe) -> Row:
    """Return the row of two tasks with learned weights."""
    kept = vary.as_learned(vary.with_tasks(recipe, pair))
    both = " and ".join(kept.tasks)
    return _row(f"pair-{'+'.join(kept.tasks)}", f"{both}, learned weights", [("", kept)], settings)


def _sweep(recipe: Recipe, settings: ComparisonRecipe, where: str) -> list[Row]:
    """Return the rows of a sweep: each task alone, both with weights of one against the other, and learned."""
    one, other = settings.sweep
    for name in settings.sweep:
        if name not in recipe.tasks:
            raise RecipeError(f"{where}: comparison.sweep: found {name!r}{suggestion(name, recipe.tasks)}")
    both = vary.with_tasks(recipe, settings.sweep)
    rows = list(_rows("alone", both, settings, where))
    for weights in against(one, other, settings.sweep_shares):
        share = f"{weights[one]:g}"
        says = f"{one} and {other}, {_in_words(weights)}"
        rows.append(_row(f"{SWEEP}{one}+{other}-{share}", says, [("", vary.with_weights(both, weights))], settings))
    return [*rows, pair_row(recipe, settings.sweep, settings)]


def _row(
    name: str,
    description: str,
    made: Sequence[tuple[str, Recipe]],
    settings: ComparisonRecipe,
    control_of: str | None = None,
) -> Row:
    """Return a row whose candidates are some recipes, each at several learning rates."""
    candidates = []
    for number, (says, recipe) in enumerate(made, 1):
        for place, factor in enumerate(settings.lr_factors, 1):
            varied = vary.with_rate(recipe, factor)
            label = f"w{number:0{len(str(len(made)))}d}lr{place}" if len(made) > 1 else f"lr{place}"
            rate = f"lr {varied.optimizer.lr:.4g}"
            candidates.append(Candidate(name=label, description=f"{says}, {rate}" if says else rate, recipe=varied))
    return Row(name=name, description=description, candidates=tuple(candidates), control_of=control_of)


def _described(says: str, units: str, rate: str) -> str:
    return ", ".join(filter(None, [says, UNITS[units][1] if units else "", RATES.get(rate, "")]))


def _in_words(weights: Mapping[str, float]) -> str:
    return " · ".join(f"{name} {weight:.2g}" for name, weight in weights.items())
