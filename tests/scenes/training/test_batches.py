"""What a step sees depends on (seed, step) alone: not on where the run was resumed, nor on the workers."""

import multiprocessing
import time
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.errors import DataError
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.tasks import has_label, make_tasks
from equipoise.scenes.training.batches import batches, collate, places
from equipoise.scenes.training.moving import Batch
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset, scene


def make(start: int, stop: int, *, workers: int = 0, seed: int = 3) -> list[Batch]:
    return list(
        batches(
            TinyDataset(7),
            make_tasks(("semantic", "instance", "depth"), VOCABULARY),
            Augmentation(),
            size=(40, 56),
            seed=seed,
            batch_size=4,
            start=start,
            stop=stop,
            workers=workers,
        )
    )


class Broken(TinyDataset):
    def __getitem__(self, index: int) -> Sample:
        if index == 5:
            raise DataError("x.png: expected a picture, found none")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_sample_ends_all_workers_at_once(workers):
    """With its own words, not those of the worker; the rest of the process goes on."""
    tasks = make_tasks(("semantic",), VOCABULARY)
    started = time.monotonic()
    with pytest.raises(DataError) as caught:
        for _ in batches(
            Broken(7), tasks, Augmentation(), size=(40, 56), seed=0, batch_size=3, start=0, stop=50, workers=workers
        ):
            pass
    assert str(caught.value) == "x.png: expected a picture, found none"
    assert time.monotonic() - started < 60
    assert not multiprocessing.active_children()


def same(one: Batch, other: Batch) -> bool:
    tensors = [(one.images, other.images), *((one.targets[k], other.targets[k]) for k in one.targets)]
    return one.names == other.names and all(torch.equal(a.nan_to_num(-9e9), b.nan_to_num(-9e9)) for a, b in tensors)


def test_every_epoch_holds_every_sample_once():
    drawn = list(islice(places(7, 0, 0), 21))
    for epoch in range(3):
        assert Counter(i for e, i in drawn if e == epoch) == Counter(range(7))
    assert [i for e, i in drawn if e == 0] != [i for e, i in drawn if e == 1]


def test_places_can_start_anywhere():
    whole = list(islice(places(7, 5, 0), 40))
    for start in (0, 1, 6, 7, 13, 20):
        assert list(islice(places(7, 5, start), 40 - start)) == whole[start:]


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_batches_equal_uninterrupted_ones(workers: int):
    whole, rest = make(0, 6), make(2, 6, workers=workers)
    assert len(rest) == 4
    assert all(same(a, b) for a, b in zip(whole[2:], rest, strict=True))


def test_another_seed_sees_others():
    assert not same(make(0, 1)[0], make(0, 1, seed=4)[0])


def test_layout_and_types():
    batch = make(0, 1)[0]
    assert batch.images.shape == (4, 3, 40, 56)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.targets["semantic"].dtype == torch.int64
    assert batch.targets["instance"].shape == (4, 2, 40, 56)
    assert batch.targets["depth"].shape == (4, 1, 40, 56)


def test_a_batch_whose_labels_are_all_void_has_no_rows():
    """As one without objects: no decoder shall learn its running means from images that it is not asked about."""
    unlabelled = np.full(scene(0).size, np.nan, np.float32)
    void = replace(scene(0), labels={**scene(0).labels, "inverse_depth": unlabelled})
    tasks = make_tasks(("semantic", "instance", "depth"), VOCABULARY)

    def example(sample: Sample) -> dict[str, Any]:
        return {"name": "", "epoch": 0, "image": sample.image} | {
            "targets": (targets := {name: task.target(sample) for name, task in tasks.items()}),
            "weight": 1.0,
            "labelled": dict.fromkeys(tasks, True),
            "valid": {name: has_label(target) for name, target in targets.items()},
        }

    for others, rows in (([], []), ([example(scene(1))], [0, 1, 2])):
        assert collate([example(void), example(void), *others]).rows["depth"].tolist() == rows


def test_a_task_has_the_rows_that_are_labelled():
    dataset = JoinedDataset({"tiny": TinyDataset(2), "photos": PhotoDataset(7)}, [1, 1])
    tasks = make_tasks(("semantic", "instance", "depth"), dataset.vocabulary)
    found = batches(
        dataset,
        tasks,
        Augmentation(flip=False),
        size=(40, 56),
        seed=0,
        batch_size=3,
        start=0,
        stop=12,
        workers=0,
    )
    counts = set()
    for batch in found:
        labelled = [i for i, name in enumerate(batch.names) if name.startswith("tiny/")]
        counts.add(len(labelled))
        assert batch.rows["semantic"].tolist() == [0, 1, 2]
        assert batch.targets["semantic"].shape == (3, 40, 56)
        for name, channels in (("instance", 2), ("depth", 1)):
            assert batch.rows[name].tolist() == labelled
            assert batch.targets[name].shape == (len(labelled), channels, 40, 56)
        for row, i in enumerate(labelled):
            index = dataset.names.index(batch.names[i])
            assert torch.equal(
                batch.targets["depth"][row].nan_to_num(-1.0),
                torch.from_numpy(dataset[index].labels["inverse_depth"])[None].nan_to_num(-1.0),
            )
    assert {0, 1} <= counts
