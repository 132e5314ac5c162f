"""Streets generated per second, including writing their PNGs."""

import tempfile
import time
from pathlib import Path

from equipoise.scenes.streets import generate


def run() -> list[str]:
    lines = []
    for size, count in (((128, 256), 300), ((512, 1024), 30)):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            generate(Path(folder) / "streets", train=count, val=0, size=size)
            seconds = time.perf_counter() - start
        aim = " (aim: at least 20)" if size[0] == 128 else ""
        lines.append(f"{count} at {size[0]}x{size[1]}: {count / seconds:.1f} images/s, start-up included{aim}")
    return lines
