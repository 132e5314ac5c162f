"""Predict many images: reading, the network and writing overlap, and results keep the order of the images."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from equipoise.errors import UserError
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.ahead import ahead

WRITERS = 2
"""Threads that write scenes. One scene more than these waits in memory."""
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """An image to predict.

    Attributes:
        name: the name of its predictions.
        source: what it is, for messages.
        file_name: its path relative to the folder of the images.
        image: its pixels, ``uint8 (H, W, 3)``; or why it cannot be read.
    """

    name: str
    source: str
    file_name: str
    image: npt.NDArray[np.uint8] | UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class Done(Generic[R]):
    """What became of an image: the result, or the error of the user that prevented it."""

    name: str
    source: str
    file_name: str
    result: R | UserError


def pipeline(
    items: Iterable[Item],
    predict: Callable[[Item], Scene],
    finish: Callable[[Item, Scene], R],
    *,
    writers: int = WRITERS,
) -> Generator[Done[R]]:
    """Predict images, and yield what becomes of each in their order.

    ``items`` are made in a thread, ahead of the network. ``predict`` runs in the calling thread. ``finish`` runs in
    threads behind it. The number of images in memory is bounded. Errors of the user concern their image alone; those of
    ``items`` are raised after the images before them. Other errors are raised. When the consumer stops, scenes that are
    being finished are finished, and no others.
    """
    with ThreadPoolExecutor(writers) as pool:
        waiting: deque[tuple[Item, Future[R] | UserError]] = deque()
        source, failed = ahead(items), None
        try:
            try:
                for item in source:
                    waiting.append((item, _predicted(item, predict, finish, pool)))
                    del item  # Its pixels are not needed any more.
                    while waiting and (len(waiting) > writers + 1 or _is_done(waiting[0][1])):
                        yield _done(*waiting.popleft())
            except UserError as error:
                failed = error
            while waiting:
                yield _done(*waiting.popleft())
            if failed is not None:
                raise failed
        finally:
            source.close()
            for _, future in waiting:
                if isinstance(future, Future):
                    future.cancel()


def _predicted(
    item: Item,
    predict: Callable[[Item], Scene],
    finish: Callable[[Item, Scene], R],
    pool: ThreadPoolExecutor,
) -> Future[R] | UserError:
    if isinstance(item.image, UserError):
        return item.image
    try:
        scene = predict(item)
    except UserError as error:
        return error
    return pool.submit(finish, item, scene)


def _is_done(future: Future[R] | UserError) -> bool:
    return isinstance(future, UserError) or future.done()


def _done(item: Item, future: Future[R] | UserError) -> Done[R]:
    result: R | UserError
    try:
        result = future if isinstance(future, UserError) else future.result()
    except UserError as error:
        result = error
    return Done(name=item.name, source=item.source, file_name=item.file_name, result=result)
