"""Other ways to cluster votes, for comparison: each is a ``Method``, as those of ``equipoise.scenes.grouping``."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from equipoise.scenes.grouping import METHODS
from equipoise.scenes.grouping.optics import nearest
from equipoise.scenes.grouping.peaks import clusters
from equipoise.scenes.grouping.votes import Members, Method, Votes, nobody


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


def heatmap(votes: Votes) -> Members:
    """As Panoptic-DeepLab groups, with votes for its heatmap: σ 8, maxima of 7×7 at 2049 px, then the nearest."""
    if not len(votes.x):
        return nobody(votes)
    sigma, width = max(1.0, votes.size[1] * 8 / 2049), 2 * max(1, round(votes.size[1] * 3 / 2049)) + 1
    grid = np.zeros(votes.size)
    np.add.at(grid, (np.rint(votes.y).astype(int), np.rint(votes.x).astype(int)), 1.0)
    heat = ndimage.gaussian_filter(grid, sigma)
    heat += np.arange(heat.size).reshape(heat.shape) * (heat.max() * 1e-9 / heat.size)
    high = heat > votes.smallest / (8 * math.pi * sigma**2)
    y, x = np.nonzero((heat == ndimage.maximum_filter(heat, width)) & high)
    if not len(x):
        return nobody(votes)
    best = np.argsort(-heat[y, x], kind="stable")[:200]
    return nearest(votes, np.stack([x[best], y[best]], 1).astype(np.float64), votes.size[1] / 100)


def dbscan(votes: Votes) -> Members:
    """DBSCAN on the different pixels that are voted for, weighted by their votes; ε = 1/200 of the width."""
    from sklearn.cluster import DBSCAN

    model = DBSCAN(eps=max(1.5, votes.size[1] / 200), min_samples=max(2, votes.smallest // 2))
    return _on_cells(votes, model, weighted=True)


def hdbscan(votes: Votes) -> Members:
    """HDBSCAN on the different pixels that are voted for."""
    from sklearn.cluster import HDBSCAN

    return _on_cells(votes, HDBSCAN(min_cluster_size=max(2, votes.smallest), copy=True), weighted=False)


def _on_cells(votes: Votes, model: Any, *, weighted: bool) -> Members:
    places = np.rint(np.stack([votes.x, votes.y], 1)).astype(np.int64)
    cells, count = np.unique(places, axis=0, return_counts=True)
    if len(cells) <= votes.smallest:
        return nobody(votes)
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


COMPARED: dict[str, Method] = {
    "votes": METHODS["votes"],
    "one radius, width/100": one_radius(1 / 100),
    "heatmap": heatmap,
    "DBSCAN, weighted": dbscan,
    "HDBSCAN": hdbscan,
    "optics": METHODS["optics"],
}
