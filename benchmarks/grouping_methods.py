"""Other ways to cluster votes, for comparison: each function makes a ``Method``."""

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from equipoise.scenes.grouping import octaves, optics
from equipoise.scenes.grouping.optics import nearest
from equipoise.scenes.grouping.peaks import clusters
from equipoise.scenes.grouping.votes import Members, Method, Votes, nobody


def votes_method(share: float = octaves.SHARE, noise: float = octaves.NOISE, apart: float = octaves.APART) -> Method:
    """The default, with its three constants."""

    def method(votes: Votes) -> Members:
        with patch.multiple(octaves, SHARE=share, NOISE=noise, APART=apart):
            return octaves.by_octaves(votes)

    return method


def optics_method(radius: float = 1 / 100, most: int = optics.MOST_VOTES) -> Method:
    """The paper's method: ``radius`` is a share of the width; more than ``most`` votes are thinned."""

    def method(votes: Votes) -> Members:
        with patch.multiple(optics, RADIUS=radius, MOST_VOTES=most):
            return optics.by_optics(votes)

    return method


def one_radius(share: float) -> Method:
    """The former default: peaks of votes smoothed by one radius, a share of the image's width."""

    def method(votes: Votes) -> Members:
        own, closeness, radius = np.full(len(votes.x), -1, np.intp), [], votes.size[1] * share
        places = np.stack([votes.x, votes.y], 1).astype(np.float64)
        for number, (members, distance) in enumerate(clusters(places, votes.size, radius, votes.smallest)):
            own[members] = number
            closeness.append(float(np.exp(-distance / radius).mean()))
        return Members(own=own, closeness=np.array(closeness))

    return method


def heatmap(sigma: float, window: int, least: float) -> Method:
    """As Panoptic-DeepLab groups, with votes for its heatmap: maxima of a smoothed map, then the nearest.

    Args:
        sigma: of the Gaussian, px at a width of 2049.
        window: the side of the square in which a maximum is the largest, px at a width of 2049.
        least: the least height, in heights of the peak that the fewest pixels of an object make.
    """

    def method(votes: Votes) -> Members:
        scale = votes.size[1] / 2049
        spread, side = max(0.5, sigma * scale), 2 * max(1, round(window / 2 * scale)) + 1
        grid = np.zeros(votes.size)
        np.add.at(grid, (np.rint(votes.y).astype(int), np.rint(votes.x).astype(int)), 1.0)
        heat = ndimage.gaussian_filter(grid, spread)
        heat += np.arange(heat.size).reshape(heat.shape) * (heat.max() * 1e-9 / heat.size)
        high = heat > least * votes.smallest / (2 * math.pi * spread**2)
        y, x = np.nonzero((heat == ndimage.maximum_filter(heat, side)) & high)
        if not len(x) or not len(votes.x):
            return nobody(votes)
        best = np.argsort(-heat[y, x], kind="stable")[:200]
        return nearest(votes, np.stack([x[best], y[best]], 1).astype(np.float64), votes.size[1] / 100)

    return method


def true_centres(ids: npt.NDArray[np.int32]) -> Method:
    """An oracle: each vote goes to the nearest centroid of the true objects that lie for the most part in the votes."""
    y, x = np.divmod(np.arange(ids.size), ids.shape[1])
    flat = ids.reshape(-1)
    area = np.maximum(np.bincount(flat), 1)
    places = np.stack([np.bincount(flat, weights=axis) / area for axis in (x, y)], 1)

    def method(votes: Votes) -> Members:
        shared = np.bincount(flat[votes.pixels], minlength=len(area))
        shared[0] = 0
        known = np.flatnonzero(shared * 2 > area)
        return nearest(votes, places[known], votes.size[1] / 100) if len(known) else nobody(votes)

    return method


def dbscan(radius: float, least: float) -> Method:
    """DBSCAN on the different pixels that are voted for, weighted by their votes.

    Args:
        radius: ε as a share of the width.
        least: the votes within ε of a core point, as a share of the fewest pixels of an object.
    """

    def method(votes: Votes) -> Members:
        from sklearn.cluster import DBSCAN

        model = DBSCAN(eps=max(1.0, votes.size[1] * radius), min_samples=max(2, round(votes.smallest * least)))
        return _on_cells(votes, model, weighted=True)

    return method


def hdbscan(least: float, join: float) -> Method:
    """HDBSCAN on the different pixels that are voted for, which it cannot weigh.

    Args:
        least: the smallest cluster, as a share of the fewest pixels of an object.
        join: clusters nearer than this share of the width are one.
    """

    def method(votes: Votes) -> Members:
        from sklearn.cluster import HDBSCAN

        smallest = max(2, round(votes.smallest * least))
        model = HDBSCAN(min_cluster_size=smallest, cluster_selection_epsilon=votes.size[1] * join, copy=True)
        return _on_cells(votes, model, weighted=False)

    return method


def _on_cells(votes: Votes, model: Any, *, weighted: bool) -> Members:
    places = np.rint(np.stack([votes.x, votes.y], 1)).astype(np.int64)
    cells, count = np.unique(places, axis=0, return_counts=True)
    if len(cells) < (1 if weighted else 2 + model.min_cluster_size):
        return nobody(votes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = (model.fit(cells, sample_weight=count) if weighted else model.fit(cells)).labels_
    if labels.max() < 0:
        return nobody(votes)
    return nearest(votes, _centres(cells, count, labels), votes.size[1] / 100)


def _centres(
    cells: npt.NDArray[np.int64], count: npt.NDArray[np.int64], labels: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    inside = labels >= 0
    total = np.bincount(labels[inside], weights=count[inside])
    sums = [np.bincount(labels[inside], weights=(count * axis)[inside]) for axis in cells.T]
    return np.stack(sums, 1) / total[:, None]


Makers = dict[str, tuple[Callable[..., Method], dict[str, tuple[Any, ...]]]]
MAKERS: Makers = {
    "votes": (votes_method, {"share": (0.2, 0.25, 0.3), "noise": (2.5, 4.0, 6.0, 8.0), "apart": (0.6, 0.7)}),
    "one radius": (one_radius, {"share": (1 / 400, 1 / 200, 1 / 140, 1 / 100, 1 / 70, 1 / 50)}),
    "heatmap": (heatmap, {"sigma": (4, 8, 16, 24, 32), "window": (7, 25, 49), "least": (0.1, 0.25, 0.5)}),
    "DBSCAN, weighted": (
        dbscan,
        {"radius": (1 / 256, 1 / 170, 1 / 128, 1 / 85, 1 / 64), "least": (0.25, 0.5, 1.0, 2.0)},
    ),
    "HDBSCAN": (hdbscan, {"least": (0.25, 0.5, 1.0), "join": (0.0, 1 / 128, 1 / 64)}),
    "optics": (optics_method, {"radius": (1 / 200, 1 / 100, 1 / 64)}),
}
"""How each method is made, and the values of its parameters among which benchmarks/grouping_tuning.py chooses."""


def settings(name: str) -> Iterator[tuple[dict[str, Any], Method]]:
    """Every combination of a method's parameters, with the method."""
    maker, grid = MAKERS[name]
    for values in itertools.product(*grid.values()):
        given = dict(zip(grid, values, strict=True))
        yield given, partial(maker, **given)()


CHOSEN: dict[str, dict[str, Any]] = {
    "votes": {},
    "one radius": {"share": 1 / 140},
    "heatmap": {"sigma": 16, "window": 7, "least": 0.5},
    "DBSCAN, weighted": {"radius": 1 / 128, "least": 2.0},
    "HDBSCAN": {"least": 0.25, "join": 1 / 128},
    "optics": {"radius": 1 / 100},
}
"""What benchmarks/grouping_tuning.py chose."""
COMPARED: dict[str, Method] = {name: MAKERS[name][0](**given) for name, given in CHOSEN.items()}
