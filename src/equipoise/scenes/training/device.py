"""The device that a network trains or predicts on."""

import os
import re
from contextlib import AbstractContextManager, nullcontext

import torch

from equipoise.errors import UsageError
from equipoise.scenes.config.ranges import Range
from equipoise.scenes.wording import counted

CPU = torch.device("cpu")
DEVICE: Range = (
    lambda v: v is None or re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?|mps", v) is not None,
    "auto, cpu, cuda, cuda:1 (or another number) or mps",
)


def choose_device(wanted: str, option: str = "--device") -> torch.device:
    """The device that a recipe or an option names; a GPU always with its number.

    ``auto`` takes the best there is: a CUDA GPU, else Apple's GPU (``mps``), else the CPU. Of several processes that
    torchrun started each takes the GPU of its ``LOCAL_RANK``.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        option: where it was given, for the message.

    Raises:
        UsageError: it is no such name; there is no such device here; there are more processes than GPUs.
    """
    is_allowed, expected = DEVICE
    if not is_allowed(wanted):
        raise UsageError(f"{option}: expected {expected}, found {wanted!r}")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1")))
    kind, _, number = (_best(processes) if wanted == "auto" else wanted).partition(":")
    if kind == "cpu":
        return CPU
    if kind == "mps":
        return _mps(option, processes)
    return _gpu(wanted, number, option, processes)


def _best(processes: int) -> str:
    if gpu_count():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() and processes == 1 else "cpu"


def _mps(option: str, processes: int) -> torch.device:
    if not torch.backends.mps.is_available():
        raise UsageError(f"{option}: expected a device of this machine ({devices_here()}), found 'mps'")
    if processes > 1:
        raise UsageError(f"{option}: expected cpu for several processes, found 'mps', which only one can use")
    return torch.device("mps")


def _gpu(wanted: str, number: str, option: str, processes: int) -> torch.device:
    gpus = gpu_count()
    index = int(number or (os.environ.get("LOCAL_RANK", "0") if processes > 1 else "0"))
    if not gpus or (number and index >= gpus):
        built = "" if torch.version.cuda or torch.version.hip else "; this PyTorch was built without CUDA"
        raise UsageError(f"{option}: expected a device of this machine ({devices_here()}), found {wanted!r}{built}")
    if processes > gpus:
        raise UsageError(
            f"{option}: expected at most {counted(gpus, 'process', 'processes')}, one for each GPU, found {processes}: "
            "lower torchrun's --nproc-per-node, or give --device cpu"
        )
    if processes > 1 and number:
        raise UsageError(
            f"{option}: expected cuda for several processes, each of which takes its own, found {wanted!r}"
        )
    return torch.device("cuda", index)


def as_current(device: torch.device) -> AbstractContextManager[object]:
    """A context in which a CUDA GPU is the current one; nothing for other devices.

    PyTorch pins memory for the current GPU, so that it would otherwise take memory of the first one for a run on
    ``cuda:1``.
    """
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def gpu_count() -> int:
    """How many CUDA (or ROCm) GPUs PyTorch can use here."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def devices_here() -> str:
    """The devices of this machine by the names that ``--device`` takes."""
    names = ["cpu", *(f"cuda:{i}" for i in range(gpu_count()))]
    return ", ".join([*names, "mps"] if torch.backends.mps.is_available() else names)


def device_name(device: torch.device) -> str | None:
    """The GPU's name, such as ``NVIDIA H100``; ``None`` for other devices."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def described(device: torch.device, wanted: str) -> str:
    """The device in words, for the line that says what a command computes on."""
    name = device_name(device)
    words = f"{device} ({name})" if name else str(device)
    if wanted != "auto":
        return words
    return (
        f"{words}, as there is no GPU that PyTorch can use" if device.type == "cpu" else f"{words}, the best there is"
    )
