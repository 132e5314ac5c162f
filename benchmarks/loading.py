"""A sample from the memory-mapped cache against decoding and resizing its PNGs."""

import tempfile
from pathlib import Path

from benchmarks.measure import side_by_side
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.streets import generate

COUNT = 24


def run() -> list[str]:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for size in ((128, 256), (512, 1024)):
            root = Path(folder) / str(size[0])
            generate(root, train=COUNT, val=0, size=size)
            dataset = CityscapesDataset(root, "train")
            cached = CachedDataset(dataset, (128, 256), root / "cache")

            def from_cache(cached: CachedDataset = cached) -> None:
                for index in range(COUNT):
                    _ = cached[index]

            def decoded(dataset: CityscapesDataset = dataset) -> None:
                for index in range(COUNT):
                    resize(dataset[index], (128, 256), dataset.vocabulary)

            ratio = side_by_side(decoded, from_cache, rounds=9, warm_up=1)
            lines.append(f"decode {size[0]}x{size[1]} and resize, against the cache: {ratio} (aim: at least 10)")
    return lines
