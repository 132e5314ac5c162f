"""``equipoise predict`` on videos: every frame once, in order, at the rate and size of the video."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from equipoise.commands import predict_video
from equipoise.commands.predict_video import video_name
from equipoise.errors import DataError, UsageError
from equipoise.scenes import load
from equipoise.scenes.inference.pipeline import Done, Item, pipeline
from equipoise.scenes.io import video
from equipoise.scenes.io.video import VideoReader, VideoWriter, open_camera
from tests.support.commands import equipoise, one_line
from tests.support.photos import save, street, write_home

FRAMES = 10


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path)


def write_video(path: Path, size: tuple[int, int] = (48, 64), rate: int = 12, count: int = FRAMES) -> Path:
    """Frames that grow brighter: 20 more levels each, on the left half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = Fraction(1, rate)
    with VideoWriter(path, size=size, rate=Fraction(rate), time_base=base) as writer:
        for index in range(count):
            image = np.full((*size, 3), 20 + 20 * index, np.uint8)
            writer.write(image, index)
    return path


def brightness(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.to_ndarray(format="rgb24").mean()) for frame in container.decode(video=0)]


@pytest.mark.parametrize("size", [(48, 64), (49, 63)], ids=["even", "odd"])
def test_overlays_of_a_video(home, size):
    """Against the overlays of single frames; the frames grow brighter, so that their order shows."""
    path = write_video(home / "clips/walk.mp4", size)
    shown = [frame.image for frame in VideoReader(path, "").frames()]
    assert len(shown) == FRAMES
    model = load(home / "run")
    done = equipoise("predict", "run", "clips/walk.mp4", "--out", "out", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    line, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert (line["video"], line["frames"]) == ("clips/walk.mp4", FRAMES)
    files = {f"walk_{task}_overlay.mp4" for task in ("semantic", "instance", "depth")} | {"walk.json"}
    assert {path.name for path in (home / "out").iterdir()} == files == {Path(f).name for f in line["files"]}
    assert summary["summary"]["failed"] == 0
    for file in files - {"walk.json"}:
        with av.open(str(home / "out" / file)) as container:
            stream = container.streams.video[0]
            assert (stream.height, stream.width) == size
            assert stream.average_rate == 12
            assert [frame.time for frame in container.decode(video=0)] == pytest.approx([k / 12 for k in range(FRAMES)])
        task = file.split("_")[1]
        expected = [np.asarray(model.predict(image).overlay(task)).mean() for image in shown]
        assert np.ptp(expected) > 10
        assert brightness(home / "out" / file) == pytest.approx(expected, abs=4), task


def test_other_outputs_are_written_for_each_frame(home):
    write_video(home / "walk.mp4")
    command = ("predict", "run", "walk.mp4", "--out", "out", "--json")
    done = equipoise(*command, "--write", "labels,panoptic", "--every", "3", cwd=home)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["image"] for line in lines[:-2]] == [f"walk.mp4, frame {k}" for k in (0, 3, 6, 9)]
    assert {path.name for path in (home / "out/walk").glob("*.json")} == {f"{k:06d}.json" for k in (0, 3, 6, 9)}
    table = json.loads((home / "out/coco_panoptic.json").read_text())
    assert [one["file_name"] for one in table["annotations"]] == [f"walk/{k:06d}_panoptic.png" for k in (0, 3, 6, 9)]
    refused = equipoise(*command, cwd=home)
    assert "expected no file at out/walk.json" in one_line(refused)
    again = equipoise(*command, "--overwrite", "--every", "5", cwd=home)
    assert again.returncode == 0, again.stderr
    assert not list((home / "out/walk").iterdir())
    assert not (home / "out/coco_panoptic.json").exists()
    with av.open(str(home / "out/walk_depth_overlay.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx([0, 5 / 12])


def test_damaged_videos_and_mistakes(home):
    whole = write_video(home / "walk.mp4").read_bytes()
    (home / "half.mp4").write_bytes(whole[: len(whole) // 2])
    (home / "text.mp4").write_text("no video")
    save(home / "photos/a.png", street())
    for arguments, status, words in (
        (("half.mp4",), 3, "half.mp4: expected a video that can be decoded, found: "),
        (("text.mp4",), 3, "text.mp4: expected a video that can be decoded, found: invalid data"),
        (("camera:97",), 2, "camera:97: expected a camera at /dev/video97, found"),
        (("walk.mp4", "--every", "0"), 2, "--every: expected 1 or more, found 0"),
        (("photos", "--every", "2"), 2, "--every: expected it with a video, found photos"),
        (("walk.mp4", "--write", "overlay"), 2, "--write: found 'overlay': did you mean 'overlays'?"),
        (("walk.mp4", "--write", "ply"), 2, "--write: ply: expected a camera, found none (the model was saved without"),
        (("walk.mp4", "--farthest", "0"), 2, "--farthest: expected metres above 0, found 0.0"),
    ):
        done = equipoise("predict", "run", *arguments, "--out", "out", cwd=home)
        assert words in one_line(done), done.stderr
        assert done.returncode == status, arguments
        assert not (home / "out").exists(), arguments


def test_a_video_of_a_codec_that_nobody_has(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    code = next(word for word in (b"avc1", b"mp4v") if word in path.read_bytes())
    path.write_bytes(path.read_bytes().replace(code, b"zzzz"))
    with pytest.raises(DataError, match=r"a\.mp4: expected a video that can be decoded, found: decoder not found"):
        next(VideoReader(path, "a.mp4").frames())


def test_frames_of_another_size_end_the_video_after_those_before_them(home):
    """Two transport streams one after the other, as some recorders write them."""
    for name, size in (("a", (48, 64)), ("b", (64, 96))):
        with av.open(str(home / f"{name}.ts"), "w", format="mpegts") as container:
            stream = container.add_stream("mpeg4", rate=5)
            stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((*size, 3), np.uint8), format="rgb24")))
            container.mux(stream.encode(None))
    (home / "both.ts").write_bytes((home / "a.ts").read_bytes() + (home / "b.ts").read_bytes())
    done = equipoise("predict", "run", "both.ts", "--out", "out", "--write", "overlays,labels", cwd=home)
    assert done.returncode == 3
    assert one_line(done) == "equipoise: both.ts: expected frames of one size, found another one at frame 4"
    assert "4 frames of both.ts predicted in out" in done.stdout
    assert [path.name for path in (home / "out").iterdir()] == ["both"], "no half video"
    assert len(list((home / "out/both").glob("*_semantic.png"))) == 4


def test_a_video_that_breaks_leaves_no_half_file(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4")
    reader = VideoReader(path, "a.mp4")
    assert (reader.count, reader.rate) == (FRAMES, 12)
    frames = reader.frames()
    next(frames)

    def broken(*arguments: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(reader, "_upright", broken)
    with pytest.raises(DataError, match=r"a\.mp4: expected a video that can be decoded, found: broken after 2 frames"):
        next(frames)
    writer = VideoWriter(tmp_path / "b.mp4", size=(48, 64), rate=Fraction(5), time_base=Fraction(1, 5))
    with pytest.raises(KeyboardInterrupt), writer:  # noqa: PT012
        writer.write(np.zeros((48, 64, 3), np.uint8), 0)
        raise KeyboardInterrupt
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4"}


def test_a_camera_runs_until_it_is_stopped(home, monkeypatch, capsys):
    """A video in place of a camera, that is interrupted: what was predicted is kept."""
    path = write_video(home / "walk.mp4")

    class Camera(VideoReader):
        def frames(self) -> Iterator[video.Frame]:
            for frame in super().frames():
                yield frame
                if frame.index == 5:
                    raise KeyboardInterrupt

    monkeypatch.setattr(predict_video, "open_camera", lambda number, every: Camera(path, f"camera:{number}"))
    monkeypatch.chdir(home)
    from equipoise.commands.predict import predict

    with pytest.raises(KeyboardInterrupt):
        predict(Path("run"), "camera:3", out=Path("out"))
    assert "frames of camera:3 predicted in out" in capsys.readouterr().out
    facts = json.loads((home / "out/camera3.json").read_text())
    assert 1 <= facts["frames"] == len(brightness(home / "out/camera3_depth_overlay.mp4")) <= 6


def test_cameras_are_named(monkeypatch):
    assert video_name("camera:0") == "camera0"
    assert video_name("camera:front") == ""
    monkeypatch.setattr(video.sys, "platform", "darwin")
    with pytest.raises(UsageError, match="camera:0: expected Linux, whose cameras can be read, found darwin"):
        open_camera(0)


def test_few_frames_are_in_memory_at_once():
    """However many come: those that are read ahead, that wait to be written, and one in the network."""
    alive = most = 0

    def items() -> Iterator[Item]:
        nonlocal alive, most
        for index in range(60):
            alive += 1
            most = max(most, alive)
            yield Item(name=str(index), source="", file_name="", image=np.zeros((1, 1, 3), np.uint8))

    names = []
    done: Done[str]
    for done in pipeline(items(), lambda item: item, lambda item, scene: item.name):  # type: ignore[arg-type,return-value]
        alive -= 1
        names.append(done.result)
    assert names == [str(index) for index in range(60)]
    assert most <= 8
