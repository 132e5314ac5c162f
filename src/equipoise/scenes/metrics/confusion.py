"""The confusion matrix of classes: one for a whole data set, never a mean over images."""

from typing import Any

import numpy as np
import numpy.typing as npt


class ConfusionMatrix:
    """Counts of (true class, predicted class) over all labelled pixels of all images.

    IoU_k = TP_k / (TP_k + FP_k + FN_k), as the official Cityscapes evaluation; classes that occur neither in truth nor
    in a labelled pixel's prediction have no IoU (NaN) and do not enter the mean.

    Args:
        classes: how many; a true value outside 0 … classes − 1 (255) is no label.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = np.zeros((classes, classes), np.int64)

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image (or any shape) of class indices; predictions must be classes where the target is one."""
        if prediction.shape != target.shape:
            raise ValueError(f"expected arrays of equal shape, found {prediction.shape} and {target.shape}")
        truth, found = target.reshape(-1).astype(np.int64), prediction.reshape(-1).astype(np.int64)
        labelled = (truth >= 0) & (truth < self.classes)
        truth, found = truth[labelled], found[labelled]
        if found.size and not 0 <= int(found.min()) <= int(found.max()) < self.classes:
            raise ValueError(
                f"expected predictions 0 … {self.classes - 1}, found {int(found.min())} … {int(found.max())}"
            )
        pairs = np.bincount(truth * self.classes + found, minlength=self.classes**2)
        self.counts += pairs.reshape(self.classes, self.classes)

    def merge(self, other: "ConfusionMatrix") -> None:
        """Add another matrix's counts."""
        self.counts += other.counts

    def iou(self) -> npt.NDArray[np.float64]:
        """The IoU of each class; NaN where it occurs nowhere."""
        hit = np.diag(self.counts).astype(np.float64)
        union = self.counts.sum(0) + self.counts.sum(1) - hit
        iou: npt.NDArray[np.float64] = np.divide(hit, union, out=np.full(self.classes, np.nan), where=union > 0)
        return iou

    def mean_iou(self) -> float:
        """The mean over the classes that occur; NaN where nothing was labelled."""
        iou = self.iou()
        present = ~np.isnan(iou)
        return float(iou[present].mean()) if present.any() else float("nan")

    def pixel_accuracy(self) -> float:
        """The share of labelled pixels that are right."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float("nan")
