"""The page of a comparison: what it has, what it leaves out, and names that are odd."""

import dataclasses
import importlib.util
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest

from equipoise.comparison import Comparison, Metric, RowInfo, RunRecord, rows, summarize, write_page
from equipoise.comparison.rows import share_of
from tests.core.comparison.support import comparison, record, row
from tests.core.comparison.test_compare import COMPARE

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

SEEDS = (0, 1, 2)
ODD = ("<b>bold</b>", "a|b \"quoted\" 'single'", "$x_{2}$ \\ $", "long " * 40, "面积\u202e\n\ttab", "")


def runs(name: str, error: float, **more: object) -> list[RunRecord]:
    """A run a seed; both errors are the given one, a little different with each seed."""
    alone = {"a alone": (1, 0), "b alone": (0, 1)}.get(name, (1, 1))
    values = [(error * (1 + 0.1 * seed), 1 - error * (1 + 0.1 * seed) / 10) for seed in SEEDS]
    tests = [tuple(value if kept else None for value, kept in zip(pair, alone, strict=True)) for pair in values]
    return [record(name, "lr 0.1", seed, test, **more) for seed, test in zip(SEEDS, tests, strict=True)]


def whole() -> Comparison:
    """Tasks alone, three rows that train both, weights, lengths of updates and a failure."""
    weights = tuple((step, {"a": 1.0 + step, "b": 0.5}) for step in (1, 5, 9))
    more = {"weights": weights, "update_norms": ((1, 0.5), (5, 0.25))}
    infos = [row("a alone", "a"), row("b alone", "b"), row("equal"), row("learned"), row("tuned")]
    errors = {"a alone": 1.1, "b alone": 1.2, "equal": 1.0, "learned": 0.8, "tuned": 0.9}
    made = [run for name, error in errors.items() for run in runs(name, error, **more)]
    made += [dataclasses.replace(run, candidate="lr 0.2") for run in runs("tuned", 0.95)]
    made.append(dataclasses.replace(made[0], candidate="lr 9", error="FloatingPointError: <nan>"))
    return comparison(infos, made, "equal")


def written(found: Comparison, folder: Path) -> str:
    return write_page(found, folder / "deep" / "page.html").read_text(encoding="utf-8")


def headings(text: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", text)


class Page(HTMLParser):
    """What a browser sees: tags, addresses and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def assert_self_contained(text: str) -> None:
    page = Page(text)
    assert page.sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import", text)
    for source in page.sources:
        picture = ET.fromstring(b64decode(source.partition(",")[2]))
        links = [value for element in picture.iter() for name, value in element.attrib.items() if "href" in name]
        assert all(link.startswith("#") for link in links)


def test_the_page_has_every_part_and_is_self_contained(tmp_path):
    text = written(whole(), tmp_path)
    assert_self_contained(text)
    assert headings(text) == [
        "Results on the test data",
        "Differences",
        "Ranks",
        "Weights",
        "Cost",
        "Failures",
        "How it was made",
    ]
    assert "5 ways of training a and b, together or alone; 19 runs" in text
    assert "−20.0 %" in text
    assert "<em>Chosen by other seeds</em> is the same change" in text
    assert "the same, chosen by other seeds</th>" in text
    assert "Δm</th>" in text
    assert "<li>5 rows and 3 seeds took 19 runs.</li>" in text
    assert "FloatingPointError: &lt;nan&gt;" in text
    assert "length of updates" in text
    assert "own scale" not in text


def test_parts_without_content_are_left_out(tmp_path):
    """Two rows, one candidate, no tasks alone, no weights."""
    found = comparison([row("equal"), row("learned")], [*runs("equal", 1.0), *runs("learned", 0.8)], "equal")
    text = written(found, tmp_path)
    assert headings(text) == ["Results on the test data", "Differences", "Cost", "How it was made"]
    for absent in ("hosen by other seeds", "Δm", "length of updates", "Length of updates", "together or alone"):
        assert absent not in text


def test_a_single_row_and_no_run_at_all(tmp_path):
    alone = comparison([row("equal")], runs("equal", 1.0), "equal")
    assert headings(written(alone, tmp_path)) == ["Results on the test data", "Cost", "How it was made"]
    empty = comparison([row("equal"), row("learned")], [], "equal")
    assert headings(written(empty, tmp_path)) == ["Results on the test data", "Cost", "How it was made"]


def test_one_seed_has_no_intervals(tmp_path):
    first = [run for run in whole().records if run.seed == 0]
    text = written(dataclasses.replace(whole(), records=tuple(first)), tmp_path)
    assert "A single seed has no intervals" in text
    assert "Ranks" not in headings(text)
    assert '<span class="below">[' not in text
    assert "<td><span>±" not in text


def test_rows_whose_runs_all_failed(tmp_path):
    failed = [dataclasses.replace(run, error="ValueError: |", test={}, validation={}) for run in runs("learned", 1.0)]
    text = written(comparison([row("equal"), row("learned")], [*runs("equal", 1.0), *failed], "equal"), tmp_path)
    assert headings(text) == ["Results on the test data", "Cost", "Failures", "How it was made"]
    assert text.count(">failed</td>") == 2
    everything = [dataclasses.replace(run, error="x", test={}, validation={}) for run in runs("equal", 1.0)]
    assert "none</td>" in written(comparison([row("equal")], everything, "equal"), tmp_path)


def test_differences_far_from_all_others_are_numbers_at_the_edge(tmp_path):
    names = {"equal": 1.0, "one": 0.95, "two": 0.9, "three": 1.05, "four": 1.1}
    far = names | {"five": 4.0}
    beyond = "A number with an arrow is a mean that lies beyond the plot."
    for errors, shown in ((names, False), (far, True)):
        made = [run for name, error in errors.items() for run in runs(name, error)]
        assert (beyond in written(comparison([row(name) for name in errors], made, "equal"), tmp_path)) == shown


def test_many_tasks(tmp_path):
    """More than there are colours, line styles and places beside each other."""
    tasks = tuple(f"task {number}" for number in range(27))
    metrics = tuple(Metric(name="mae", task=task) for task in tasks)
    infos = tuple(RowInfo(name=name, description=name, tasks=tasks) for name in ("equal", "learned"))
    course = ((1, dict.fromkeys(tasks, 1.0)), (2, dict.fromkeys(tasks, 2.0)))
    made = tuple(
        RunRecord(row=info.name, candidate="", seed=seed, steps=2, seconds=1, validation=v, test=v, weights=course)
        for info in infos
        for seed in SEEDS
        for v in [{metric.key: 1.0 + seed for metric in metrics}]
    )
    found = Comparison(title="many", metrics=metrics, rows=infos, records=made, reference="equal")
    assert headings(written(found, tmp_path))[:3] == ["Results on the test data", "Differences", "Weights"]


def test_weights_in_another_unit_have_a_scale_of_their_own(tmp_path):
    usual, odd = ((1, {"a": 1.0, "b": 0.5}),), ((1, {"a": 1e-7, "b": 0.5}),)
    made = [*runs("equal", 1.0, weights=usual), *runs("learned", 1.0, weights=usual), *runs("paper", 1.0, weights=odd)]
    text = written(comparison([row("equal"), row("learned"), row("paper")], made, "equal"), tmp_path)
    assert "but those marked “own scale”" in text


def test_a_task_has_one_color_in_all_plots(tmp_path):
    """Also in a row of a pair without the first task."""
    from equipoise.comparison.page.figure import COLORS
    from equipoise.comparison.page.weights import weight_plots

    metrics = tuple(Metric(name="mae", task=task) for task in "abc")
    infos = [
        RowInfo(name="all", description="", tasks=tuple("abc")),
        RowInfo(name="pair", description="", tasks=("b", "c")),
    ]
    made = [
        RunRecord(
            row=info.name,
            candidate="",
            seed=0,
            steps=2,
            seconds=1,
            validation=(values := {f"{task}.mae": 1.0 for task in info.tasks}),
            test=values,
            weights=tuple((step, dict.fromkeys(info.tasks, 1.0)) for step in (1, 2)),
        )
        for info in infos
    ]
    found = Comparison(title="", metrics=metrics, rows=tuple(infos), records=tuple(made), reference="all")
    pictures = [b64decode(plot.source.partition(",")[2]).decode() for plot in weight_plots(summarize(found), "weight")]
    assert [[color in picture for color in COLORS[:3]] for picture in pictures] == [[True] * 3, [False, True, True]]


def test_rows_that_record_no_weights_have_no_plot(tmp_path):
    """Methods that combine gradients record an empty mapping each time."""
    made = [*runs("equal", 1.0, weights=((1, {"a": 0.5, "b": 0.5}),)), *runs("UPGrad", 1.0, weights=((1, {}), (5, {})))]
    text = written(comparison([row("equal"), row("UPGrad")], made, "equal"), tmp_path)
    assert "The weights of a, b over the steps of equal." in text
    assert "over the steps of UPGrad" not in text


def test_a_sweep_has_plots_and_stays_out_of_the_table(tmp_path):
    infos = [each.info for each in rows.sweep("a", "b", shares=(0.9, 0.5, 0.1))]
    infos.append(row("equal"))
    made = [run for place, info in enumerate(infos) for run in runs(info.name, 1.0 + 0.1 * place)]
    text = written(comparison(infos, made, "equal"), tmp_path)
    assert "One task against the other" in headings(text)
    assert {f"{key} over the weight of a." for key in ("a rmse", "b auc")} <= set(re.findall(r'alt="(.*?)"', text))
    assert '<th scope="row" class="">a 0.9' not in text
    assert '<th scope="row" class="">a alone' in text
    assert_self_contained(text)
    of_itself = written(comparison(infos, made, "a 0.9"), tmp_path)
    assert '<th scope="row" class="">a 0.9' in of_itself  # The reference is one of the points.
    one_point = [info for info in infos if info.name not in ("a 0.5", "a 0.1")]
    kept = [run for run in made if run.row not in ("a 0.5", "a 0.1")]
    assert "One task against the other" not in headings(written(comparison(one_point, kept, "equal"), tmp_path))


@pytest.mark.parametrize(
    ("name", "tasks", "share"),
    [
        ("a 0.9", ("a", "b"), 0.9),
        ("a b 0.25", ("a b", "c"), 0.25),
        ("a 1e-05", ("a", "b"), 1e-5),
        ("b 0.9", ("a", "b"), None),
        ("a 0.9", ("a",), None),
        ("a 0.9", ("a", "b", "c"), None),
        ("a alone", ("a", "b"), None),
        ("a 7", ("a", "b"), None),
        ("a nan", ("a", "b"), None),
        ("a 0.9, rate matched", ("a", "b"), None),
    ],
)
def test_points_of_a_sweep_are_known_by_their_names(name, tasks, share):
    assert share_of(RowInfo(name=name, description="", tasks=tasks)) == share


def test_odd_names_are_escaped(tmp_path):
    """They neither become tags nor formulas, and control characters are spelled out."""
    metrics = tuple(Metric(name="rmse<'\">", task=name) for name in ODD)
    infos = (
        RowInfo(name="equal", description="<i>", tasks=ODD),
        *(RowInfo(name=n, description=n, tasks=ODD) for n in ODD),
    )
    keys = {metric.key: 1.0 for metric in metrics}
    weights = ((1, dict.fromkeys(ODD, 0.5)), (9, dict.fromkeys(ODD, 1.5)))
    made = tuple(
        RunRecord(
            row=info.name,
            candidate="<lr>",
            seed=seed,
            steps=9,
            seconds=0.1,
            validation=keys,
            test={key: value + 0.1 * seed * place for key, value in keys.items()},
            weights=weights,
        )
        for place, info in enumerate(infos)
        for seed in SEEDS
    )
    found = Comparison(title="<title> & \"'", metrics=metrics, rows=infos, records=made, reference="equal")
    text = written(found, tmp_path)
    assert_self_contained(text)
    page = Page(text)
    assert not {"b", "i", "lr"} & set(page.tags)
    assert page.tags.count("title") == 1
    assert "\u202e" not in text
    assert all(name in page.text for name in ODD if "\u202e" not in name)


def test_compare_writes_the_page(tmp_path):
    found = COMPARE(folder=tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert text == written(found, tmp_path)
    assert "<dt>learning rates</dt><dd>0.01, 0.1</dd>" in text
    assert "<dt>optimizer</dt><dd>Adam</dd>" in text
    assert_self_contained(text)


def test_nothing_but_the_page_needs_the_libraries(tmp_path, monkeypatch):
    original = importlib.util.find_spec
    monkeypatch.setattr(
        "equipoise.comparison.page.find_spec", lambda name: None if name == "matplotlib" else original(name)
    )
    COMPARE(folder=tmp_path)
    assert (tmp_path / "table.md").exists()
    assert not (tmp_path / "report.html").exists()
    with pytest.raises(ModuleNotFoundError, match=r"found no Matplotlib.*pip install 'equipoise\[report\]'"):
        write_page(whole(), tmp_path / "page.html")


def test_importing_comparison_loads_no_library():
    code = (
        "import sys, equipoise.comparison as c; c.write_page; "
        "sys.exit(bool({'jinja2', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
