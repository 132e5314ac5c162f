"""``equipoise train RECIPE --dry-run``."""

import dataclasses
import io
import json as json_format
import os
from pathlib import Path

import torch
from PIL import Image

from equipoise.commands.callbacks import run_callbacks
from equipoise.commands.display import output, say
from equipoise.errors import RunError, UsageError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.room import expect_writable
from equipoise.scenes.runs.dry_run import DryRun, dry_run
from equipoise.scenes.wording import counted, number, time_in_words


def show_dry_run(recipe: Recipe, run: Path, device: torch.device, *, json: bool) -> None:
    """Take one training step, print what it costs, and draw its batch beside the folder that a run would get."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("--dry-run: expected a single process, found several: start it without torchrun")
    picture = run.with_name(f"{run.name}-dry-run.png")
    if picture.is_dir():
        raise RunError(f"--out: expected a picture or nothing at {picture}, found a folder: choose another")
    expect_writable(picture)
    found, drawn = dry_run(recipe, run_callbacks(), device)
    buffer = io.BytesIO()
    Image.fromarray(drawn).save(buffer, "PNG")
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(picture, buffer.getvalue(), sync=False)
    if json:
        print(json_format.dumps(dataclasses.asdict(found) | {"picture": str(picture)}, indent=1))
        return
    for title, words in lines(found):
        say(f"{title:<12}{words}", output())
    say(f"{'picture':<12}{picture}", output())


def lines(found: DryRun) -> list[tuple[str, str]]:
    """What is printed: titles and words."""
    height, width = found.input_size
    parts = {name.removeprefix("decoders."): count for name, count in found.parameters.items() if name != "noise"}
    each = ", ".join(f"{name} {scaled(count)}" for name, count in parts.items())
    noise = counted(found.parameters["noise"], "log-variance")
    memory = "unknown" if found.memory_bytes is None else f"{scaled(found.memory_bytes)}B"
    in_parts = f" in {found.parts} parts" if found.parts > 1 else ""
    return [
        ("parameters", f"{scaled(sum(parts.values()))} ({each}), {noise}"),
        ("forward", f"{scaled(found.flops_forward)}FLOP for an image of {height}x{width}"),
        ("step", f"{scaled(found.flops_step)}FLOP for {counted(found.batch_size, 'image')}{in_parts}"),
        ("memory", f"{memory} ({found.memory_of})"),
        ("time", timing(found)),
        ("device", f"{found.device}, in {found.precision}"),
    ]


def timing(found: DryRun) -> str:
    """How long steps take, and how long all of them would."""
    first = f"{time_in_words(found.first_step_s)} for the first step"
    step = found.first_step_s if found.step_s is None else found.step_s
    second = "" if found.step_s is None else f", {time_in_words(step)} for the second"
    rate = f"{number(found.batch_size / step)} images/s"
    whole = f"{time_in_words(found.steps * step)} for {counted(found.steps, 'step')}, but for reading and validation"
    return f"{first}{second} ({rate}): {whole}"


def scaled(value: float) -> str:
    """A number with a prefix of the SI.

    >>> scaled(59_324_000), scaled(812), scaled(3.2e12)
    ('59.3 M', '812 ', '3.2 T')
    """
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "
