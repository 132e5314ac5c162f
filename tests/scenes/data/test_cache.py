"""The cache gives what resizing each time would give, and never what is out of date or half written."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.errors import DataError, RunError
from equipoise.scenes.data import stored_sample
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.io.atomic import write_atomic
from tests.support.cityscapes import save, write_cityscapes
from tests.support.commands import environment
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
def test_a_damaged_manifest_is_made_again(tmp_path, damage):
    CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    (tmp_path / "cache/manifest.json").write_bytes(damage)
    source = Counting(3)
    CachedDataset(source, (20, 30), tmp_path / "cache")
    assert source.reads == 3


@pytest.mark.parametrize("left", [0, 5, 300, -1])
def test_a_sample_that_was_cut_is_made_again_alone(tmp_path, left):
    CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    path = tmp_path / "cache/000001.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    source = Counting(3)
    CachedDataset(source, (20, 30), tmp_path / "cache")
    assert source.reads == 1
    assert path.read_bytes() == whole


def test_a_sample_that_is_gone_is_made_again_alone(tmp_path):
    CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    (tmp_path / "cache/000002.safetensors").unlink()
    source = Counting(3)
    assert CachedDataset(source, (20, 30), tmp_path / "cache")[2].size == (20, 30)
    assert source.reads == 1


@pytest.mark.parametrize("damage", [b"", b"garbage" * 20, None])
def test_a_sample_that_is_damaged_during_a_run_ends_it_in_one_line(tmp_path, damage):
    cached = CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    path = tmp_path / "cache/000001.safetensors"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(DataError, match=r"expected a sample of the cache, found.*delete the folder") as caught:
        _ = cached[1]
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cache_that_another_run_makes_again_is_noticed(tmp_path):
    """Its samples would not be those that this run has begun with."""
    cached = CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    CachedDataset(Counting(4), (20, 30), tmp_path / "cache")
    with pytest.raises(DataError, match="another run has made it again"):
        _ = cached[1]


def test_a_stopped_build_goes_on_where_it_stopped(tmp_path):
    """What was finished is kept, unless one of its bits has changed; what was half written is not read."""

    class Broken(Counting):
        def __getitem__(self, index: int) -> Sample:
            if index == 5:
                raise DataError("broken")
            return super().__getitem__(index)

    whole = contents(CachedDataset(Counting(7), (20, 30), tmp_path / "whole"), tmp_path / "whole")
    folder = tmp_path / "cache"
    with pytest.raises(DataError, match="broken"):
        CachedDataset(Broken(7), (20, 30), folder)
    kept = sorted(path.name for path in folder.glob("*.safetensors"))
    assert "000000.safetensors" in kept
    assert "bytes" not in json.loads((folder / "manifest.json").read_text())
    flipped = bytearray((folder / "000001.safetensors").read_bytes())
    flipped[-100] ^= 1
    (folder / "000001.safetensors").write_bytes(flipped)
    (folder / ".000006.safetensors.writing").write_bytes(b"half")
    source, seen = Counting(7), []
    cached = CachedDataset(source, (20, 30), folder, progress=lambda: seen.append(1))
    assert source.reads == 7 - len(kept) + 1
    assert len(seen) == 7
    assert contents(cached, folder) == whole


ONE_CORE = pytest.mark.filterwarnings("ignore:This DataLoader will create")
"""For machines with a single core."""


def contents(cached: CachedDataset, folder: Path) -> dict[str, bytes]:
    """The files of a cache; there are no others than its samples and its manifest."""
    names = [f"{index:06d}.safetensors" for index in range(len(cached))]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "manifest.json"]
    return {name: (folder / name).read_bytes() for name in (*names, "manifest.json")}


@ONE_CORE
def test_several_processes_write_what_one_does(tmp_path):
    folders = [tmp_path / "one", tmp_path / "several"]
    one, several = (
        contents(CachedDataset(TinyDataset(20), (20, 30), folder, processes=processes), folder)
        for folder, processes in zip(folders, (1, 2), strict=True)
    )
    assert one == several


@ONE_CORE
def test_an_error_of_one_of_several_processes_keeps_its_words(tmp_path):
    class Broken(TinyDataset):
        def __getitem__(self, index: int) -> Sample:
            raise DataError("x.png: expected a picture, found none")

    with pytest.raises(DataError, match=r"^x\.png: expected a picture, found none$"):
        CachedDataset(Broken(8), (20, 30), tmp_path / "cache", processes=2)
    assert not multiprocessing.active_children()


@ONE_CORE
def test_a_process_that_dies_is_one_line(tmp_path):
    class Deadly(TinyDataset):
        def __getitem__(self, index: int) -> Sample:
            if index == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    with pytest.raises(RunError, match=r"expected results from 2 worker processes, found.*finished work is kept"):
        CachedDataset(Deadly(8), (20, 30), tmp_path / "cache", processes=2)
    source = Counting(8)
    CachedDataset(source, (20, 30), tmp_path / "cache")
    assert source.reads < 8


class Plain(TinyDataset):
    reads = 0

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return super().__getitem__(index)


PROGRAM = """
import sys, time
from pathlib import Path
from equipoise.scenes.data import stored_sample
from equipoise.scenes.data.cache import CachedDataset
from tests.support.tiny import TinyDataset
class Slow(TinyDataset):
    def __getitem__(self, index):
        time.sleep(0.05)
        return super().__getitem__(index)
CachedDataset(Slow(200), (20, 30), Path(sys.argv[1]) / "killed", processes=2)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_build_that_is_killed_goes_on(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], env=environment(), stderr=subprocess.DEVNULL)
    folder, deadline = tmp_path / "killed", time.monotonic() + 60
    while len(list(folder.glob("*.safetensors"))) < 10:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(60) != 0
    source = Plain(200)
    cached = CachedDataset(source, (20, 30), folder, processes=1)
    whole = CachedDataset(TinyDataset(200), (20, 30), tmp_path / "whole")
    assert contents(cached, folder) == contents(whole, tmp_path / "whole")
    assert 0 < source.reads <= 190


def test_a_disk_that_fills_up_while_the_cache_is_written_is_one_line(tmp_path, monkeypatch):
    """What was finished is kept, and the next run goes on."""

    def full(path: Path, data: bytes, *, sync: bool) -> None:
        if path.name.startswith("000002"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_atomic(path, data, sync=sync)

    with monkeypatch.context() as patched:
        patched.setattr(stored_sample, "write_atomic", full)
        with pytest.raises(DataError, match="found: No space left on device: free space, choose another"):
            CachedDataset(Counting(3), (20, 30), tmp_path / "cache")
    source = Counting(3)
    CachedDataset(source, (20, 30), tmp_path / "cache")
    assert source.reads <= 2


def test_a_disk_that_is_too_small_is_one_line_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=9000))
    source = Counting(10)
    with pytest.raises(DataError, match=r"expected 59\.9 kB of free space .* found 9 kB: choose another"):
        CachedDataset(source, (20, 30), tmp_path / "cache")
    assert source.reads == 0


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"data.cache_folder"):
        CachedDataset(Counting(3), (20, 30), tmp_path / "file" / "cache")
