"""A contact sheet: samples with their labels as they were understood, to look at before training."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from equipoise.errors import DataError
from equipoise.scenes.cameras.distances import DISTANCE_NAMES, DISTANCE_UNITS, distances, range_text
from equipoise.scenes.data.sample import Camera, InverseDepthUnit, Sample, SceneDataset, SceneVocabulary
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.visual.colors import NO_LABEL, Picture, class_colors, disparity_colors, instance_colors
from equipoise.scenes.wording import counted

WIDTH, GAP, LINE = 320, 6, 22
COLUMNS = {"image": "image", "semantic": "classes", "instance": "instances", "inverse_depth": "depth"}
PAPER, INK, BLANK = (255, 255, 255), (30, 30, 30), (235, 235, 235)


def contact_sheet(datasets: Mapping[str, SceneDataset], *, rows: int = 6) -> Picture | None:
    """A row a sample: image, classes, instances, depth, as far as there are; ``None`` where none is readable.

    Evenly chosen from each of the splits, two of each at least; samples that cannot be read are left out. Every label
    is drawn on the pixels it lies on. Above each row stand the sample's name, its size, how many objects it has and the
    range and median of its depth, in metres where they are known, below all rows the colours of the classes.
    """
    kinds = [k for k in COLUMNS if k == "image" or any(k in d.vocabulary.labels for d in datasets.values())]
    each = max(2, rows // max(len(datasets), 1))
    strips = [
        strip
        for title, dataset in datasets.items()
        for strip in _strips(title, dataset, kinds, min(each, len(dataset)))
    ]
    if not strips:
        return None
    width = len(kinds) * (WIDTH + GAP) - GAP
    head = _text_line("", width)
    for column, kind in enumerate(kinds):
        ImageDraw.Draw(head).text((column * (WIDTH + GAP) + 4, 3), COLUMNS[kind], fill=INK, font=_font())
    legends = {d.vocabulary.classes: d.vocabulary for d in datasets.values() if d.vocabulary.classes}
    parts = [head, *strips, *(_legend(vocabulary, width) for vocabulary in legends.values())]
    sheet: Picture = np.concatenate([np.asarray(part) for part in parts])
    return sheet


def _strips(title: str, dataset: SceneDataset, kinds: list[str], rows: int) -> list[Image.Image]:
    """The rows of one split."""
    strips = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, rows).round().astype(int)).tolist():
        try:
            sample = dataset[index]
            facts = [title, *_facts(sample, dataset.vocabulary, dataset.camera(index))]
            strips.append(_strip(facts, sample, dataset.vocabulary, kinds))
        except DataError:
            continue
    return strips


def _strip(facts: list[str], sample: Sample, vocabulary: SceneVocabulary, kinds: list[str]) -> Image.Image:
    height = max(1, round(sample.size[0] * WIDTH / sample.size[1]))
    small = resize(sample, (height, WIDTH), vocabulary.inverse_depth_unit)
    width = len(kinds) * (WIDTH + GAP) - GAP
    lines = _wrapped(facts, width)
    top = LINE * len(lines)
    strip = Image.new("RGB", (width, top + height + GAP), PAPER)
    for number, line in enumerate(lines):
        strip.paste(_text_line(line, width), (0, number * LINE))
    for column, kind in enumerate(kinds):
        left = column * (WIDTH + GAP)
        if getattr(small, kind) is not None:
            strip.paste(Image.fromarray(_cell(kind, small, vocabulary)), (left, top))
            continue
        draw = ImageDraw.Draw(strip)
        draw.rectangle((left, top, left + WIDTH - 1, top + height - 1), fill=BLANK)
        draw.text((left + 4, top + 3), "no label", fill=INK, font=_font())
    return strip


def _wrapped(facts: list[str], width: int) -> list[str]:
    """The facts in as many lines as they need."""
    lines: list[str] = []
    for fact in facts:
        longer = f"{lines[-1]}   {fact}" if lines else fact
        if lines and _font().getlength(longer) <= width - 8:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _cell(kind: str, sample: Sample, vocabulary: SceneVocabulary) -> Picture:
    if kind == "semantic" and sample.semantic is not None:
        return class_colors(sample.semantic, vocabulary)
    if kind == "instance" and sample.instance is not None:
        return instance_colors(sample.instance)
    if kind == "inverse_depth" and sample.inverse_depth is not None:
        return disparity_colors(sample.inverse_depth)
    return sample.image


def _facts(sample: Sample, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
    """What stands above a row."""
    facts = [sample.name, f"{sample.size[1]}x{sample.size[0]}"]
    if sample.instance is not None:
        facts.append(counted(int(np.count_nonzero(np.unique(sample.instance))), "object"))
    if sample.inverse_depth is not None:
        facts.append(depth_caption(sample.inverse_depth, vocabulary.inverse_depth_unit, camera))
        facts.append("near is bright, grey has no label")
    return facts


def depth_caption(
    inverse_depth: npt.NDArray[np.float32], unit: InverseDepthUnit | None, camera: Camera | None = None
) -> str:
    """The range and the median of depth in words: metres, and disparity where that is what is stored.

    >>> depth_caption(np.array([0.5, 0.25, 0.1, np.nan, 0.0], np.float32), "1/m")
    'depth 2 … 10 m, median 4 m'
    """
    found = distances(inverse_depth, unit)
    if not found.size:
        return "no depth"
    said = (
        f"{DISTANCE_NAMES[unit]} {range_text(found.min(), float(np.median(found)), found.max(), DISTANCE_UNITS[unit])}"
    )
    if unit == "px" and camera is not None:
        height, width = inverse_depth.shape
        if metre_pixels := camera.scaled_to((height, width)).metre_pixels:
            metres = metre_pixels / found
            said += f" (depth {range_text(metres.min(), float(np.median(metres)), metres.max(), 'm')})"
    return said


def _legend(vocabulary: SceneVocabulary, width: int) -> Image.Image:
    """The colours of the classes, in as many lines as they need; countable ones are marked."""
    entries = [(c.name + (" (counted)" if c.countable else ""), c.color) for c in vocabulary.classes]
    font, places, left, line = _font(), [], 0, 0
    for text, color in [*entries, ("no label", NO_LABEL)]:
        needed = round(font.getlength(text)) + 40
        if left and left + needed > width:
            left, line = 0, line + 1
        places.append((left, line, text, color))
        left += needed
    legend = Image.new("RGB", (width, (line + 1) * LINE + GAP), PAPER)
    draw = ImageDraw.Draw(legend)
    for left, line, text, color in places:
        top = line * LINE + GAP
        draw.rectangle((left + 4, top, left + 18, top + 14), fill=color, outline=INK)
        draw.text((left + 24, top - 1), text, fill=INK, font=font)
    return legend


def _text_line(text: str, width: int) -> Image.Image:
    line = Image.new("RGB", (width, LINE), PAPER)
    ImageDraw.Draw(line).text((4, 3), " ".join(text.splitlines()), fill=INK, font=_font())
    return line


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: it has most of the world's letters."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), 13)
