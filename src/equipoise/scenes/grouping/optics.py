"""The paper's grouping: OPTICS finds the clusters of votes, and each pixel belongs to the nearest centre.

OPTICS takes minutes for the votes of a large image, so it sees the pixels of a coarser grid, as many as it clusters in
seconds. The paper gives no parameters.
"""

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from equipoise.errors import UsageError
from equipoise.scenes.grouping.votes import Members, Votes, nobody

MOST_VOTES = 4096
"""Votes that OPTICS clusters; more are thinned to every n-th row and column of pixels."""
INSTALL = 'pip install "equipoise[optics]"'
RADIUS = 1 / 100
"""``eps``, how far apart neighbouring votes of one object may be, as a share of the image's width; at least 2 px."""


def by_optics(votes: Votes) -> Members:
    """Give each vote to the nearest centre of a cluster that OPTICS finds (``cluster_method="dbscan"``).

    Raises:
        UsageError: scikit-learn is not installed.
    """
    optics = scikit_learn_optics()
    stride = math.ceil(math.sqrt(len(votes.x) / MOST_VOTES)) or 1
    chosen = (votes.row % stride == 0) & (votes.column % stride == 0)
    places = np.stack([votes.x[chosen], votes.y[chosen]], 1).astype(np.float64)
    neighbours = max(2, round(votes.smallest / 2 / stride**2))
    if len(places) <= neighbours:
        return nobody(votes)
    radius = max(2.0, votes.size[1] * RADIUS)
    with warnings.catch_warnings():  # Votes that are all far apart are no mistake: there are no objects.
        warnings.filterwarnings("ignore", message="All reachability values are inf", category=UserWarning)
        found = optics(min_samples=neighbours, max_eps=2 * radius, eps=radius, cluster_method="dbscan").fit(places)
    labels = found.labels_
    if labels.max() < 0:
        return nobody(votes)
    return nearest(votes, _means(places, labels), radius)


def nearest(votes: Votes, centres: npt.NDArray[np.float64], radius: float) -> Members:
    """Give each vote to the nearest of ``centres`` (K, 2); closeness is the mean of exp(−distance/radius)."""
    distance, own = cKDTree(centres).query(np.stack([votes.x, votes.y], 1))
    sums = np.bincount(own, weights=np.exp(-distance / radius), minlength=len(centres))
    return Members(own=own, closeness=sums / np.maximum(np.bincount(own, minlength=len(centres)), 1))


def _means(places: npt.NDArray[np.float64], labels: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    inside = labels >= 0
    count = np.bincount(labels[inside])
    return np.stack([np.bincount(labels[inside], weights=axis[inside]) / count for axis in places.T], 1)


def scikit_learn_optics() -> Any:
    """Return the class ``OPTICS``; raises ``UsageError`` if scikit-learn is not installed."""
    try:
        from sklearn.cluster import OPTICS
    except ImportError:
        raise UsageError(f"grouping optics: expected scikit-learn, which is not installed: {INSTALL}") from None
    return OPTICS
