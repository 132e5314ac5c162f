"""``equipoise generate OUT``."""

import json as json_format
import time
from pathlib import Path

from equipoise.commands.display import console, counting, output, say
from equipoise.commands.sizes import parsed_size
from equipoise.commands.whole import Whole
from equipoise.scenes.streets import generate as generate_streets
from equipoise.scenes.wording import counted


def generate(
    out: Path,
    /,
    *,
    train: Whole = 400,
    val: Whole = 100,
    test: Whole = 0,
    size: str = "128x256",
    seed: Whole = 0,
    workers: Whole | None = None,
    overwrite: bool = False,
    normals: bool = False,
    json: bool = False,
) -> None:
    """Generate street scenes with exact labels, in Cityscapes' layout.

    Each image depends only on the seed, its split and its number.

    Args:
        out: a new or empty folder.
        train: the number of training images.
        val: the number of validation images.
        test: the number of test images.
        size: height x width, px.
        seed: the seed of all streets.
        workers: the number of processes; by default one per core.
        overwrite: replace existing streets.
        normals: also write surface normals.
        json: print what was written as JSON on standard output.
    """
    total, started = train + val + test, time.perf_counter()
    with counting("generating streets", max(total, 0), console()) as counter:
        generate_streets(
            out,
            train=train,
            val=val,
            test=test,
            size=parsed_size(size, "--size"),
            seed=seed,
            workers=workers,
            overwrite=overwrite,
            normals=normals,
            progress=counter.advance,
        )
    seconds = time.perf_counter() - started
    if json:
        written = {"out": str(out), "train": train, "val": val, "test": test, "seconds": seconds}
        print(json_format.dumps(written))
        return
    say(f"{counted(total, 'street')} of {size} in {out} ({total / seconds:.0f} images/s)", output())
