"""Methods of grouping: how good with true, noisy and predicted vectors, and how fast at 1024×2048.

Inputs and figures: benchmarks/grouping_inputs.py. Parameters: benchmarks/grouping_tuning.py. Plain OPTICS takes minutes
at 1024×2048, so its time is extrapolated: t = a · nᵇ is fitted to the times for some thousand of the votes, and gives
that for all votes of a group.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.grouping_inputs import group_with, grouped_by, make_inputs, quality, read, run_is_missing
from benchmarks.grouping_methods import COMPARED, optics_method
from benchmarks.grouping_oracles import with_true_centres
from equipoise.scenes.grouping.votes import Method
from equipoise.scenes.tasks.instance import centroid_offsets

SIZES = (1000, 2000, 4000, 8000, 16000)
"""Numbers of votes that plain OPTICS is timed with."""


def run() -> Iterator[str]:
    """Qualities, then times."""
    if missing := list(run_is_missing()):
        yield from missing
    else:
        samples, vocabulary = read()
        for title, inputs in make_inputs(samples).items():
            for name, method in COMPARED.items():
                yield f"{title}, {name}: {quality(grouped_by(method), inputs, samples, vocabulary)}"
            found = quality(with_true_centres, inputs, samples, vocabulary)
            yield f"{title}, true centres (an oracle): {found}"
    yield from times()


def times() -> Iterator[str]:
    """Milliseconds at 1024×2048, and those of plain OPTICS relative to the default."""
    scene = large_scene()
    found = {name: _milliseconds(method, scene) for name, method in COMPARED.items()}
    for name, (wall, processor) in found.items():
        yield f"1024x2048, {name}: {wall:.1f} ms, {processor:.1f} ms of processor time"
    seconds, power = _extrapolated(scene)
    yield (
        f"1024x2048, plain OPTICS: {seconds:.0f} s, extrapolated from {', '.join(map(str, SIZES))} votes "
        f"(t ~ n^{power:.2f}): {1000 * seconds / found['votes'][0]:.0f} times the default"
    )


Scene = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def large_scene(seed: int = 0) -> Scene:
    """Noisy vectors and classes of 35 boxes of two classes at 1024×2048."""
    rng = np.random.default_rng(seed)
    ids, classes = np.zeros((1024, 2048), np.int32), np.zeros((1024, 2048), np.uint8)
    for k in range(35):
        height = int(np.exp(rng.uniform(np.log(25), np.log(230))))
        width = int(height * rng.uniform(0.4, 1.4))
        y, x = rng.integers(0, 1024 - height), rng.integers(0, 2048 - width)
        ids[y : y + height, x : x + width], classes[y : y + height, x : x + width] = k + 1, rng.integers(1, 3)
    scale = 0.05 * np.sqrt(np.bincount(ids.reshape(-1)))[ids]
    offsets = np.nan_to_num(centroid_offsets(ids, {})) + (rng.normal(0, 1, (2, 1024, 2048)) * scale)
    return offsets.astype(np.float32), classes


def _milliseconds(method: Method, scene: Scene) -> tuple[float, float]:
    """The median time of up to 15 runs, and that of the processor."""
    taken: list[tuple[float, float]] = []
    while len(taken) < 15 and sum(wall for wall, _ in taken) < 3:
        taken.append(_timed(lambda: group_with(method, (*scene, None), ((1,), (2,)))))
    wall, processor = np.median(np.array(taken), 0)
    return 1000 * float(wall), 1000 * float(processor)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def _extrapolated(scene: Scene) -> tuple[float, float]:
    """The seconds of plain OPTICS for all votes, and the power of their number that its time grows with."""
    offsets, classes = scene
    pixels, rng, taken = np.flatnonzero(classes == 1), np.random.default_rng(0), []
    for votes in SIZES:
        some = np.zeros(classes.size, np.uint8)
        some[rng.choice(pixels, votes, replace=False)] = 1
        one = (offsets, some.reshape(classes.shape), None)
        taken.append(_timed(partial(group_with, optics_method(most=1 << 30), one, ((1,),)))[0])
    power, scale = np.polyfit(np.log(SIZES), np.log(taken), 1)
    return sum(float(np.exp(scale) * (classes == k).sum() ** power) for k in (1, 2)), float(power)
