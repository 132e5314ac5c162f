"""The figures of two tasks over their fixed weights, as in Fig. 2 of the paper."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from equipoise.comparison.page.figure import COLORS, INK, RULE, Plot, brief, drawn
from equipoise.comparison.page.table import Naming, title
from equipoise.comparison.records import Comparison, Metric, RowInfo
from equipoise.comparison.rows import share_of
from equipoise.comparison.summary import Summary, summarize


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Rows with fixed weights of one task against another.

    Attributes:
        one: the task whose share is on the axis.
        other: the task that has the rest.
        shares: the share of the first task by the row's name, the tasks alone being the ends.
        learned: the row with learned weights of both; ``None``: there is none.
    """

    one: str
    other: str
    shares: Mapping[str, float]
    learned: str | None


def found_sweeps(comparison: Comparison) -> list[Sweep]:
    """Return the sweeps that ``rows.sweep`` made, each pair of tasks with at least two mixtures."""
    pairs: dict[tuple[str, str], dict[str, float]] = {}
    for row in comparison.rows:
        if (share := share_of(row)) is not None:
            one, other = row.tasks
            pairs.setdefault((one, other), {})[row.name] = share
    return [_completed(comparison, one, other, shares) for (one, other), shares in pairs.items() if len(shares) > 1]


def _completed(comparison: Comparison, one: str, other: str, shares: Mapping[str, float]) -> Sweep:
    """Return a sweep with the tasks alone and with learned weights, where the comparison has them."""
    ends = ((task, share) for task, share in ((one, 1.0), (other, 0.0)))
    alone = {name: share for task, share in ends if (name := _first(comparison, (task,))) is not None}
    names = ("learned", f"learned, {one} + {other}", f"learned, {other} + {one}")
    both = {row.name for row in comparison.rows if set(row.tasks) == {one, other}}
    learned = next((name for name in names if name in both), None)
    return Sweep(one=one, other=other, shares={**shares, **alone}, learned=learned)


def _first(comparison: Comparison, tasks: tuple[str, ...]) -> str | None:
    return next((row.name for row in comparison.rows if row.tasks == tasks), None)


def without(comparison: Comparison, names: Collection[str]) -> Comparison:
    """Return the comparison without some rows, such as the points of a sweep, which have plots of their own.

    It stays as it is where its reference is one of them.
    """
    if comparison.reference in names:
        return comparison
    rows = tuple(_without_control(row, names) for row in comparison.rows if row.name not in names)
    return replace(comparison, rows=rows, records=tuple(r for r in comparison.records if r.row not in names))


def _without_control(row: RowInfo, names: Collection[str]) -> RowInfo:
    return replace(row, control_of=None) if row.control_of in names else row


def sweep_plots(comparison: Comparison, sweep: Sweep, naming: Naming = title) -> list[Plot]:
    """One plot a figure: its value over the share of the first task's weight, and that of learned weights as a line."""
    summary = summarize(comparison)
    own = [metric for metric in summary.metrics if metric.task in (sweep.one, sweep.other)]
    plots = (_plot(summary, metric, sweep, naming(metric)) for metric in own)
    return [plot for plot in plots if plot is not None]


def _plot(summary: Summary, metric: Metric, sweep: Sweep, says: str) -> Plot | None:
    rows = {row.row.name: row for row in summary.rows}
    names = sorted(sweep.shares, key=lambda name: sweep.shares[name])
    points = [(sweep.shares[name], rows[name].test[metric.key]) for name in names if metric.key in rows[name].test]
    if len(points) < 2:
        return None
    color = COLORS[0 if metric.task == sweep.one else 1]
    with drawn(4.4, 2.7) as (figure, source):
        axis = figure.subplots()
        x = [share for share, _ in points]
        mean = [spread.mean for _, spread in points]
        low = [spread.mean - spread.deviation for _, spread in points]
        high = [spread.mean + spread.deviation for _, spread in points]
        axis.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
        axis.plot(x, mean, "o-", color=color, markersize=4, linewidth=1.4, label="fixed weights")
        if sweep.learned is not None and metric.key in rows[sweep.learned].test:
            spread = rows[sweep.learned].test[metric.key]
            axis.axhline(spread.mean, color=INK, linewidth=1.4, linestyle="--", label="learned")
            axis.axhspan(
                spread.mean - spread.deviation,
                spread.mean + spread.deviation,
                color=INK,
                alpha=0.08,
            )
        axis.set_title(f"{brief(says, 30)} ({'higher' if metric.higher_is_better else 'lower'} is better)", loc="left")
        axis.set_xlabel(f"weight of {brief(sweep.one, 20)}; the rest is that of {brief(sweep.other, 20)}")
        axis.set_xlim(-0.03, 1.03)
        axis.grid(color=RULE, linewidth=0.6)
        axis.legend(fontsize=8)
    return Plot(title=says, source=source[0], alt=f"{says} over the weight of {sweep.one}.")
