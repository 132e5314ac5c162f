"""The counts and findings of ``equipoise check`` for one split of a data set."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

WORKING = frozenset({"depth", "largest", "pixels", "blind"})
"""Working counts that are not part of the JSON output, except for a summary of ``depth``."""


@dataclass(kw_only=True)
class SplitReport:
    """The contents of one split. Lists of labels contain paths.

    Attributes:
        images: the number of listed images.
        readable: the number of images that could be read with all their labels.
        labels: the number of readable images with each kind of label.
        missing: the number of images without a file for each kind of label.
        classes: the number of images that show each class.
        instances: the number of objects.
        sizes: the number of images of each size, ``WIDTHxHEIGHT``.
        bits: the number of depth and instance labels of each bit depth, ``KIND, BITS bit``.
        depth_kind: the name of the quantity in ``depth``.
        depth_unit: its unit: ``m``, ``px`` or none.
        depth: the number of labelled pixels (of a sample) at each depth, rounded to 3 digits.
        largest: by kind of label, bit depth and number: the number of pixels that hold this number, which is the
            largest one stored in their image.
        pixels: the number of labelled pixels of each kind of label.
        wrapped: depth labels whose numbers seem to have wrapped around.
        full: 8-bit instance labels that use every number.
        zeros: disparity labels that store 0 although the description does not say what 0 means.
        countable: the number of images with instance labels that show a countable class.
        uncounted: instance labels without any instance although their image shows a countable class.
        without_id: instance labels in which some pixels of countable classes have an id and others have none.
        agreement: the number of instances on the class that their id implies, minus the number on another class.
        crossed: a line for each label with instances on another class than their id implies.
        void: class labels without any class.
        blind: images without a camera.
        unused: labels that announce segments which no pixel shows.
        faults: a line for each mistake, with the path.
        notes: a line for each probable mistake.
    """

    images: int = 0
    readable: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    instances: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    bits: Counter[str] = field(default_factory=Counter)
    depth_kind: str = ""
    depth_unit: str = ""
    depth: Counter[float] = field(default_factory=Counter)
    largest: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    wrapped: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    zeros: list[str] = field(default_factory=list)
    countable: int = 0
    uncounted: list[str] = field(default_factory=list)
    without_id: list[str] = field(default_factory=list)
    agreement: int = 0
    crossed: list[str] = field(default_factory=list)
    void: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "SplitReport") -> None:
        """Add the counts and findings of another report of the same split."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            elif isinstance(mine, str):
                setattr(self, name, mine or value)
            else:
                setattr(self, name, mine + value)

    def depth_range(self) -> tuple[float, float, float] | None:
        """Return the smallest, median and largest depth, rounded to 3 digits; ``None`` if no pixel has a depth."""
        if not self.depth:
            return None
        known = sorted(self.depth)
        half, count = self.depth.total() / 2, 0
        for value in known:
            count += self.depth[value]
            if count >= half:
                return known[0], value, known[-1]
        return None

    def as_table(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        shown = {name: value for name, value in vars(self).items() if name not in WORKING}
        table: dict[str, Any] = {n: dict(value) if isinstance(value, Counter) else value for n, value in shown.items()}
        spread = self.depth_range()
        table["depth"] = None if spread is None else dict(zip(("least", "median", "largest"), spread, strict=True))
        return table
