"""Batches of a training run: which samples at which step, and how each is made.

Everything random about a sample comes from (seed, epoch, index), and what a step sees from (seed, step): a run that is
resumed in the middle of an epoch, with any number of workers, sees what the uninterrupted one would have seen.
"""

import functools
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from equipoise.errors import RunError, UserError
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.parts import read_part
from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.data.transforms import augment_part
from equipoise.scenes.io.processes import ignore_signals
from equipoise.scenes.tasks import Task, has_label
from equipoise.scenes.training.device import CPU
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.moving import Batch, on_device
from equipoise.scenes.wording import counted

Place = tuple[int, int]
"""(epoch, index in the data set)."""


def places(count: int, seed: int, start: int) -> Iterator[Place]:
    """The endless order of samples from position ``start``: every epoch is one shuffle of the ``count`` samples."""
    epoch, offset = divmod(start, count)
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(count)
        for index in order[offset:]:
            yield epoch, int(index)
        epoch, offset = epoch + 1, 0


def sample_at(
    dataset: SceneDataset, augmentation: Augmentation, size: tuple[int, int], seed: int, place: Place
) -> Sample:
    """The sample of a place, read and augmented."""
    epoch, index = place
    rng = np.random.default_rng((seed, epoch, index))
    return augment_part(functools.partial(read_part, dataset, index), augmentation, size, dataset.vocabulary, rng)


class _Steps:
    """A batch sampler: the places of each step from ``start`` to ``stop`` that are this process's, in ``parts``."""

    def __init__(
        self, count: int, seed: int, batch_size: int, start: int, stop: int, group: ProcessGroup, parts: int
    ) -> None:
        self.count, self.seed, self.batch_size, self.start, self.stop = count, seed, batch_size, start, stop
        self.group, self.parts = group, parts

    def __iter__(self) -> Iterator[list[Place]]:
        order = places(self.count, self.seed, self.start * self.batch_size)
        for _ in range(self.start, self.stop):
            own = [next(order) for _ in range(self.batch_size)][self.group.rank :: self.group.world]
            for part in range(self.parts):
                yield own[part * len(own) // self.parts : (part + 1) * len(own) // self.parts]

    def __len__(self) -> int:
        return (self.stop - self.start) * self.parts


class _Examples(Dataset[dict[str, Any]]):
    """Samples by place: read, augmented, with the target of every task."""

    def __init__(
        self,
        dataset: SceneDataset,
        tasks: Mapping[str, Task],
        augmentation: Augmentation,
        size: tuple[int, int],
        seed: int,
    ) -> None:
        self.dataset, self.tasks, self.augmentation, self.size, self.seed = dataset, tasks, augmentation, size, seed

    def __getitem__(self, place: Place) -> dict[str, Any]:
        try:
            return self._example(place)
        except UserError as error:  # Raised in a worker it would come back with the worker's traceback as its text.
            return {"error": error}

    def _example(self, place: Place) -> dict[str, Any]:
        sample = sample_at(self.dataset, self.augmentation, self.size, self.seed, place)
        targets = {name: task.target(sample) for name, task in self.tasks.items()}
        labelled = {name: task.label in sample.labels for name, task in self.tasks.items()}
        return {
            "name": sample.name,
            "epoch": place[0],
            "image": sample.image,
            "targets": targets,
            "labelled": labelled,
            "weight": sample.weight,
            "valid": {name: has_label(target) for name, target in targets.items()},
        }


def collate(examples: list[dict[str, Any]]) -> Batch | UserError:
    """Stack examples; images stay interleaved in memory, which is torch's channels-last layout.

    An error in the place of an example is the error of the whole batch.
    """
    for example in examples:
        if "error" in example:
            error: UserError = example["error"]
            return error
    images = torch.from_numpy(np.stack([e["image"] for e in examples])).permute(0, 3, 1, 2)
    rows, targets = {}, {}
    for name in examples[0]["targets"]:
        some = any(e["valid"][name] for e in examples)  # Else a decoder's running means would learn from none.
        labelled = [i for i, e in enumerate(examples) if some and e["labelled"][name]]
        rows[name] = torch.tensor(labelled, dtype=torch.int64)
        stacked = _stacked([e["targets"][name] for e in examples])
        targets[name] = stacked if len(labelled) == len(examples) else stacked[rows[name]]
    names = tuple(e["name"] for e in examples)
    weight = torch.tensor([e["weight"] for e in examples])
    weights = {name: weight[of] for name, of in rows.items()} if bool((weight != 1).any()) else None
    return Batch(images=images, targets=targets, rows=rows, epoch=examples[0]["epoch"], names=names, weights=weights)


def _stacked(arrays: list[np.ndarray[Any, Any]]) -> Tensor:
    """Classes as ``int64``, which cross entropy wants; regressions as they are."""
    tensor = torch.from_numpy(np.stack(arrays))
    return tensor if tensor.is_floating_point() else tensor.long()


def batches(
    dataset: SceneDataset,
    tasks: Mapping[str, Task],
    augmentation: Augmentation,
    *,
    size: tuple[int, int],
    seed: int,
    batch_size: int,
    start: int,
    stop: int,
    workers: int,
    parts: int = 1,
    group: ProcessGroup = ALONE,
    device: torch.device = CPU,
) -> Generator[Batch]:
    """This process's part of the batches of steps ``start`` … ``stop`` − 1, on ``device``.

    ``batch_size`` is that of all processes together; ``workers`` processes make them (0: this one does). Each step's
    batch comes in so many ``parts``, one after another.

    Raises:
        DataError: a sample cannot be read.
        RunError: a worker ended, or gives nothing any more.
    """
    loader = DataLoader(
        _Examples(dataset, tasks, augmentation, size, seed),
        batch_sampler=_Steps(len(dataset), seed, batch_size, start, stop, group, parts),
        collate_fn=collate,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=ignore_signals if workers else None,
        timeout=LONGEST_WAIT_S if workers else 0,
        pin_memory=device.type == "cuda",
        generator=torch.Generator().manual_seed(seed),  # Its own: an iterator draws a number that nobody needs.
    )
    iterator = iter(loader)
    try:
        yield from on_device(map(_expect_batch, iterator), device)
    except RuntimeError as error:
        if "DataLoader" not in str(error):
            raise
        processes = counted(workers, "worker process", "worker processes")
        raise RunError(
            f"expected batches from {processes}, found: {str(error).splitlines()[0]}: lower "
            "training.workers, or give shared memory (/dev/shm) more room"
        ) from None
    finally:
        # Now, and not when the interpreter ends: it would wait for workers that ignore signals.
        getattr(iterator, "_shutdown_workers", lambda: None)()


LONGEST_WAIT_S = 300


def _expect_batch(made: Batch | UserError) -> Batch:
    if isinstance(made, UserError):
        raise made
    return made
