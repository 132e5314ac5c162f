"""``equipoise demo``: generate streets, train, evaluate, report."""

import shutil
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

from equipoise.commands.display import console, counting, say
from equipoise.commands.train import show_results, train_to_the_end
from equipoise.commands.whole import Whole
from equipoise.errors import RunError, UsageError
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.io import run_files
from equipoise.scenes.io.lock import LOCK, exclusive_lock
from equipoise.scenes.streets import generate
from equipoise.scenes.training.device import choose_device

MARK = "demo.txt"
"""The file that marks the folder of a demo."""
WRITTEN = ("streets", "cache", *run_files.WRITTEN)


def demo(
    *,
    out: Path = Path("runs/demo"),
    train: Whole = 600,
    val: Whole = 100,
    steps: Whole | None = None,
    seed: Whole = 0,
    device: str = "auto",
) -> None:
    """Generate streets, train semantics, instances and depth together, evaluate on unseen streets, write a report.

    Takes about nine minutes on two cores. An earlier demo in the same folder is replaced.

    Args:
        out: the folder for all files.
        train: the number of training images.
        val: the number of validation images, which are not used in training.
        steps: the number of training steps; by default that of the demo's recipe.
        seed: the seed for the streets and for training.
        device: the device to train on: auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
    """
    for name, count in (("--train", train), ("--val", val)):
        if not 1 <= count <= 999_999:
            raise UsageError(f"{name}: expected 1 … 999,999 images, found {count}")
    where = choose_device(device)
    recipe = demo_recipe(out, steps=steps, seed=seed).with_training(device=device)
    screen = console()
    height, width = recipe.data.size
    make(out)
    with exclusive_lock(out):
        clear(out)
        say(f"generating {train} + {val} street scenes of {height}x{width} px", screen)
        with counting("generating streets", train + val, screen) as counter:
            generate(out / "streets", train=train, val=val, size=recipe.data.size, seed=seed, progress=counter.advance)
        outcome = train_to_the_end(recipe, out, where)
        if outcome.exit_status:
            say(f"stopped after step {outcome.step}; equipoise demo will start from the beginning again", screen)
            sys.exit(outcome.exit_status)
        show_results(out, where)


def demo_recipe(out: Path, *, steps: int | None, seed: int) -> Recipe:
    """Return the built-in recipe with its data in ``out``."""
    with resources.as_file(resources.files("equipoise.commands") / "demo.toml") as path:
        recipe = read_recipe(path)
    here = out.resolve()
    data = replace(recipe.data, path=str(here / "streets"), cache_folder=str(here / "cache"))
    return replace(recipe, data=data).with_training(seed=seed, steps=steps)


def make(out: Path) -> None:
    """Create the folder; refuse one that holds anything but an earlier demo."""
    if out.is_dir() and any(path.name != LOCK for path in out.iterdir()) and not (out / MARK).exists():
        raise RunError(
            f"expected an earlier demo or an empty folder at {out}, found something else: choose another --out"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: expected a writable folder, found: {error.strerror}") from None


def clear(out: Path) -> None:
    """Remove what an earlier demo wrote, and nothing else."""
    try:
        for pattern in WRITTEN:
            for path in out.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (out / MARK).write_text("The next equipoise demo replaces the files of this demo.\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{out}: expected a writable folder, found: {error.strerror}") from None
