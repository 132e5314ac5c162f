"""Take items from an iterator in a thread, a few ahead of their consumer."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

T = TypeVar("T")
END = object()


def ahead(items: Iterable[T], most: int = 2) -> Generator[T]:
    """Yield the items in order. At most ``most`` of them are taken ahead, in one thread, which bounds their memory.

    An error of the iterator is raised where its item would be. When the consumer stops early, the iterator stops after
    the item that it is at.

    >>> list(ahead(n * n for n in range(5)))
    [0, 1, 4, 9, 16]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[object]] = deque(pool.submit(next, iterator, END) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not END:
                waiting.append(pool.submit(next, iterator, END))
                yield cast(T, item)
        finally:
            for future in waiting:
                future.cancel()
