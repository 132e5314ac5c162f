"""The record of a run in its folder: ``recipe.json`` (the recipe as it ran) and ``run.json`` (how it was made)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.config.recipe import Recipe, check_recipe
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.sources import Progress
from equipoise.scenes.io.json import read_json
from equipoise.scenes.training.log import Entry

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is told of a run while it works: log entries, lines worth keeping, progress."""

    on_log: Callable[[Entry], None]
    on_notice: Callable[[str], None]
    counting: Progress


def read_run(run: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and the record of a run; raises ``RunError`` where the folder holds none."""
    try:
        recipe = read_json(run / "recipe.json")
        record = read_json(run / "run.json")
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise RunError(f"expected a run at {run}, found no {missing} there: name the folder that train wrote") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: expected a run's JSON files, found a mistake: {error}") from None
    if not isinstance(record, dict) or not isinstance(recipe, dict):
        raise RunError(f"{run}: expected objects in recipe.json and run.json, found something else: they are damaged")
    if record.get("format") != FORMAT or record.get("precision") not in ("float32", "bfloat16"):
        found = f"{record.get('format')!r:.40}, {record.get('precision')!r:.40}"
        raise RunError(
            f"{run / 'run.json'}: expected run format {FORMAT} and a known precision, found {found}: use the version "
            "that wrote it"
        )
    try:
        made = from_table(Recipe, recipe, str(run / "recipe.json"))
        check_recipe(made, str(run / "recipe.json"))
    except RecipeError as error:
        raise RunError(str(error)) from None
    return made, record


def model_behind(record: dict[str, Any]) -> str:
    """What to say of a run that was lengthened and not finished since: its model is an earlier one; else nothing."""
    former, done, steps = (record.get("model") or {}).get("of"), record.get("steps_done"), record.get("steps")
    if former is None or done is None or former >= done:
        return ""
    return f"training stopped at step {done} of {steps}: the model is that of the first {former} steps, before --resume"
