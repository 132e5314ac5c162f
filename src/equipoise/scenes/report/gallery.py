"""Embed predictions and the truth in the page."""

import base64
import io
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from equipoise.scenes.evaluation.examples import Example, Kind, TaskPictures
from equipoise.scenes.evaluation.figures import SetFigures
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.report.figures import score
from equipoise.scenes.tasks import TASKS
from equipoise.scenes.wording import number

WIDEST = 960
"""Pictures are embedded no wider than this, px."""
KINDS: dict[Kind, str] = {"all": "All images", "typical": "Evenly chosen", "best": "Best", "worst": "Worst"}


@dataclass(frozen=True, kw_only=True)
class ShownTask:
    """The pictures of one task for one image as data URIs, empty if there is none, and the words below them."""

    task: str
    prediction: str
    truth: str
    scale: str
    score: str


@dataclass(frozen=True, kw_only=True)
class ShownImage:
    """One image with the pictures of its tasks; ``image`` is a data URI."""

    name: str
    image: str
    tasks: tuple[ShownTask, ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Images of one data set that were chosen for the same reason."""

    title: str
    kind: Kind
    images: tuple[ShownImage, ...]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The pictures of a run, with what to know in order to read them."""

    groups: tuple[Group, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that some picture shows."""
        images = (image for group in self.groups for image in group.images)
        return tuple(dict.fromkeys(shown.task for image in images for shown in image.tasks))

    @property
    def is_selection(self) -> bool:
        """Whether images were chosen from more."""
        return any(group.kind != "all" for group in self.groups)


def gallery(
    folder: Path,
    examples: Iterable[Example],
    sets: Mapping[str, SetFigures],
    vocabulary: SceneVocabulary | None,
) -> Gallery:
    """Embed the pictures of ``examples`` by data set and kind; leave out those that are missing or lie elsewhere.

    Args:
        folder: where the pictures are; no other folder is read.
        examples: what ``examples.json`` lists.
        sets: the figures of each data set by its title, for those of each image.
        vocabulary: the classes of the model.
    """
    groups: dict[tuple[str, Kind], list[ShownImage]] = {}
    for example in examples:
        shown = _shown_image(folder, example, sets.get(example.data))
        if shown.image or shown.tasks:
            groups.setdefault((example.data, example.kind), []).append(shown)
    titled = tuple(
        Group(title=group_title(data, kind, len(images)), kind=kind, images=tuple(images))
        for (data, kind), images in groups.items()
    )
    tasks = {
        name: TASKS[name](vocabulary or SceneVocabulary()) for name in Gallery(groups=titled).tasks if name in TASKS
    }
    notes = tuple(filter(None, (task.picture_note(tasks) for task in tasks.values())))
    return Gallery(groups=titled, notes=notes)


def _shown_image(folder: Path, example: Example, figures: SetFigures | None) -> ShownImage:
    scores = {} if figures is None else {image.name: image.values for image in figures.per_image}
    shown = []
    for task, files in example.tasks.items():
        value = scores.get(example.name, {}).get(task)
        shown.append(
            ShownTask(
                task=task,
                prediction=embedded(folder, files.prediction),
                truth=embedded(folder, files.truth),
                scale=scale_text(files),
                score=score(None if figures is None else figures.tasks.get(task), value),
            )
        )
    pictured = tuple(each for each in shown if each.prediction or each.truth)
    return ShownImage(name=example.name, image=embedded(folder, example.image), tasks=pictured)


def group_title(data: str, kind: Kind, count: int) -> str:
    """Return the heading of ``count`` images; ``data`` names one of several data sets.

    >>> group_title("", "best", 2), group_title("", "all", 1), group_title("streets", "all", 3)
    ('Best', 'The only image', 'streets: all images')
    """
    title = "The only image" if (kind, count) == ("all", 1) else KINDS[kind]
    return f"{data}: {title.lower()}" if data else title


def scale_text(pictures: TaskPictures) -> str:
    """Say which values the colours of a task's pictures cover; empty if they show no quantity.

    >>> from equipoise.scenes.tasks.pictures import Scale
    >>> scale_text(TaskPictures(truth="truth.png", scale=Scale(high=63.0, unit="px", meaning="near is bright")))
    '0 – 63 px, near is bright'
    """
    scale = pictures.scale
    if scale is None:
        return ""
    span = f"{number(scale.low)} – {number(scale.high)} {scale.unit}".strip()
    own = "" if pictures.truth else "the prediction’s own range"
    return ", ".join(filter(None, (span, own, scale.meaning)))


def embedded(folder: Path, name: str) -> str:
    """Return a PNG as a data URI; empty if it is missing, no picture, too large, or outside the folder."""
    if not name or "\0" in name:
        return ""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            return ""
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG",)) as stored:
                picture = stored.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return ""
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, max(1, picture.height * WIDEST // picture.width)))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
