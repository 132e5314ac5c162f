"""A contact sheet: samples with their labels, to look at before training."""

import numpy as np

from equipoise.errors import DataError
from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.pictures import Picture, class_colors, disparity_colors, instance_colors

WIDTH, GAP = 320, 6


def contact_sheet(dataset: SceneDataset, *, rows: int = 6) -> Picture | None:
    """A row a sample: image, classes, instances, depth, as far as there are; ``None`` where none is readable.

    Evenly chosen; samples that cannot be read are left out. Every label is drawn on the pixels it lies on.
    """
    chosen = np.unique(np.linspace(0, len(dataset) - 1, rows).round().astype(int)).tolist()
    pictures = []
    for index in chosen:
        try:
            sample = dataset[index]
        except DataError:
            continue
        height = max(1, round(sample.size[0] * WIDTH / sample.size[1]))
        pictures.append(_row(resize(sample, (height, WIDTH), dataset.vocabulary.inverse_depth_unit), dataset))
    return np.concatenate(pictures) if pictures else None


def _row(sample: Sample, dataset: SceneDataset) -> Picture:
    blank = np.full_like(sample.image, 40)
    cells = [sample.image]
    if dataset.vocabulary.classes:
        cells.append(blank if sample.semantic is None else class_colors(sample.semantic, dataset.vocabulary))
    if dataset.vocabulary.has_instances:
        cells.append(blank if sample.instance is None else instance_colors(sample.instance))
    if dataset.vocabulary.inverse_depth_unit is not None:
        cells.append(blank if sample.inverse_depth is None else disparity_colors(sample.inverse_depth))
    gap = np.full((sample.size[0], GAP, 3), 255, np.uint8)
    row = np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1)
    return np.concatenate([row, np.full((GAP, row.shape[1], 3), 255, np.uint8)])
