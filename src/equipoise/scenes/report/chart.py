"""Line charts as SVG text: crisp, in the page's own colours, light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.scenes.report.words import number

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 8, 20


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over steps; ``None`` is a gap. ``color``: a number that the style sheet knows."""

    steps: Sequence[float]
    values: Sequence[float | None]
    color: int = 0


def line_chart(series: Sequence[Series], title: str, *, logarithmic: bool | None = None) -> str:
    """An SVG of the series, each faint as it is and strong as its running median.

    Args:
        series: what to draw on common axes.
        title: what the chart is called for those who do not see it.
        logarithmic: the vertical axis; by default it is where positive values span a factor of 20.

    Returns:
        The element as text; empty where there are not two values.
    """
    points = [
        [(s, v) for s, v in zip(one.steps, one.values, strict=True) if v is not None and math.isfinite(v)]
        for one in series
    ]
    values = [v for line in points for _, v in line]
    steps = [s for line in points for s, _ in line]
    if len(set(steps)) < 2:
        return ""
    if logarithmic is None:
        logarithmic = min(values) > 0 and max(values) / min(values) > 20
    ticks = log_ticks(min(values), max(values)) if logarithmic else linear_ticks(min(values), max(values))
    low, high = min(*values, ticks[0]), max(*values, ticks[-1])
    first, last = min(steps), max(steps)

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_escaped(title)}">']
    for tick in ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 5}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    for step, anchor in ((first, "start"), (last, "end")):
        parts.append(f'<text class="tick" x="{x(step):.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{step:,.0f}</text>')
    for one, line in zip(series, points, strict=True):
        smooth = running_median([v for _, v in line], len(line) // 25)
        for kind, ys in (("raw", [v for _, v in line]), ("smooth", smooth)):
            path = "L".join(f"{x(s):.1f} {y(v):.1f}" for (s, _), v in zip(line, ys, strict=True))
            if path:
                parts.append(f'<path class="line {kind} color{one.color}" d="M{path}"/>')
    return "".join(parts) + "</svg>"


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
    return [round(k * step, 12) for k in range(start, end + 1)]


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
    return [10.0**e for e in range(first, last + 1, every)]


def running_median(values: Sequence[float], reach: int) -> list[float]:
    """Each value's median with ``reach`` neighbours on either side."""
    medians = []
    for index in range(len(values)):
        window = sorted(values[max(0, index - reach) : index + reach + 1])
        medians.append(window[len(window) // 2])
    return medians


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
