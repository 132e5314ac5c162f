"""Read the frames of a video or a camera, and write a video, with PyAV."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.io.images import MAX_PIXELS

INSTALL = 'pip install "equipoise[video]"'
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
"""Suffixes of videos; a file that is named itself may have any of them."""
USUAL_RATE = Fraction(25)
CODECS = (("libx264", {"preset": "veryfast", "crf": "20"}), ("mpeg4", {"q": "3"}))
"""Encoders in order of preference, with their options."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        index: its number in the video, from 0.
        time: when it is shown, in units of the video's ``time_base``, from 0.
        image: upright, ``uint8 (H, W, 3)`` RGB.
    """

    index: int
    time: int
    image: npt.NDArray[np.uint8]


class VideoReader:
    """The frames of a video file, or of a camera.

    Args:
        source: a file, or the device file of a camera.
        name: what to call it in messages.
        every: take every n-th frame.
        device: PyAV's format for devices; ``None`` for files.

    Raises:
        DataError: it cannot be opened, or holds no video.
        UsageError: PyAV is not installed.
    """

    def __init__(self, source: Path, name: str, *, every: int = 1, device: str | None = None) -> None:
        self.name, self.every = name, every
        self._av = pyav()
        try:
            self._container = self._av.open(str(source), format=device)
        except errors_of(self._av) as error:
            raise self._fault(error) from None
        if not self._container.streams.video:
            self.close()
            raise DataError(f"{name}: expected a video, found a file without pictures")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"

    @property
    def rate(self) -> Fraction:
        """Frames per second that are taken, on average."""
        return Fraction(self._stream.average_rate or self._stream.guessed_rate or USUAL_RATE) / self.every

    @property
    def time_base(self) -> Fraction:
        """The unit of ``Frame.time``, s."""
        return Fraction(self._stream.time_base or 1 / self.rate)

    @property
    def count(self) -> int | None:
        """How many frames will be taken, as far as the file says it; ``None`` if it does not."""
        frames = self._stream.frames
        if not frames and self._container.duration:
            frames = int(self._container.duration / 1_000_000 * self.rate * self.every)
        return -(-frames // self.every) if frames > 0 else None

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order. Raises ``DataError`` if one cannot be decoded."""
        index, start, last = -1, None, -1
        size: tuple[int, ...] | None = None
        try:
            for index, frame in enumerate(self._container.decode(self._stream)):
                if index % self.every:
                    continue
                image = self._upright(frame)
                size = size or image.shape
                if image.shape != size:
                    raise DataError(f"{self.name}: expected frames of one size, found another one at frame {index}")
                time = index if frame.pts is None else frame.pts
                start = time if start is None else start
                last = max(time - start, last + 1)
                yield Frame(index=index, time=last, image=image)
        except errors_of(self._av) as error:
            raise self._fault(error, index + 1) from None
        if index < 0:
            raise DataError(f"{self.name}: expected a video with frames, found none")

    def close(self) -> None:
        """Close the file or release the camera."""
        self._container.close()

    def _upright(self, frame: Any) -> npt.NDArray[np.uint8]:
        if frame.width * frame.height > MAX_PIXELS:
            found = f"{frame.width}x{frame.height}"
            raise DataError(f"{self.name}: expected at most {MAX_PIXELS:,} pixels, found {found}: make it smaller")
        image: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def _fault(self, error: Exception, after: int = 0) -> DataError:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        where = f" after {after} frames" if after else ""
        return DataError(f"{self.name}: expected a video that can be decoded, found: {reason.lower():.200}{where}")


def open_camera(number: int, *, every: int = 1) -> VideoReader:
    """Open a camera of this machine. Raises ``UsageError`` if there is none of this number."""
    name = f"camera:{number}"
    pyav()
    if not sys.platform.startswith("linux"):
        raise UsageError(f"{name}: expected Linux, whose cameras can be read, found {sys.platform}: record a video")
    device = Path(f"/dev/video{number}")
    if not device.exists():
        others = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video[0-9]*"))
        found = ", ".join(f"camera:{other}" for other in others) or "no camera"
        raise UsageError(f"{name}: expected a camera at {device}, found {found}")
    return VideoReader(device, name, every=every, device="v4l2")


class VideoWriter:
    """Writes a video as MP4 beside its place, and moves it there when it is complete.

    A context manager: an error inside it removes what was written.

    Args:
        path: the file to write.
        size: height and width, px; any numbers.
        rate: frames per second.
        time_base: the unit of the times of frames, s.

    Raises:
        RunError: it cannot be written.
    """

    def __init__(self, path: Path, *, size: tuple[int, int], rate: Fraction, time_base: Fraction) -> None:
        self.path, self._temporary = path, path.with_name(f".{path.name}.writing")
        self._av = pyav()
        self._time_base = time_base
        codec, options = next((c, o) for c, o in CODECS if c in self._av.codecs_available)
        even = size[0] % 2 == 0 and size[1] % 2 == 0
        try:
            self._container = self._av.open(str(self._temporary), "w", format="mp4")
            self._stream = self._container.add_stream(codec, rate=rate.limit_denominator(100_000), options=options)
        except errors_of(self._av) as error:
            raise self._fault(error) from None
        self._stream.height, self._stream.width = size
        # H.264 halves the resolution of colours only at even sizes.
        self._stream.pix_fmt = "yuv420p" if even or codec != "libx264" else "yuv444p"
        self._stream.codec_context.time_base = time_base

    def write(self, image: npt.NDArray[np.uint8], time: int) -> None:
        """Add a frame, ``uint8 (H, W, 3)`` RGB, later than those before."""
        frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = time, self._time_base
        self._encode(frame)

    def _encode(self, frame: Any) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except errors_of(self._av) as error:
            raise self._fault(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._encode(None)
                self._container.close()
                self._temporary.replace(self.path)
        except errors_of(self._av) as fault:
            raise self._fault(fault) from None
        finally:
            with suppress(*errors_of(self._av)):
                self._container.close()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _fault(self, error: Exception) -> RunError:
        reason = getattr(error, "strerror", None) or str(error)
        return RunError(f"{self.path}: expected to write a video, found: {reason}")


def errors_of(av: ModuleType) -> tuple[type[Exception], ...]:
    """The errors of PyAV: FFmpeg's, which are OSErrors, ValueErrors, LookupErrors …, and its own."""
    return (OSError, ValueError, av.FFmpegError)


def pyav() -> ModuleType:
    """Import PyAV; raises ``UsageError`` with the line that installs it."""
    try:
        import av
    except ImportError as error:
        raise UsageError(f"expected PyAV to read and write videos, found: {error}: {INSTALL}") from None
    library: ModuleType = av
    return library
