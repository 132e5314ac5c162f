"""Write small scenes in every documented encoding. Shares no code with the readers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.support.png import GREY, PALETTE, RGB, RGBA, write_png
from tests.support.small_scenes import SIZE, VOID, Scene, cityscapes_kinds

Draw = Callable[..., Any]


@dataclass
class Written:
    """What a writer adds to the description, and what the other writers need to know.

    Attributes:
        table: keys of the label's table.
        entries: keys of each class.
        numbers: the number of each class; ``None`` if classes have colours.
        refused: whether the encoding cannot represent this scene, so that an error is expected.
    """

    table: dict[str, Any] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] | None = None
    refused: bool = False


def special(maximum: int) -> st.SearchStrategy[int]:
    """Numbers in 0 … maximum, with both ends and the middle drawn often."""
    return st.sampled_from(sorted({0, 1, maximum // 2, maximum // 2 + 1, maximum - 1, maximum})) | st.integers(
        0, maximum
    )


def unused(draw: Draw, count: int, maximum: int, taken: set[int] = frozenset()) -> list[int]:  # type: ignore[assignment]
    found = st.lists(special(maximum).filter(lambda v: v not in taken), min_size=count, max_size=count, unique=True)
    return list(draw(found))


def bits_for(draw: Draw, highest: int) -> int:
    return int(draw(st.sampled_from([bits for bits in (1, 2, 4, 8, 16) if highest < 1 << bits])))


def write_numbers(draw: Draw, path: Path, numbers: np.ndarray, *, at_least: int = 1, palette: bool = False) -> None:
    """Write grey values with any sufficient bit depth, or indices into a palette of arbitrary colours."""
    if palette and numbers.max() < 256:
        bits = min(8, max(at_least, bits_for(draw, int(numbers.max()))))
        write_png(path, numbers, bits, PALETTE, palette=np.arange(3 << bits) * 7 % 256)
    else:
        write_png(path, numbers, max(at_least, bits_for(draw, int(numbers.max()))), GREY)


def split_colors(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1)


def write_colors(draw: Draw, path: Path, codes: np.ndarray) -> None:
    """Write RGB with 8 or 16 bits, opaque RGBA, or the colours of a palette."""
    form, colors = draw(st.sampled_from(["8", "16", "rgba", "palette"])), split_colors(codes)
    if form == "palette":
        values, index = np.unique(codes, return_inverse=True)
        write_png(path, index.reshape(codes.shape), 8, PALETTE, palette=split_colors(values))
    elif form == "rgba":
        write_png(path, np.dstack([colors, np.full(codes.shape, 255)]), 8, RGBA)
    else:
        write_png(path, colors, int(form), RGB)


def chosen(draw: Draw, options: list[list[int]], index: np.ndarray) -> np.ndarray:
    """Choose for each pixel one of the numbers that ``options`` lists for its index, in turn."""
    order = np.arange(index.size).reshape(index.shape) + draw(st.integers(0, 3))
    return np.vectorize(lambda k, n: options[k][n % len(options[k])], otypes=[int])(index, order)


def write_classes(draw: Draw, scene: Scene, path: Path, *, color: bool) -> Written:
    """Write encoding ``value`` or ``color``: one to three numbers for each class, and for pixels without a label."""
    counts = [draw(st.integers(1, 3)) for _ in (*scene.countable, VOID)]
    highest = 0xFFFFFF if color else draw(st.sampled_from([20, 255, 65535]))
    numbers = iter(unused(draw, sum(counts), highest))
    options = [[next(numbers) for _ in range(count)] for count in counts]
    stored = chosen(draw, options, scene.classes)
    if color:
        write_colors(draw, path, stored)
    else:
        wide = any(number > 255 for own in options[:-1] for number in own)
        write_numbers(draw, path, stored, at_least=16 if wide else 1, palette=not wide and draw(st.booleans()))
    shown = [split_colors(np.array(own)).tolist() if color else own for own in options]
    key = "color" if color else "value"
    entries = [
        {"name": f"c{k}", "countable": c, key: own[0] if len(own) == 1 else own}
        for k, (c, own) in enumerate(zip(scene.countable, shown, strict=False))
    ]
    # Ids contain the class number of the object's pixels; the instance writers use the first.
    first = None if color else [own[0] for own in options[:-1]]
    return Written({"encoding": key, "ignore": shown[-1]}, entries, first)


def write_class_factor(draw: Draw, scene: Scene, path: Path, classes: Written) -> Written:
    """Write class · factor + index, with indices from 0 or 1; classes without numbers count from 0."""
    factor = draw(st.sampled_from([8, 100, 256, 1000, 3000]))
    numbers = classes.numbers or list(range(len(scene.countable)))
    ids, index = {0: []}, draw(st.integers(0, 1))
    for number in np.unique(scene.objects[scene.objects > 0]).tolist():
        k = int(scene.classes[scene.objects == number][0])
        ids[number] = [numbers[k] * factor + index % factor]
        index += 1
    used = {value for own in ids.values() for value in own}
    # If classes have numbers, these numbers alone mean stuff, as in Cityscapes.
    stuff = [n for n in numbers if n < factor and n not in used] if classes.numbers else []
    background = unused(draw, draw(st.integers(1, 2)), 65535, used | set(stuff))
    ids[0] = [*background, *stuff]
    described = [entry.get("value", 0) for entry in classes.entries if entry["countable"]] if classes.numbers else []
    every = [n for own in described for n in (own if isinstance(own, list) else [own])]
    unfit = any(not 0 < n * factor <= 65535 for n in every) or (
        not classes.numbers and any(value < factor for value in used)
    )
    result = Written({"encoding": "class_factor", "factor": factor, "background": background}, refused=unfit)
    if max(used | set(ids[0])) <= 65535:
        write_numbers(
            draw, path, chosen(draw, [ids[k] for k in range(max(ids) + 1) if k in ids], _dense(scene)), at_least=16
        )
    else:
        write_numbers(draw, path, np.zeros(SIZE, int), at_least=16)  # These ids do not fit in 16 bits.
    return result


def _dense(scene: Scene) -> np.ndarray:
    """Renumber the objects without gaps."""
    known = np.unique(np.append(scene.objects, 0))
    return np.searchsorted(known, scene.objects)


def write_ids(draw: Draw, scene: Scene, path: Path, classes: Written, *, color: bool) -> Written:
    """Write encoding ``id`` or ``color``: any numbers or colours, including 0 and black, for objects and background."""
    dense = _dense(scene)
    highest = 0xFFFFFF if color else draw(st.sampled_from([255, 65535]))
    spare = draw(st.integers(1, 2))
    numbers = unused(draw, int(dense.max()) + spare, highest)
    background = numbers[:spare]
    stored = chosen(draw, [background, *([n] for n in numbers[spare:])], dense)
    if color:
        write_colors(draw, path, stored)
        background = split_colors(np.array(background)).tolist()
    else:
        write_numbers(draw, path, stored, at_least=16 if highest > 255 else 1, palette=draw(st.booleans()))
    return Written({"encoding": "color" if color else "id", "background": background})


def write_ids_per_class(draw: Draw, scene: Scene, path: Path, classes: Written) -> Written:
    """Ids that restart for each class."""
    stored, seen = np.zeros(SIZE, int), dict[int, int]()
    for number in np.unique(scene.objects[scene.objects > 0]).tolist():
        k = int(scene.classes[scene.objects == number][0])
        seen[k] = seen.get(k, 0) + 1
        stored[scene.objects == number] = seen[k]
    write_numbers(draw, path, stored)
    return Written({"encoding": "id", "across_classes": "split"})


def write_panoptic(draw: Draw, scene: Scene, path: Path, classes: Written) -> Written:
    """An id on everything, stuff too; 0 where a countable class has none."""
    dense = _dense(scene)
    numbers = unused(draw, int(dense.max()) + len(scene.countable) + 1, 65534)
    stuff = np.where(scene.classes == VOID, 0, scene.classes + 1)
    stored = np.where(dense > 0, np.array([0, *numbers])[dense] + 1, np.array(numbers[::-1])[stuff] + 1)
    uncounted = np.isin(scene.classes, np.flatnonzero(scene.countable)) & (dense == 0)
    stored[uncounted | (scene.classes == VOID)] = 0
    write_numbers(draw, path, stored)
    return Written({"encoding": "id", "only_countable": True}, refused=not any(scene.countable))


def write_cityscapes_labels(draw: Draw, scene: Scene, root: Path) -> np.ndarray:
    """One image of Cityscapes' layout; returns its disparity."""
    label = np.array([7, 23, 24, 26, draw(st.sampled_from([0, 6, 29, 255]))])
    labels = label[cityscapes_kinds(scene)]
    stored, index = np.where(labels == 255, 0, labels), draw(st.integers(0, 900))
    for number in np.unique(scene.objects[scene.objects > 0]).tolist():
        mask = scene.objects == number
        stored[mask] = labels[mask] * 1000 + index
        index += 1
    disparity = chosen(draw, [[0, 1, 2, 257, 65535, draw(st.integers(0, 65535))]], np.zeros(SIZE, int))
    base = "train/town/town_000000_000000"
    write_png(root / f"leftImg8bit/{base}_leftImg8bit.png", np.zeros((*SIZE, 3), int), 8, RGB)
    write_png(root / f"gtFine/{base}_gtFine_labelIds.png", labels, 8, GREY)
    write_png(root / f"gtFine/{base}_gtFine_instanceIds.png", stored, 16, GREY)
    write_png(root / f"disparity/{base}_disparity.png", disparity, 16, GREY)
    return disparity


def toml(value: Any) -> str:
    """Format a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def write_description(root: Path, classes: Written | None = None, **tables: dict[str, Any]) -> Path:
    """Write the image ``x`` and a description of it and of the tables' labels."""
    write_png(root / "image/x.png", np.zeros(SIZE, int), 8, GREY)
    lines = ['images = "image/{name}.png"', "[split.train]", "fraction = 1.0"]
    if classes is not None:
        tables = {"semantic": classes.table | {"classes": classes.entries}} | tables
    for kind, table in tables.items():
        lines += [f"[{kind}]", f'files = "{kind}/{{name}}.png"', *(f"{k} = {toml(v)}" for k, v in table.items())]
    (root / "data.toml").write_text("\n".join(lines))
    return root / "data.toml"
