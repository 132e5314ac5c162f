"""The loader alone: samples per second from a data set's PNGs and from the cache, whole and in crops.

Rates of one process are those of its processor time, which other programs disturb less. Rates of workers are by the
clock, and cannot exceed what the free cores give.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import side_by_side
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.streets import generate
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.training.batches import batches

SMALL, FULL, CROP, BATCH = (128, 256), (1024, 2048), (512, 512), 8
PLAIN, RANDOM = Augmentation(), Augmentation(scale=(0.7, 2.0), crop=CROP)


def run() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_small(Path(folder)), *_full(Path(folder))]


def _small(folder: Path) -> list[str]:
    lines = []
    for stored in (SMALL, (512, 1024)):
        dataset = _streets(folder / f"streets{stored[0]}", 24, stored)
        cached = CachedDataset(dataset, SMALL, folder / f"cache{stored[0]}")
        ratio = side_by_side(
            lambda dataset=dataset: [resize(dataset[i], SMALL, dataset.vocabulary) for i in range(24)],  # type: ignore[misc]
            lambda cached=cached: [cached[i] for i in range(24)],  # type: ignore[misc]
            rounds=9,
            warm_up=1,
        )
        lines.append(f"decode {_said(stored)} and resize to {_said(SMALL)}, against the cache: {ratio} (aim: 10)")
        lines += _rates(f"{_said(stored)} at {_said(SMALL)}", dataset, cached, PLAIN, SMALL, steps=(12, 150))
    return lines


def _full(folder: Path) -> list[str]:
    dataset = _streets(folder / "full", 16, FULL)
    lines, seconds = [], {}
    for processes in (1, 2):
        start = time.perf_counter()
        cached = CachedDataset(dataset, FULL, folder / f"cache-by-{processes}", processes=processes)
        seconds[processes] = time.perf_counter() - start
    size = sum(path.stat().st_size for path in (folder / "cache-by-1").iterdir()) / len(dataset) / 1e6
    by = " and ".join(f"{len(dataset) / s:.1f} by {n}" for n, s in seconds.items())
    lines.append(f"cache of {_said(FULL)}: {size:.1f} MB a sample; samples/s written, by processes: {by}")
    what = f"crops {_said(CROP)} of {_said(FULL)} at scale 0.7 … 2.0"
    return lines + _rates(what, dataset, cached, RANDOM, FULL, steps=(4, 30))


def _rates(
    what: str, dataset: SceneDataset, cached: SceneDataset, augmentation: Augmentation, size: tuple[int, int],
    *, steps: tuple[int, int],
) -> list[str]:  # fmt: skip
    """The rates of batches with targets, from the files and from the cache."""
    lines = []
    for workers in range(min(2, os.cpu_count() or 1) + 1):
        clock = time.perf_counter if workers else time.process_time
        rates = [
            _rate(one, augmentation, size, count, workers, clock)
            for one, count in zip((dataset, cached), steps, strict=True)
        ]
        who = f"{workers} worker{'s' * (workers > 1)}, by the clock" if workers else "one process, by processor time"
        lines.append(f"{what}, {who}: PNG {rates[0]:.1f}/s, cache {rates[1]:.1f}/s, {rates[1] / rates[0]:.1f} ×")
    return lines


def _rate(
    dataset: SceneDataset,
    augmentation: Augmentation,
    size: tuple[int, int],
    steps: int,
    workers: int,
    clock: Callable[[], float],
) -> float:
    """Samples per second in batches of ``BATCH``, from the first batch on."""
    tasks = make_tasks(("semantic", "instance", "depth"), dataset.vocabulary)
    made = batches(
        dataset, tasks, augmentation, size=size, seed=0, batch_size=BATCH, start=0, stop=1 + steps, workers=workers
    )
    next(made)
    start, count = clock(), 0
    for _ in made:
        count += BATCH
    return count / (clock() - start)


def _streets(folder: Path, count: int, size: tuple[int, int]) -> CityscapesDataset:
    generate(folder, train=count, val=0, size=size)
    return CityscapesDataset(folder, "train")


def _said(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
