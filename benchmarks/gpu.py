"""The scene system on a GPU: training and prediction at 512x1024, memory, and the share of the GPU's own rate.

The share is that of the rate of one large matrix product in the same number format, measured here: the FLOPs of
convolutions and products in a step, as PyTorch's counter has them, by the time of a step. Batches of streets lie in the
GPU's memory for the steps; predictions include the copies to the GPU and back. The plain loop is that of
``benchmarks.training``, with PyTorch's own settings, by which convolutions of float32 use TF32.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks.scene_steps import Case, Steps
from equipoise.errors import OutOfMemoryError, UsageError
from equipoise.scenes.inference.predictor import BATCH_SIZE, NetworkPredictor
from equipoise.scenes.runs.dry_run import before_memory, flops, peak_memory
from equipoise.scenes.training.device import as_current, choose_device, described, gpu_count
from equipoise.scenes.training.memory import naming_memory
from equipoise.scenes.training.precision import Precision, choose_precision, float32_products

CASES = tuple(
    Case(encoder=encoder, size=(512, 1024), decoder=decoder, batch_size=4, stride=stride, channels=256)
    for encoder in ("resnet50", "resnet101")
    for stride, decoder in ((8, "aspp"), (16, "deeplabv3plus"))
)
PRODUCT, STEPS, ROUNDS = 8192, 10, 5


def run() -> list[str]:
    if not gpu_count():
        raise UsageError("gpu: expected a GPU that PyTorch can use, found none: run it on a machine that has one")
    device = choose_device("auto")
    precision = choose_precision("auto", device)
    rate = product_rate(device, precision, PRODUCT)
    lines = [f"{described(device, 'cuda')}, torch {torch.__version__}"]
    lines.append(f"product of two {PRODUCT}x{PRODUCT} matrices in {precision}: {rate / 1e12:.1f} TFLOP/s")
    for case in CASES:
        lines += measured(case, device, precision, rate)
    return lines


def measured(
    case: Case,
    device: torch.device,
    precision: Precision,
    product_rate: float,
    *,
    steps: int = STEPS,
    rounds: int = ROUNDS,
    compiling: Sequence[bool] = (False, True),
) -> list[str]:
    """Lines on our step, plain and compiled, on the plain loop, and on prediction."""
    made, lines = Steps(case, device), []
    _, flop = flops(case.recipe, made.state(precision).model, made.batches[:1])
    with as_current(device), float32_products(precision, device):
        for compiled in compiling:
            title = f"{case}: ours in {precision}{', compiled' if compiled else ''}"
            step = partial(made.ours, precision, compiled=compiled)
            lines.append(training_line(title, step, case, device, (steps, rounds), flop / product_rate))
        lines.append(prediction_line(made, precision, rounds))
    with as_current(device):
        title = f"{case}: the plain loop in float32"
        lines.append(training_line(title, made.plain, case, device, (steps, rounds), None))
    return lines


def training_line(
    title: str,
    make: Callable[[], Callable[[], object]],
    case: Case,
    device: torch.device,
    repeats: tuple[int, int],
    shortest: float | None,
) -> str:
    """Rate, share and memory of the step that ``make`` makes; ``shortest`` is its time at the product's rate, s."""
    before_memory(device)
    try:
        with naming_memory(device, title, "take fewer images"):
            seconds = times(make(), device, *repeats, warm_up=3)
    except OutOfMemoryError as error:
        return str(error)
    memory, of = peak_memory(device)
    share = "" if shortest is None else f", {shortest / statistics.median(seconds):.0%} of the product's rate"
    return f"{title}: {said(seconds, case.batch_size)}{share}, {(memory or 0) / 1e9:.1f} GB ({of})"


def prediction_line(made: Steps, precision: Precision, rounds: int) -> str:
    """Rate of ``BATCH_SIZE`` images at a time, from the CPU's memory and back to it."""
    predict = NetworkPredictor(made.state(precision).model.eval(), precision)
    images = made.batches[0].images.cpu()[:1].expand(BATCH_SIZE, -1, -1, -1).contiguous()
    try:
        seconds = times(lambda: predict(images), made.device, 1, rounds, warm_up=2)
    except OutOfMemoryError as error:
        return f"{made.case}: prediction: {error}"
    return f"{made.case}: prediction in {precision}, {said(seconds, BATCH_SIZE)}"


def said(seconds: Sequence[float], images: int) -> str:
    slowest, middle, fastest = (images / each for each in (max(seconds), statistics.median(seconds), min(seconds)))
    return f"{middle:.1f} images/s ({slowest:.1f} … {fastest:.1f})"


def times(work: Callable[[], object], device: torch.device, steps: int, rounds: int, *, warm_up: int) -> list[float]:
    """Seconds of one piece of work, on the average of ``steps``, once for each round; the device is waited for."""
    found = []
    for index in range(rounds + 1):
        started = time.perf_counter()
        for _ in range(steps if index else warm_up):
            work()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        if index:
            found.append((time.perf_counter() - started) / steps)
    return found


def product_rate(device: torch.device, precision: Precision, size: int, *, steps: int = 20, rounds: int = 3) -> float:
    """The best FLOP/s of a square matrix product; a multiplication and an addition are two."""
    left, right = (torch.randn(size, size, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    with float32_products(precision, device):
        seconds = times(lambda: left @ right, device, steps, rounds, warm_up=3)
    return 2 * size**3 / min(seconds)
