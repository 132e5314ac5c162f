"""Line charts: the lines as SVG that stretches, the words as text of the page, so that both stay crisp at any width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from equipoise.scenes.wording import fixed, number


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over steps; one that is ``None`` or not finite is left out.

    ``smooth``: whether the strong line is a running median. ``color``: a number that the style sheet knows.
    """

    steps: Sequence[float]
    values: Sequence[float | None]
    color: int = 0
    smooth: bool = False

    @property
    def points(self) -> list[tuple[float, float]]:
        """Step and value, of those that are known."""
        pairs = zip(self.steps, self.values, strict=True)
        return [(step, value) for step, value in pairs if value is not None and math.isfinite(value)]

    @property
    def strong(self) -> list[float]:
        """What the strong line shows at each of the points."""
        values = [value for _, value in self.points]
        return running_median(values, max(1, len(values) // 25)) if self.smooth else values


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The vertical axis: its ticks, within which all values lie."""

    ticks: list[float]
    logarithmic: bool

    @classmethod
    def over(cls, low: float, high: float, logarithmic: bool | None = None) -> "Axis":
        """The axis of a range; by default it is logarithmic where positive values span a factor of 20."""
        if logarithmic is None:
            logarithmic = low > 0 and high / low > 20
        return cls(ticks=log_ticks(low, high) if logarithmic else linear_ticks(low, high), logarithmic=logarithmic)

    @property
    def numbers(self) -> list[str]:
        """The ticks in figures; where they are evenly spaced with as many decimals as tell them apart.

        >>> Axis(ticks=[0.99, 0.995, 1.0], logarithmic=False).numbers
        ['0.990', '0.995', '1.000']
        """
        plain = [f"{tick:.10g}" for tick in self.ticks]
        if self.logarithmic or any("e" in shown for shown in plain):
            return [number(tick) for tick in self.ticks]
        places = max(len(shown.partition(".")[2]) for shown in plain)
        return [fixed(tick, places) for tick in self.ticks]

    def height(self, value: float) -> float:
        """Where a value lies, in % from the top."""
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
    """The chart of a series over the steps from 0; where it is smooth, its values are faint behind the strong line.

    Args:
        series: what to draw.
        title: what the chart is called for those who do not see it.
        span: the least and the largest value of several charts that are to share an axis.
        logarithmic: the vertical axis; see ``Axis.over``.
        mark: a step to mark by a vertical line.

    Returns:
        The element as text; empty where there are not two values.
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
    """What stands beside and below the lines."""
    ticks = zip(axis.ticks, axis.numbers, strict=True)
    words = [f'<span class="y" style="top:{axis.height(tick):.2f}%">{shown}</span>' for tick, shown in ticks]
    for place, tick in enumerate(step_ticks(first, last)):
        left = 100 * (tick - first) / (last - first)
        between = " between" if place % 2 else ""  # Where there is little room, every other one is left out.
        words.append(f'<span class="x{between}" style="left:{left:.2f}%">{step_number(tick)}</span>')
    return "".join(words)


def linear_ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers around the range.

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
    """Powers of ten around the range, with what lies between where they are few.

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
    """Three or four round numbers within the range.

    >>> step_ticks(0, 2000), step_ticks(0, 120)
    ([0.0, 1000.0, 2000.0], [0.0, 50.0, 100.0])
    """
    power = 10.0 ** math.floor(math.log10((last - first) / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power > (last - first) / 4)
    return [k * step for k in range(math.ceil(first / step), math.floor(last / step) + 1)]


def step_number(step: float) -> str:
    """A step in few letters.

    >>> step_number(5000), step_number(25000)
    ('5,000', '25k')
    """
    return f"{step / 1000:,g}k" if step >= 10_000 else number(step)


def running_median(values: Sequence[float], reach: int) -> list[float]:
    """Each value's median with ``reach`` neighbours on either side; towards the start with fewer, as many on both.

    The first has none: as in Tukey's rule (*Exploratory Data Analysis*, 1977) it is the median of itself, of the next
    median, and of where the next two lead. Windows that shrink towards the end, too, would leave the last values as
    noisy as they are. So from the last whole window on, the line goes straight, with the trend of the medians before,
    and never leaves the range of that window's values.

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
