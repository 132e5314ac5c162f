"""Format how well the predicted uncertainties fit, before and after refitting the noise, for the page and terminal."""

from dataclasses import dataclass

from equipoise.scenes.evaluation.figures import Calibrated, SetFigures
from equipoise.scenes.report.figures import shown_value
from equipoise.scenes.report.words import listed
from equipoise.scenes.wording import fixed, significant

TOLERANCE = 0.05
"""A share of targets, or a confidence, that differs by at most this much from what is right counts as fitting."""


@dataclass(frozen=True, kw_only=True)
class Covered:
    """The share of targets inside the interval of one level: as text, and share and level in % of the bar's length."""

    level: str
    value: str
    width: float
    mark: float


@dataclass(frozen=True, kw_only=True)
class CalibrationRow:
    """The figures of one task with its noise as trained, or refitted; ``judged``: what they say, in words."""

    task: str
    noise: str
    nll: str
    error: str
    covered: tuple[Covered, ...]
    judged: str


@dataclass(frozen=True, kw_only=True)
class CalibrationTable:
    """The calibration of one data set; ``without``: the tasks that have none."""

    levels: tuple[str, ...]
    rows: tuple[CalibrationRow, ...]
    without: tuple[str, ...]

    @property
    def lacking(self) -> str:
        """One sentence about the tasks without figures; empty if all have some."""
        why = "no density (such as the paper's form of L1), or too few labels"
        return f"No figures for {listed([*self.without])}: {why}." if self.without else ""


def calibration_table(figures: SetFigures) -> CalibrationTable | None:
    """Return two rows for each task that has a density; ``None`` if calibration was not measured."""
    if figures.calibration is None:
        return None
    levels = tuple(dict.fromkeys(level for one in figures.calibration.values() for level in one.before.coverage))
    rows = tuple(
        _row(task, noise, one, levels)
        for task, both in figures.calibration.items()
        for noise, one in (("as trained", both.before), ("refitted", both.after))
    )
    without = tuple(task for task in figures.tasks if task not in figures.calibration)
    return CalibrationTable(levels=levels, rows=rows, without=without) if rows or without else None


def _row(task: str, noise: str, one: Calibrated, levels: tuple[str, ...]) -> CalibrationRow:
    shares = {level: shown_value(one.coverage.get(level), "%") for level in levels}
    return CalibrationRow(
        task=task,
        noise=noise,
        nll=significant(one.nll),
        error=fixed(shown_value(one.calibration_error, "%"), 1),
        covered=tuple(
            Covered(level=level, value=fixed(share, 1), width=min(max(share or 0.0, 0.0), 100.0), mark=float(level))
            for level, share in shares.items()
        ),
        judged=judged(one),
    )


def judged(one: Calibrated) -> str:
    """Say in words whether intervals are too narrow or too wide, or whether the probabilities of classes fit.

    >>> judged(Calibrated(coverage={"50": 0.41, "80": 0.70, "95": 0.93}))
    'too narrow'
    >>> judged(Calibrated(coverage={"50": 0.62, "95": 0.89}))
    'wrong shape'
    >>> judged(Calibrated(calibration_error=0.03))
    'fits'
    """
    gaps = [share - float(level) / 100 for level, share in one.coverage.items() if share is not None]
    if gaps:
        narrow, wide = min(gaps) < -TOLERANCE, max(gaps) > TOLERANCE
        return "wrong shape" if narrow and wide else "too narrow" if narrow else "too wide" if wide else "fits"
    if one.calibration_error is None:
        return ""
    return "fits" if one.calibration_error <= TOLERANCE else "does not fit"
