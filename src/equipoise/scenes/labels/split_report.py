"""What ``check`` counts in one split of a data set, and what it finds there."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

WORKING = frozenset({"depth", "largest", "pixels"})
"""Counts that only serve to find something; JSON holds what they say in short."""


@dataclass(kw_only=True)
class SplitReport:
    """What one split holds.

    Attributes:
        images: how many were listed; ``readable``: of those, how many could be read with all their labels.
        labels: how many readable images have each kind of label; ``missing``: how many of all have no file of it.
        classes: how many images show each class.
        instances: how many objects there are.
        sizes: how many images of each size, ``WIDTHxHEIGHT``.
        bits: how many depth and instance labels are stored in so many bits, ``KIND, BITS bit``.
        depth_kind: what the depth below is called; ``depth_unit``: its unit, ``m``, ``px`` or none.
        depth: how many labelled pixels (of a sample of them) have each depth, rounded to 3 digits.
        largest: how many pixels hold the largest stored number of a kind of label in their image, by kind, bits and
            number; ``pixels``: how many pixels of each kind have a label at all.
        wrapped: depth labels whose numbers seem to have wrapped around.
        full: instance labels in 8 bit that use every number.
        zeros: disparity labels that store 0, where nothing says what it means.
        countable: how many images with instance labels show a countable class.
        uncounted: instance labels without any instance, of images that show a countable class.
        without_id: instance labels in which some objects have an id and other pixels of countable classes have none.
        agreement: how many more instances lie on the class that their id tells than on another.
        crossed: labels with instances on another class than their id tells, a line each; ``void``: labels without any
            class.
        faults: what is wrong, a line each, with the path.
        notes: what is probably meant otherwise and should be looked at, a line each.
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
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "SplitReport") -> None:
        """Count what another report of the same split counted, too."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            elif isinstance(mine, str):
                setattr(self, name, mine or value)
            else:
                setattr(self, name, mine + value)

    def depth_range(self) -> tuple[float, float, float] | None:
        """The least, the median and the largest depth, to 3 digits; ``None`` where there is none."""
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
        """Plain values, for JSON."""
        shown = {name: value for name, value in vars(self).items() if name not in WORKING}
        table: dict[str, Any] = {n: dict(value) if isinstance(value, Counter) else value for n, value in shown.items()}
        spread = self.depth_range()
        table["depth"] = None if spread is None else dict(zip(("least", "median", "largest"), spread, strict=True))
        return table
