"""Draw line charts: the lines as stretching SVG, the words as text of the page, so that both are crisp at any width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from equipoise.scenes.wording import fixed, number

TASK_COLORS = 5
"""How many colours the style sheet has for tasks; further tasks use them again."""
NEUTRAL = 5
"""The colour of charts that belong to no task."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over steps. Values that are ``None`` or not finite are left out.

    Attributes:
        steps: the steps.
        values: the value at each step.
        color: the number of the line's colour in the style sheet.
        smooth: draw a running median as the strong line.
    """

    steps: Sequence[float]
    values: Sequence[float | None]
    color: int = 0
    smooth: bool = False

    @property
    def points(self) -> list[tuple[float, float]]:
        """The known values with their steps."""
        pairs = zip(self.steps, self.values, strict=True)
        return [(step, value) for step, value in pairs if value is not None and math.isfinite(value)]

    @property
    def strong(self) -> list[float]:
        """The strong line's value at each of the points."""
        values = [value for _, value in self.points]
        return running_median(values, max(1, len(values) // 25)) if self.smooth else values


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The vertical axis: its ticks, within which all values lie."""

    ticks: list[float]
    logarithmic: bool

    @classmethod
    def over(cls, low: float, high: float, logarithmic: bool | None = None) -> "Axis":
        """Return the axis of a range; by default it is logarithmic if positive values span more than a factor of 20."""
        if logarithmic is None:
            logarithmic = low > 0 and high / low > 20
        return cls(ticks=log_ticks(low, high) if logarithmic else linear_ticks(low, high), logarithmic=logarithmic)

    @property
    def numbers(self) -> list[str]:
        """The ticks as text; evenly spaced ticks have just enough decimals to tell them apart.

        >>> Axis(ticks=[0.99, 0.995, 1.0], logarithmic=False).numbers
        ['0.990', '0.995', '1.000']
        """
        plain = [f"{tick:.10g}" for tick in self.ticks]
        if self.logarithmic or any("e" in shown for shown in plain):
            return [number(tick) for tick in self.ticks]
        places = max(len(shown.partition(".")[2]) for shown in plain)
        return [fixed(tick, places) for tick in self.ticks]

    def height(self, value: float) -> float:
        """Return the position of a value, in % from the top."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.logarithmic:
            return 100 - 100 * math.log(value / low) / math.log(high / low)
        return 100 - 100 * (value - low) / (high - low)


def line_chart(
    series: Series,
    title: str,
    *,
    span: tuple[float, float] | None = None,
    logarithmic: bool | None = None,
    mark: float | None = None,
) -> str:
    """Draw a series over the steps from 0; a smooth one has its values as a faint line behind the strong one.

    Args:
        series: what to draw.
        title: the description for screen readers.
        span: the smallest and largest value of several charts that share an axis.
        logarithmic: whether the vertical axis is logarithmic; see ``Axis.over``.
        mark: a step to mark with a vertical line.

    Returns:
        The HTML element; empty if the series has fewer than two values.
    """
    points = series.points
    if len({step for step, _ in points}) < 2:
        return ""
    steps, values = [step for step, _ in points], [value for _, value in points]
    axis = Axis.over(*(span or (min(values), max(values))), logarithmic)
    first, last = min(0.0, *steps), max(steps)
    across = [100 * (step - first) / (last - first) for step in steps]
    lines = [_line("raw", series.color, across, values, axis)] if series.smooth else []
    lines.append(_line("strong", series.color, across, series.strong, axis))
    grid = [f'<path class="grid" d="M0 {axis.height(tick):.2f}H100"/>' for tick in axis.ticks]
    if mark is not None and first <= mark <= last:
        grid.append(f'<path class="mark" d="M{100 * (mark - first) / (last - first):.2f} 0V100"/>')
    drawn = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{"".join(grid + lines)}</svg>'
    return f'<div class="plot" role="img" aria-label="{escape(title)}">{drawn}{_words(axis, first, last)}</div>'


def _line(kind: str, color: int, across: list[float], values: Sequence[float], axis: Axis) -> str:
    path = "L".join(f"{x:.2f} {axis.height(value):.2f}" for x, value in zip(across, values, strict=True))
    return f'<path class="line {kind} color{color}" d="M{path}"/>'


def _words(axis: Axis, first: float, last: float) -> str:
    """Return the labels of both axes."""
    ticks = zip(axis.ticks, axis.numbers, strict=True)
    words = [f'<span class="y" style="top:{axis.height(tick):.2f}%">{shown}</span>' for tick, shown in ticks]
    for place, tick in enumerate(step_ticks(first, last)):
        left = 100 * (tick - first) / (last - first)
        between = " between" if place % 2 else ""  # Every other label is hidden in narrow charts.
        words.append(f'<span class="x{between}" style="left:{left:.2f}%">{step_number(tick)}</span>')
    return "".join(words)


def linear_ticks(low: float, high: float) -> list[float]:
    """Return two to six round numbers that enclose the range.

    >>> linear_ticks(0.3, 9.2)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if high <= low:
        low, high = low - max(abs(low) * 0.1, 1e-9), high + max(abs(high) * 0.1, 1e-9)
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.8)
    start, end = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [round(k * step, 3 - math.floor(math.log10(step))) for k in range(start, end + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten that enclose the range, or 1, 2 and 5 times these if there are few.

    >>> log_ticks(0.4, 90)
    [0.1, 1.0, 10.0, 100.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first <= 2:
        inside = [m * 10.0**e for e in range(first, last) for m in (1, 2, 5)] + [10.0**last]
        below = max([t for t in inside if t <= low], default=inside[0])
        above = min([t for t in inside if t >= high], default=inside[-1])
        return [t for t in inside if below <= t <= above]
    every = max(1, (last - first) // 4)
    return [10.0**e for e in range(first, last + every, every)]


def step_ticks(first: float, last: float) -> list[float]:
    """Return three or four round numbers within the range.

    >>> step_ticks(0, 2000), step_ticks(0, 120)
    ([0.0, 1000.0, 2000.0], [0.0, 50.0, 100.0])
    """
    power = 10.0 ** math.floor(math.log10((last - first) / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power > (last - first) / 4)
    return [k * step for k in range(math.ceil(first / step), math.floor(last / step) + 1)]


def step_number(step: float) -> str:
    """Format a step briefly.

    >>> step_number(5000), step_number(25000)
    ('5,000', '25k')
    """
    return f"{step / 1000:,g}k" if step >= 10_000 else number(step)


def running_median(values: Sequence[float], reach: int) -> list[float]:
    """Return the median of each value and its ``reach`` neighbours on either side.

    Towards the start the window shrinks, equally on both sides. The first value follows Tukey's rule (*Exploratory
    Data Analysis*, 1977): the median of itself, the next median, and the extrapolation of the next two medians.
    Windows that shrank towards the end as well would leave the last values noisy. So the line continues straight from
    the last full window on, with the trend of the medians before it, within the range of that window's values.

    >>> running_median([8.0, 6.0, 4.0, 2.0], 1), running_median([1.0, 1.0, 1.0, 1.0, 9.0], 1)
    ([8.0, 6.0, 4.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    count = len(values)
    reach = min(reach, (count - 1) // 3)
    medians = []
    for index in range(count):
        near = min(reach, index, count - 1 - index)
        medians.append(sorted(values[index - near : index + near + 1])[near])
    if reach < 1:
        return medians
    medians[0] = sorted([values[0], medians[1], 3 * medians[1] - 2 * medians[2]])[1]
    whole, window = count - 1 - reach, sorted(values[-2 * reach - 1 :])
    trend = (medians[whole] - medians[whole - 2 * reach]) / (2 * reach)
    for beyond in range(1, reach + 1):
        medians[whole + beyond] = min(max(medians[whole] + beyond * trend, window[0]), window[-1])
    return medians
