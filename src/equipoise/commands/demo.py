"""``equipoise demo``: the whole path on the embedded default, start to finish."""

import shutil
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

from equipoise.commands.display import console, counting
from equipoise.commands.train import tell, train_to_the_end
from equipoise.errors import RunError
from equipoise.scenes.recipe import Recipe, read_recipe
from equipoise.scenes.streets import generate

MARKS = ("run.json", "streets")
"""What shows that a folder is an earlier demo's."""


def demo(
    *,
    out: Path = Path("runs/demo"),
    train: int = 600,
    val: int = 100,
    steps: int | None = None,
    seed: int = 0,
) -> None:
    """Generate streets, train semantics, instances and depth together, evaluate on unseen streets, write a report.

    Takes about nine minutes on two cores. An earlier demo in the same folder is replaced.

    Args:
        out: where everything goes.
        train: training images.
        val: images to evaluate on, which training does not see.
        steps: training steps, in place of the recipe's.
        seed: of the streets and of the training.
    """
    recipe = demo_recipe(out, steps=steps, seed=seed)
    clear(out)
    screen = console()
    height, width = recipe.data.size
    screen.print(f"generating {train} + {val} street scenes at {height}x{width}", highlight=False)
    with counting("generating streets", train + val, screen) as counter:
        generate(out / "streets", train=train, val=val, size=recipe.data.size, seed=seed, progress=counter.advance)
    outcome = train_to_the_end(recipe, out)
    if outcome.exit_status:
        sys.exit(outcome.exit_status)
    tell(out)


def demo_recipe(out: Path, *, steps: int | None, seed: int) -> Recipe:
    """The embedded recipe, its data below ``out``."""
    with resources.as_file(resources.files("equipoise.commands") / "demo.toml") as path:
        recipe = read_recipe(path)
    here = out.resolve()
    data = replace(recipe.data, path=str(here / "streets"), cache_folder=str(here / "cache"))
    return replace(recipe, data=data).with_training(seed=seed, steps=steps)


def clear(out: Path) -> None:
    """Remove an earlier demo, and nothing else."""
    if out.is_dir() and any(out.iterdir()):
        if not any((out / mark).exists() for mark in MARKS):
            raise RunError(f"expected an earlier demo or nothing at {out}, found something else: choose another --out")
        shutil.rmtree(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: expected a folder to write to, found: {error.strerror}") from None
