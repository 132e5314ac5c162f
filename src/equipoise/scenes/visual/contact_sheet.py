"""Draw a contact sheet: samples with their labels as they were read, to look at before training."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from equipoise.errors import DataError
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import NO_LABEL, Picture

WIDTH, GAP, LINE = 320, 6, 22
COLUMNS = {"image": "image"} | {name: label.title for name, label in LABELS.items()}
PAPER, INK, BLANK = (255, 255, 255), (30, 30, 30), (235, 235, 235)


def contact_sheet(datasets: Mapping[str, SceneDataset], *, rows: int = 6) -> Picture | None:
    """Draw samples of several splits, one per row: the image and each kind of label.

    Above each row are the sample's name and size and facts about its labels; below all rows are the colours of the
    classes. Labels are resized by nearest neighbour, as for training.

    Args:
        datasets: the splits by name.
        rows: the number of samples in all, evenly chosen; at least two of each split. Unreadable ones are left out.

    Returns:
        The picture, ``uint8 (H, W, 3)``; ``None`` if no sample can be read.
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
    """Draw the rows of one split."""
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
    small = resize(sample, (height, WIDTH), vocabulary)
    pictures = {"image": small.image}
    pictures |= {name: LABELS[name].colors(array, vocabulary) for name, array in small.labels.items()}
    width = len(kinds) * (WIDTH + GAP) - GAP
    lines = _wrapped(facts, width)
    top = LINE * len(lines)
    strip = Image.new("RGB", (width, top + height + GAP), PAPER)
    for number, line in enumerate(lines):
        strip.paste(_text_line(line, width), (0, number * LINE))
    for column, kind in enumerate(kinds):
        left = column * (WIDTH + GAP)
        if kind in pictures:
            strip.paste(Image.fromarray(pictures[kind]), (left, top))
            continue
        draw = ImageDraw.Draw(strip)
        draw.rectangle((left, top, left + WIDTH - 1, top + height - 1), fill=BLANK)
        draw.text((left + 4, top + 3), "no label", fill=INK, font=_font())
    return strip


def _wrapped(facts: list[str], width: int) -> list[str]:
    """Arrange the facts in as few lines as possible."""
    lines: list[str] = []
    for fact in facts:
        longer = f"{lines[-1]}   {fact}" if lines else fact
        if lines and _font().getlength(longer) <= width - 8:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _facts(sample: Sample, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
    """Return the captions above a row."""
    facts = [sample.name, f"{sample.size[1]}x{sample.size[0]}"]
    for name, array in sample.labels.items():
        facts += LABELS[name].facts(array, vocabulary, camera)
    return facts


def _legend(vocabulary: SceneVocabulary, width: int) -> Image.Image:
    """Draw the colours and names of the classes; countable ones are marked."""
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
    """Load DejaVu Sans, which comes with matplotlib and covers most of the world's scripts."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), 13)
