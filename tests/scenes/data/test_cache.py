"""The cache gives what resizing each time would give, and never what is out of date or half written."""

import numpy as np
import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import resize
from tests.support.cityscapes import save, write_cityscapes
from tests.support.tiny import VOCABULARY, TinyDataset, scene


class Counting(TinyDataset):
    reads = 0

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        sample = scene(index, self.size)
        return sample if index else Sample(name=sample.name, image=sample.image)


def test_equals_resizing_each_time(tmp_path):
    source = Counting(4)
    cached = CachedDataset(source, (20, 30), tmp_path / "cache")
    for index in range(4):
        one, other = cached[index], resize(source[index], (20, 30), VOCABULARY)
        assert np.array_equal(one.image, other.image)
        for kind in ("semantic", "instance", "inverse_depth"):
            a, b = one.labels.get(kind), other.labels.get(kind)
            assert (a is None) == (b is None)
            assert a is None or np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def test_is_made_once(tmp_path):
    seen = []
    CachedDataset(Counting(4), (20, 30), tmp_path / "cache", progress=lambda: seen.append(1))
    again = Counting(4)
    CachedDataset(again, (20, 30), tmp_path / "cache")[2]
    assert again.reads == 0
    assert len(seen) == 4


def test_is_made_again_when_a_file_changes(tmp_path):
    write_cityscapes(tmp_path / "data")
    one = CachedDataset(CityscapesDataset(tmp_path / "data", "train"), (16, 32), tmp_path / "cache")[0]
    path = tmp_path / "data/leftImg8bit/train/town/town_000000_000000_leftImg8bit.png"
    save(path, np.full((32, 64, 3), 9, np.uint8))
    other = CachedDataset(CityscapesDataset(tmp_path / "data", "train"), (16, 32), tmp_path / "cache")[0]
    assert (other.image == 9).all()
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("damage", [b"", b"{", b"\x93NUMPY"])
def test_a_damaged_cache_is_made_again(tmp_path, damage):
    CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    for name in ("manifest.json", "image.npy"):
        (tmp_path / "cache" / name).write_bytes(damage)
        source = Counting(3)
        CachedDataset(source, (20, 30), tmp_path / "cache")
        assert source.reads == 3


def test_a_failure_leaves_nothing(tmp_path):
    class Broken(Counting):
        def __getitem__(self, index: int) -> Sample:
            raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        CachedDataset(Broken(3), (20, 30), tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"data.cache_folder"):
        CachedDataset(Counting(3), (20, 30), tmp_path / "file" / "cache")
