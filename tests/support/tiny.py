"""A tiny data set in memory: random scenes whose labels can be told from the picture."""

from dataclasses import replace

import numpy as np

from equipoise.scenes.data.sample import Camera, Sample
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary

VOCABULARY = SceneVocabulary(
    classes=(
        SceneClass(name="ground", color=(90, 90, 90)),
        SceneClass(name="box", color=(200, 40, 40), countable=True),
        SceneClass(name="sky", color=(80, 140, 220)),
    ),
    sky=2,
    inverse_depth_unit="px",
    labels=("semantic", "instance", "inverse_depth"),
)


def scene(index: int, size: tuple[int, int] = (40, 56)) -> Sample:
    """Sky above ground, with two boxes; a few pixels without labels."""
    height, width = size
    rng = np.random.default_rng(index)
    semantic = np.zeros(size, np.uint8)
    semantic[: height // 2] = 2
    instance = np.zeros(size, np.int32)
    rows = np.arange(height, dtype=np.float32)[:, None].repeat(width, 1)
    inverse_depth = np.where(semantic == 2, 0.0, rows - height / 2 + 1).astype(np.float32)
    for k in (1, 2):
        top, left = int(rng.integers(height // 4, height // 2)), int(rng.integers(0, width - 16))
        box = (slice(top, top + 14), slice(left, left + 12))
        semantic[box], instance[box], inverse_depth[box] = 1, 1000 + k, 10.0 + 4 * k
    semantic[-1, :5] = IGNORE
    inverse_depth[-3:, -4:] = np.nan
    colors = np.array([c.color for c in VOCABULARY.classes] + [(0, 0, 0)], np.uint8)
    image = colors[np.minimum(semantic, 3)].astype(np.int16) + rng.integers(-20, 20, (*size, 3))
    return Sample(
        name=f"tiny/{index:03d}",
        image=np.clip(image, 0, 255).astype(np.uint8),
        labels={"semantic": semantic, "instance": instance, "inverse_depth": inverse_depth},
    )


class TinyDataset:
    """``count`` scenes of one size."""

    def __init__(self, count: int = 10, size: tuple[int, int] = (40, 56)) -> None:
        self.vocabulary, self.size = VOCABULARY, size
        self.names = tuple(f"tiny/{index:03d}" for index in range(count))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        return scene(index, self.size)

    def camera(self, index: int) -> Camera | None:
        return None

    def fingerprint(self) -> str:
        return f"{len(self)} {self.size}"


class PhotoDataset(TinyDataset):
    """The same scenes with classes alone, in another order, and one class more."""

    def __init__(self, count: int = 6, size: tuple[int, int] = (40, 56)) -> None:
        super().__init__(count, size)
        ground, box, sky = VOCABULARY.classes
        tree = SceneClass(name="tree", color=(20, 140, 40))
        classes = (sky, tree, replace(box, countable=False), ground)
        self.vocabulary = SceneVocabulary(labels=("semantic",), classes=classes, sky=0)
        self.names = tuple(f"photo/{index:03d}" for index in range(count))

    def __getitem__(self, index: int) -> Sample:
        sample = scene(100 + index, self.size)
        table = np.full(256, IGNORE, np.uint8)
        table[:3] = (3, 2, 0)
        semantic = table[sample.labels["semantic"]]
        semantic[4:8, 4:8] = 1
        return Sample(name=self.names[index], image=sample.image, labels={"semantic": semantic})
