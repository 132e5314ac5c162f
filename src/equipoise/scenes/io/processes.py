"""Run work in several processes, in order."""

import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from equipoise.errors import RunError, UserError
from equipoise.scenes.io.prefetch import prefetch
from equipoise.scenes.wording import counted

R = TypeVar("R")
LEAST_ITEMS = 16
"""A process takes some time to start, so that each has at least so many items."""
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_processes(work: Callable[[int], R], items: Sequence[int], *, processes: int | None = None) -> Generator[R]:
    """Yield ``work(item)`` for each item, in order, computed by several processes.

    Args:
        work: must not depend on the process it runs in.
        items: its arguments.
        processes: how many; ``None``: as many as there are cores. A few items are computed by threads of this process.

    Raises:
        UserError: raised by ``work``.
        RunError: a process has ended.
    """
    count = min(usable_cores(), len(items) // LEAST_ITEMS) if processes is None else processes
    if count < 2:
        yield from prefetch(work, items)
        return
    loader: DataLoader[R | UserError] = DataLoader(
        _Results(work, items),
        batch_size=None,
        num_workers=count,
        prefetch_factor=4,
        collate_fn=_as_it_is,
        worker_init_fn=ignore_signals,
    )
    iterator = iter(loader)
    try:
        for result in iterator:
            if isinstance(result, UserError):
                raise result
            yield result
    except RuntimeError as error:
        if "DataLoader" not in str(error):
            raise
        raise RunError(
            f"expected results from {counted(count, 'worker process', 'worker processes')}, found: "
            f"{str(error).splitlines()[0]}: did memory run out? Start again: finished work is kept"
        ) from None
    finally:
        getattr(iterator, "_shutdown_workers", lambda: None)()


def ignore_signals(worker: int) -> None:
    """Let the main process alone handle signals, which reach every process of a group; it ends the workers."""
    for name in ENDING:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


class _Results(Dataset[R | UserError], Generic[R]):
    """The results by place; an error is one too, as its class and message do not survive otherwise."""

    def __init__(self, work: Callable[[int], R], items: Sequence[int]) -> None:
        self._work, self._items = work, items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> R | UserError:
        try:
            return self._work(self._items[place])
        except UserError as error:
            return error


def _as_it_is(result: R) -> R:
    return result
