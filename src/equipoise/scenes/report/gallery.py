"""Predictions beside the truth, embedded in the page."""

import base64
import io
import warnings
from pathlib import Path
from typing import Any

from PIL import Image

from equipoise.scenes.evaluation.figures import SetFigures
from equipoise.scenes.report.figures import score
from equipoise.scenes.wording import number

WIDEST = 960
"""Pictures are embedded no wider, px."""
KINDS = {"all": "All images", "typical": "Evenly chosen", "best": "Best", "worst": "Worst"}


def gallery(folder: Path, listed: list[dict[str, Any]], sets: dict[str, SetFigures]) -> list[dict[str, Any]]:
    """The listed examples by data set and kind, pictures embedded; one that is missing or lies elsewhere is empty.

    Args:
        folder: where the pictures lie; none from elsewhere is read.
        listed: what ``examples.json`` holds.
        sets: the figures of each data set by its title, for those of each image.
    """
    scores = {(data, image.name): image.values for data, one in sets.items() for image in one.per_image}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for example in listed:
        files, name, data = example.get("files") or {}, str(example.get("name") or ""), str(example.get("data") or "")
        tasks = [key for key in files if key != "image" and not key.endswith("_truth")]
        figures = sets[data].tasks if data in sets else {}
        shown = [
            {
                "task": task,
                "prediction": embedded(folder, files.get(task)),
                "truth": embedded(folder, files.get(f"{task}_truth")),
                "scale": scale((example.get("scales") or {}).get(task)),
                "score": score(figures.get(task), scores.get((data, name), {}).get(task)),
            }
            for task in tasks
        ]
        shown = [task for task in shown if task["prediction"] or task["truth"]]
        image = embedded(folder, files.get("image"))
        if image or shown:
            kind = str(example.get("kind") or "")
            groups.setdefault((data, kind), []).append({"name": name, "image": image, "tasks": shown})
    return [
        {"title": titled(data, kind, len(examples)), "kind": kind, "examples": examples}
        for (data, kind), examples in groups.items()
    ]


def titled(data: str, kind: str, count: int) -> str:
    """The heading of a group of so many images; ``data`` names one of several data sets.

    >>> titled("", "best", 2), titled("", "all", 1), titled("streets", "all", 3)
    ('Best', 'The only image', 'streets: all images')
    """
    title = "The only image" if (kind, count) == ("all", 1) else KINDS.get(kind, kind)
    return f"{data}: {title.lower()}" if data else title


def scale(recorded: dict[str, Any] | None) -> str:
    """What a picture's colours span; empty where that is not recorded, as in older runs.

    >>> scale({"range": [0.0, 63.0], "unit": "px"}), scale(None)
    ('0 – 63 px', '')
    """
    if not recorded or not recorded.get("range"):
        return ""
    low, high = recorded["range"]
    return f"{number(low)} – {number(high)} {recorded.get('unit') or ''}".strip()


def embedded(folder: Path, name: Any) -> str:
    """A PNG as a data URI; empty where it is missing, no picture, too large, or outside of the folder."""
    if not isinstance(name, str) or not name or "\0" in name:
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
