"""Work that threads do ahead of who needs it: decoding pictures, say."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 4


def prefetch(work: Callable[[T], R], items: Iterable[T], *, threads: int = THREADS) -> Iterator[R]:
    """``work`` of each item, in order, at most twice as many items ahead as there are threads.

    So that results do not pile up, and who stops early (Ctrl-C) waits for no more than those.

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
