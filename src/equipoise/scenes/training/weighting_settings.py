"""The setting of how the tasks' losses are weighed, as recipes spell it."""

from dataclasses import dataclass, field
from typing import Literal

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.weighting import DAMPING

LEARNED, DAMPED, EQUAL, FIXED = "learned", "damped", "equal", "fixed"
FAMO = "FAMO"
SCALARIZERS = ("DWA", FAMO, "GeometricMean", "IMTLL", "Random", "STCH", "UW")
"""TorchJD's methods on the losses. FAMO takes one more forward pass a step: it wants the losses after the step, too."""
AGGREGATORS = (
    *("AlignedMTL", "CAGrad", "ConFIG", "DualProj", "ExcessMTL", "FairGrad", "GradDrop", "GradVac", "IMTLG", "MGDA"),
    *("NashMTL", "PCGrad", "UPGrad"),
)
"""TorchJD's methods on each task's gradient."""
UNSAVED = tuple(name for name in (*SCALARIZERS, *AGGREGATORS) if name != FAMO)
"""Methods of TorchJD that run in one process and in one go, since checkpoints do not hold their state."""
METHODS = (LEARNED, DAMPED, EQUAL, FIXED, *SCALARIZERS, *AGGREGATORS)


@dataclass(frozen=True, kw_only=True)
class WeightingRecipe:
    """How the tasks' losses are weighed.

    Attributes:
        method: ``damped`` (learned from each task's noise, with damped ratios, so that an easy task does not starve the
            others), ``learned`` (the same without damping, as in the paper), ``equal``, ``fixed``, or a method of
            TorchJD by name, such as ``DWA`` or ``UPGrad`` (extra ``baselines``); a step of ``FAMO`` takes a second
            forward pass. All but the first two weigh losses in the network's own numbers, which do not depend on a
            target's unit where its likelihood owns it (``standardize``). With every method σ learns from its own
            likelihood, as with ``learned``.
        damping: with ``damped`` only: 0 (learned weights as they are) to 1 (their common scale alone).
        weights: the weight of each task, 0 or more, with ``fixed`` only.
        rate: ``free``; ``grown``: with ``equal`` and ``fixed``, the weighted sum is divided by its own running mean, so
            that the effective rate grows as the losses fall, as it does with learned weights; ``matched``: with
            ``learned``, the weights are rescaled so that the effective rate does not grow.
    """

    method: str = DAMPED
    damping: float = DAMPING
    weights: dict[str, float] = field(default_factory=dict)
    rate: Literal["free", "grown", "matched"] = "free"


def check_weighting(
    recipe: WeightingRecipe, tasks: tuple[str, ...], where: str, *, accumulate: int = 1, compiled: bool = False
) -> None:
    """Raise ``RecipeError`` for settings that do not fit together."""
    method, rate = recipe.method, recipe.rate
    if method not in METHODS:
        raise RecipeError(f"{where}: weighting.method: found {method!r}{suggestion(method, METHODS)}")
    if method == FIXED and set(recipe.weights) != set(tasks):
        raise RecipeError(
            f"{where}: weighting.weights: expected one for each of {', '.join(tasks)}, found "
            f"{', '.join(recipe.weights) or 'none'}"
        )
    if method != FIXED and recipe.weights:
        raise RecipeError(
            f"{where}: weighting.weights: expected it with method = 'fixed', found {method!r}: leave it out"
        )
    if not all(0 <= weight <= 1e30 for weight in recipe.weights.values()):
        raise RecipeError(f"{where}: weighting.weights: expected 0 or more each, found {recipe.weights}")
    if recipe.weights and not any(recipe.weights.values()):
        raise RecipeError(f"{where}: weighting.weights: expected one above 0, found none")
    if (rate == "grown" and method not in (EQUAL, FIXED)) or (rate == "matched" and method != LEARNED):
        suited = "'equal' or 'fixed'" if rate == "grown" else "'learned'"
        raise RecipeError(f"{where}: weighting.rate: expected {rate!r} with method = {suited}, found {method!r}")
    if compiled and method in AGGREGATORS:
        raise RecipeError(f"{where}: training.compile: expected false with weighting.method = {method!r}, found true")
    if method != DAMPED and recipe.damping != DAMPING:
        raise RecipeError(
            f"{where}: weighting.damping: expected it with method = 'damped', found {method!r}: leave it out"
        )
    if not 0 <= recipe.damping <= 1:
        raise RecipeError(f"{where}: weighting.damping: expected 0 to 1, found {recipe.damping}")
    if accumulate > 1 and (method not in (LEARNED, DAMPED) or rate != "free"):
        raise RecipeError(
            f"{where}: training.accumulate: expected 1 with weighting.method = {method!r} and rate = {rate!r}, which "
            f"weigh whole batches, found {accumulate}"
        )
