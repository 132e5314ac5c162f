"""Figures of tables of predictions: AUC, accuracy, root mean squared error."""

import torch
from torch import Tensor


def auc(scores: Tensor, positive: Tensor) -> float:
    """The area under the ROC curve: how often a positive sample has the higher score, ties counting half.

    Args:
        scores: ``(N,)``.
        positive: ``(N,)``, boolean.

    Raises:
        ValueError: samples of one class alone.

    >>> auc(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True]))
    0.75
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        raise ValueError(f"auc: expected samples of both classes, found {positives} positive and {negatives} negative")
    _, group, counts = torch.unique(scores.double(), sorted=True, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    ranks = (ends - (counts - 1) / 2.0)[group]
    wins = ranks[positive].sum() - positives * (positives + 1) / 2.0
    return float(wins / (positives * negatives))


def accuracy(predicted: Tensor, target: Tensor) -> float:
    """The share of equal entries of two tensors of equal shape."""
    return float((predicted == target).double().mean())


def rmse(predicted: Tensor, target: Tensor) -> float:
    """The root of the mean squared difference of two tensors of equal shape."""
    return float((predicted.double() - target.double()).square().mean().sqrt())
