"""How videos are shown: rotated by their display matrix, and with frames at irregular times."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from equipoise.scenes.io.video import VideoReader, VideoWriter
from tests.commands.test_predict_video import brightness
from tests.support.commands import equipoise
from tests.support.photos import write_home

SIZE = (48, 64)
TIMES = (0, 1, 5, 6, 20, 21, 60)
MATRICES = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Degrees clockwise → (a, b, c, d) of the display matrix: a stored point (x, y) is shown at (ax + cy, bx + dy)."""
ONE = 0x10000


def write_video(path: Path, times: tuple[int, ...] = TIMES, base: Fraction = Fraction(1, 20)) -> Path:
    """Frames that grow brighter, each with a white corner at the top left, and a grey one at the top right."""
    with VideoWriter(path, size=SIZE, rate=Fraction(20), time_base=base) as writer:
        for index, time in enumerate(times):
            image = np.full((*SIZE, 3), 10 + 15 * index, np.uint8)
            image[:16, :16], image[:16, -16:] = 255, 160
            writer.write(image, time)
    return path


def rotated(path: Path, degrees: int) -> Path:
    """Change the display matrix in the track header of an MP4, as phones do."""
    data, (a, b, c, d) = bytearray(path.read_bytes()), MATRICES[degrees]
    upright = struct.pack(">9i", ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    place = data.index(upright, data.index(b"tkhd"))
    data[place : place + 36] = struct.pack(">9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


@pytest.mark.parametrize("degrees", MATRICES)
def test_frames_are_upright(tmp_path: Path, degrees: int):
    stored = np.zeros((*SIZE, 3), np.uint8)
    stored[:16, :16], stored[:16, -16:] = 255, 160
    shown = np.rot90(stored, -degrees // 90).astype(int)
    path = rotated(write_video(tmp_path / "phone.mp4"), degrees)
    frames = [frame.image for frame in VideoReader(path, "phone.mp4").frames()]
    assert len(frames) == len(TIMES)
    assert frames[0].shape == shown.shape
    corners = np.array([frames[0][y, x].mean() for y in (4, -5) for x in (4, -5)])
    assert np.abs(corners - [max(10, shown[y, x, 0]) for y in (4, -5) for x in (4, -5)]).max() < 25


def test_overlays_of_a_rotated_video_are_upright(tmp_path: Path):
    home = write_home(tmp_path)
    rotated(write_video(home / "phone.mp4"), 90)
    done = equipoise("predict", "run", "phone.mp4", "--out", "out", "--write", "overlays", cwd=home)
    assert done.returncode == 0, done.stderr
    for file in (home / "out").glob("*_overlay.mp4"):
        with av.open(str(file)) as container:
            frame = next(container.decode(video=0))
            assert ((frame.height, frame.width), frame.rotation) == ((64, 48), 0)


def test_irregular_times_are_kept_and_frames_are_in_order(tmp_path: Path):
    home = write_home(tmp_path)
    path = write_video(home / "walk.mp4")
    reader = VideoReader(path, "walk.mp4")
    found = [(frame.index, frame.time * reader.time_base) for frame in reader.frames()]
    assert found == [(index, Fraction(time, 20)) for index, time in enumerate(TIMES)]
    for every, expected in ((1, TIMES), (3, TIMES[::3])):
        out = f"out{every}"
        done = equipoise("predict", "run", "walk.mp4", "--out", out, "--every", every, cwd=home)
        assert done.returncode == 0, done.stderr
        overlay = home / out / "walk_depth_overlay.mp4"
        assert times_of(overlay) == pytest.approx([time / 20 for time in expected], abs=1e-3)
        assert len(brightness(overlay)) == len(expected)


def test_times_that_do_not_start_at_zero_do_so_afterwards(tmp_path: Path):
    path = write_video(tmp_path / "late.mp4", tuple(time + 40 for time in TIMES))
    reader = VideoReader(path, "late.mp4")
    assert [frame.time * reader.time_base for frame in reader.frames()] == [Fraction(time, 20) for time in TIMES]
