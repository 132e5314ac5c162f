"""The critical-difference diagram of mean ranks."""

from collections.abc import Sequence

from equipoise.comparison.page.figure import INK, QUIET, Plot, brief, drawn
from equipoise.comparison.ranking import Ranking


def rank_plot(ranking: Ranking) -> Plot | None:
    """The critical-difference diagram: mean ranks, and bars over rows that do not differ significantly."""
    ranks = sorted(ranking.ranks.items(), key=lambda item: item[1])
    if len(ranks) < 3 or ranking.blocks < 2:
        return None
    groups = _groups([rank for _, rank in ranks], ranking.critical_difference)
    half = (len(ranks) + 1) // 2
    depth = 1.2 + 0.3 * len(groups)
    with drawn(9.8, 1.1 + 0.3 * half + 0.16 * len(groups)) as (figure, source):
        axis = figure.subplots()
        axis.set_xlim(0.8, len(ranks) + 0.2)
        axis.set_ylim(-(depth + 0.9 * half), 1.3)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.spines["top"].set_visible(True)
        axis.xaxis.tick_top()
        axis.set_xticks(range(1, len(ranks) + 1))
        axis.set_yticks([])
        axis.plot([1, min(1 + ranking.critical_difference, len(ranks))], [0.75, 0.75], color=INK, linewidth=1.6)
        axis.text(1, 0.9, f"critical difference {ranking.critical_difference:.2f}", fontsize=8, color=QUIET)
        for number, (low, high) in enumerate(groups):
            axis.plot([low - 0.06, high + 0.06], [-0.3 * (number + 1)] * 2, color=INK, linewidth=3)
        for place, (name, rank) in enumerate(ranks):
            is_left = place < half
            level = -(depth + 0.9 * (place if is_left else len(ranks) - 1 - place))
            end, align = (0.8, "right") if is_left else (len(ranks) + 0.2, "left")
            axis.plot([rank, rank, end], [0.0, level, level], color=QUIET, linewidth=0.8)
            says = f"{brief(name)}  {rank:.2f} " if is_left else f" {rank:.2f}  {brief(name)}"
            axis.text(end, level, says, ha=align, va="center", color=INK)  # Beside the lines, so that none crosses it.
    said = (
        f"Mean ranks over {ranking.blocks} seeds, 1 is best. Rows under a common bar do not differ significantly "
        "(Nemenyi, 5 %). Seeds are repetitions on one data set, so this says nothing about other data."
    )
    return Plot(title="Ranks", source=source[0], alt=said, note=said)


def _groups(ranks: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """Return the first and the last rank of each largest group that lies within the difference.

    >>> _groups([1.0, 1.5, 3.0], 1.6)
    [(1.0, 1.5), (1.5, 3.0)]
    """
    spans: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - ranks[first] <= difference)
        if last > first and not any(last <= other for _, other in spans):
            spans.append((first, last))
    return [(ranks[first], ranks[last]) for first, last in spans]
