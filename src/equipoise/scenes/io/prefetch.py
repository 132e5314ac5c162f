"""Run work ahead of its consumer in threads, for example decoding images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 4


def prefetch(work: Callable[[T], R], items: Iterable[T], *, threads: int = THREADS) -> Iterator[R]:
    """Yield ``work(item)`` for each item, in order, computed in threads.

    At most ``2 * threads`` items are computed ahead. This bounds the memory of waiting results, and the time to stop
    when the consumer stops early (Ctrl-C).

    >>> list(prefetch(lambda n: n * n, range(5)))
    [0, 1, 4, 9, 16]
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
