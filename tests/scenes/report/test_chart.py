"""Charts: the strong line is right at both ends, comparable charts share an axis, the number is the line's end."""

import random
import re

import pytest

from equipoise.scenes.report.chart import Series, line_chart, linear_ticks, log_ticks, running_median, step_ticks
from equipoise.scenes.report.curves import overall_charts, task_charts


def log_of(**columns: list[float]) -> list[dict]:
    """A log of one task; a column that a whole entry has is named so."""
    count = len(next(iter(columns.values())))
    return [
        {"step": 10 * (k + 1), "tasks": {"depth": {name: column[k] for name, column in columns.items()}}}
        for k in range(count)
    ]


@pytest.mark.parametrize("reach", [0, 1, 4, 40])
def test_a_straight_line_stays_as_it_is(reach):
    line = [100.0 - 0.5 * k for k in range(200)]
    assert running_median(line, reach) == pytest.approx(line)


def test_a_steep_start_is_not_cut():
    values = [1.0 + 8.0 * 0.8**k for k in range(100)]
    smooth = running_median(values, 4)
    assert smooth == pytest.approx(values, abs=0.2)
    assert smooth[:3] == pytest.approx(values[:3], abs=0.2)


def test_noise_and_outliers_are_smoothed_up_to_the_end():
    rng = random.Random(0)
    errors = []
    for _ in range(200):
        values = [rng.gauss(0.0, 1.0) for _ in range(100)]
        errors.append(abs(running_median(values, 4)[-1]))
    # The last value itself is off by 0.8 on average.
    assert sum(errors) / len(errors) < 0.5
    assert running_median([1.0] * 99 + [50.0], 4) == [1.0] * 100
    assert running_median([50.0] + [1.0] * 99, 4) == [1.0] * 100


def test_the_smooth_line_stays_within_the_values():
    values = [2.0**-k for k in range(30)]
    assert min(running_median(values, 9)) >= min(values)
    assert [running_median([3.0] * count, 1) for count in range(5)] == [[3.0] * count for count in range(5)]


def test_rates_sigmas_and_weights_are_drawn_as_they_are():
    rising = [float(k * k) for k in range(1, 101)]
    loss, sigma, weight, share = task_charts(log_of(loss=rising[::-1], sigma=rising, weight=rising))[0]
    for chart in (sigma, weight):
        assert chart.drawing.count('class="line') == chart.drawing.count('class="line strong') == 1
        assert chart.last == "10,000"
    for chart in (loss, share):
        assert chart.drawing.count('class="line raw') == 1
    entries = [{"step": k, "learning_rate": 0.5, "loss": 1.0, "images_per_second": 9.0} for k in range(50)]
    lines = {chart.title: chart.drawing.count('class="line') for chart in overall_charts(entries)}
    assert lines == {"joint loss": 2, "learning rate": 1, "images per second": 2}


def test_the_number_is_the_end_of_the_strong_line():
    noisy = [2.0] * 99 + [7.0]
    loss, sigma = task_charts(log_of(loss=noisy, sigma=noisy))[0]
    assert (loss.last, sigma.last) == ("2.00", "7.00")


def test_weighted_losses_share_one_axis():
    tasks = {"depth": {"loss": 2.0, "weight": 3.0}, "semantic": {"loss": 1.0, "weight": 0.5}}
    raw, *_, shares = task_charts([{"step": step, "tasks": tasks} for step in (1, 2)])
    assert [(c.title, c.last) for c in shares] == [
        ("depth, weight × raw loss", "6"),
        ("semantic, weight × raw loss", "0.5"),
    ]
    assert ticks(shares[0].drawing) == ticks(shares[1].drawing) == ["0", "2", "4", "6"]
    assert ticks(raw[0].drawing) != ticks(raw[1].drawing)


def ticks(chart: str, axis: str = "y") -> list[str]:
    return re.findall(rf'<span class="{axis}(?: between)?"[^>]*>([^<]*)<', chart)


def test_charts():
    chart = line_chart(Series(steps=[0, 1, 2, 3], values=[1.0, None, 100.0, 10.0]), 'a "title"<')
    assert chart.count('<path class="line') == 1
    assert "&lt;" in chart
    assert '"title"' not in chart
    assert line_chart(Series(steps=[0], values=[1.0]), "one value") == ""
    assert line_chart(Series(steps=[0, 1], values=[5.0, 5.0]), "constant")
    decades = Series(steps=[0, 1], values=[1.0, 900.0])
    assert "10" in ticks(line_chart(decades, "by decades"))
    linear = ticks(line_chart(decades, "linear", logarithmic=False))
    assert "10" not in linear
    assert "1,000" in linear


def test_ticks_are_told_apart():
    chart = line_chart(Series(steps=[0, 1], values=[1.001, 1.009]), "narrow")
    assert ticks(chart) == ["1.000", "1.002", "1.004", "1.006", "1.008", "1.010"]
    assert ticks(line_chart(Series(steps=[0, 1], values=[-2.0, 2000.0]), "wide"))[-1] == "2,000"


def test_values_lie_within_the_axis():
    assert linear_ticks(-1.0, 1.0)[0] == -1.0
    for low, high in [(0.0, 0.0), (1e-13, 5e-13), (0.3, 9.2), (-2e9, 7e9), (1.0, 1.0 + 1e-9)]:
        assert linear_ticks(low, high)[0] <= low
        assert linear_ticks(low, high)[-1] >= high
        assert line_chart(Series(steps=[0, 1], values=[low, high]), "small", logarithmic=False)
    for low, high in [(1e-7, 3e5), (0.4, 90.0), (2.0, 45.0), (1e-3, 9e8)]:
        assert log_ticks(low, high)[0] <= low
        assert log_ticks(low, high)[-1] >= high


@pytest.mark.parametrize("last", [10, 40, 95, 120, 999, 1000, 2000, 4500, 25_000, 10**6])
def test_three_to_five_steps_are_named(last):
    assert 3 <= len(step_ticks(0, last)) <= 5
    assert step_ticks(0, last)[-1] <= last


def test_the_axis_of_steps():
    chart = line_chart(Series(steps=[20.0, 30_000.0], values=[1.0, 2.0]), "long")
    assert ticks(chart, "x") == ["0", "10k", "20k", "30k"]
