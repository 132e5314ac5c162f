"""The confusion matrix of classes over a whole data set."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.metrics.runs import run_lengths, weighted_counts


class ConfusionMatrix:
    """Counts of (true class, predicted class) over the labelled pixels of all images.

    IoU_k = TP_k / (TP_k + FP_k + FN_k), as in the official Cityscapes evaluation. A class that occurs neither in the
    truth nor in the predictions on labelled pixels has no IoU (NaN) and does not count in the mean.

    Args:
        classes: the number of classes. A true value outside 0 … classes − 1, such as 255, means no label.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 255]))
        >>> matrix.iou().tolist(), matrix.mean_iou()
        ([0.5, 0.5], 0.5)
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = np.zeros((classes, classes), np.int64)

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add arrays of class indices of any equal shape. Raises ``ValueError`` if a prediction is no class."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        runs, lengths = run_lengths(target, prediction)
        truth, found = (each.astype(np.int64) for each in runs)
        labelled = (truth >= 0) & (truth < self.classes)
        truth, found, lengths = truth[labelled], found[labelled], lengths[labelled]
        if found.size and not 0 <= int(found.min()) <= int(found.max()) < self.classes:
            raise ValueError(
                f"expected predictions 0 … {self.classes - 1}, found {int(found.min())} … {int(found.max())}"
            )
        pairs = weighted_counts(truth * self.classes + found, lengths, self.classes**2)
        self.counts += pairs.reshape(self.classes, self.classes)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add the counts of another matrix."""
        self.counts += other.counts

    def iou(self) -> npt.NDArray[np.float64]:
        """Return the IoU of each class; NaN if it never occurs."""
        hit = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(0) + self.counts.sum(1) - hit
        iou: npt.NDArray[np.float64] = np.divide(hit, union, out=np.full(self.classes, np.nan), where=union > 0)
        return iou

    def merged_iou(self, groups: Iterable[Sequence[int]]) -> list[float]:
        """Return the IoU of groups of classes, each taken for one class; NaN if it never occurs."""
        found = []
        for group in groups:
            own = list(group)
            hit = int(self.counts[np.ix_(own, own)].sum())
            union = int(self.counts[own].sum()) + int(self.counts[:, own].sum()) - hit
            found.append(hit / union if union else float("nan"))
        return found

    def mean_iou(self) -> float:
        """Return the mean IoU of the classes that occur; NaN if nothing was labelled."""
        iou = self.iou()
        present = ~np.isnan(iou)
        return float(iou[present].mean()) if present.any() else float("nan")

    def pixel_accuracy(self) -> float:
        """Return the fraction of labelled pixels with the right class; NaN if nothing was labelled."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float("nan")
