"""A run to predict with, and pictures to predict."""

from pathlib import Path

from PIL import Image

from tests.scenes.inference.test_predictor import write_run
from tests.support.tiny import scene


def write_home(folder: Path) -> Path:
    """A run of all three tasks in ``run``, and an empty folder ``photos/more``."""
    (folder / "run").mkdir()
    write_run(folder / "run", ("semantic", "instance", "depth"))
    (folder / "photos/more").mkdir(parents=True)
    return folder


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


def street(size: tuple[int, int] = (50, 70)) -> Image.Image:
    return Image.fromarray(scene(0, size).image)
