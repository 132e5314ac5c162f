"""Average precision of images drawn with replacement: AP is no mean over images, so it is computed for each draw."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from equipoise.scenes.metrics.precision import THRESHOLDS, InstancePrecision

Values = npt.NDArray[np.float64]


def draws(images: int, count: int, seed: int = 0) -> Values:
    """How often each image is drawn: ``(count + 1, images)``; the first row takes every image once."""
    rng = np.random.default_rng(seed)
    return np.concatenate([np.ones((1, images)), rng.multinomial(images, np.full(images, 1 / images), count)])


def resampled_ap(images: Sequence[InstancePrecision], drawn: Values) -> Values:
    """AP of each draw.

    Args:
        images: the accumulator of each image.
        drawn: ``(draws, images)``: how often each image is taken.

    Returns:
        ``(draws,)``: ``InstancePrecision.compute()["ap"]`` of the images taken.
    """
    truth, true_image = _joined([np.concatenate(one._truth) for one in images])
    found, image = _joined([np.concatenate(one._found) for one in images])
    of_class = []
    for k in np.unique(truth[:, 0]):
        own = found[:, 0] == k
        _, scores, _, iou, _, ignored = found[own, :6].T
        count = drawn[:, true_image[truth[:, 0] == k]].sum(1)
        aps = []
        for overlap in THRESHOLDS:
            right = iou > overlap
            counted = right | (ignored <= overlap)
            aps.append(_ap(scores[counted], right[counted], drawn[:, image[own][counted]], count))
        of_class.append(np.where(count > 0, np.mean(aps, 0), np.nan))
    result: Values = np.nanmean(of_class, 0)
    return result


def _joined(tables: Sequence[Values]) -> tuple[Values, npt.NDArray[np.intp]]:
    return np.concatenate(tables), np.repeat(np.arange(len(tables)), [len(each) for each in tables])


def _ap(scores: Values, right: npt.NDArray[np.bool_], weights: Values, true: Values) -> Values:
    """``average_precision`` of objects that count ``weights`` (draws, objects) times; a score that no object of a draw
    has adds a point equal to its neighbour, which changes no sum."""
    if not scores.size:
        return np.zeros(len(weights))
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    taken = weights[:, order]
    hits, number = np.cumsum(taken * right[order], 1)[:, last], np.cumsum(taken, 1)[:, last]
    start = np.zeros((len(weights), 1))
    precision = np.hstack([start + 1, np.where(number > 0, hits / np.maximum(number, 1), 1.0)])
    recall = np.hstack([start, hits / np.maximum(true, 1)[:, None]])
    padded = np.hstack([start, recall, recall[:, -1:]])
    result: Values = (precision * 0.5 * (padded[:, 2:] - padded[:, :-2])).sum(1)
    return result
