"""Compute the centroids of instances."""

import numpy as np
import numpy.typing as npt

from equipoise.scenes.labels.label import Points

SMALL_ID = 1 << 20
"""Below this id, counting with one bin per id is faster than sorting the ids."""


def instance_centroids(
    instance: npt.NDArray[np.int32], known: Points
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Return the instance ids in ascending order ``(K,)``, and their centroids (x, y) in px ``(K, 2)``.

    A centroid is the mean of the instance's visible pixels. Where any are ``known``, as in a part of a larger image,
    all are, and these are returned.
    """
    if known:
        ordered = sorted(known)
        return np.array(ordered, np.int32), np.array([known[k] for k in ordered], np.float64).reshape(-1, 2)
    width = instance.shape[1]
    flat = instance.reshape(-1)
    pixels = np.flatnonzero(flat != 0)
    if not pixels.size:
        return np.empty(0, np.int32), np.empty((0, 2))
    labels = flat[pixels]
    key: npt.NDArray[np.integer] = labels
    names = None
    if int(labels.min()) < 0 or int(labels.max()) >= SMALL_ID:
        names, key = np.unique(labels, return_inverse=True)
    counts = np.bincount(key)
    present = np.flatnonzero(counts)
    x = np.bincount(key, weights=pixels % width)[present] / counts[present]
    y = np.bincount(key, weights=pixels // width)[present] / counts[present]
    ids = (present if names is None else names[present]).astype(np.int32)
    return ids, np.stack([x, y], 1)
