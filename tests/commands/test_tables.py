"""Tables keep every figure, however narrow the terminal is, and through a pipe."""

import io
import json
import math
import os
import pty
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from equipoise.commands.display import Counter, TrainingDisplay
from equipoise.commands.results import print_all_figures, print_results
from equipoise.commands.table import Column, print_table, table_lines
from equipoise.scenes.evaluation.figures import Figures
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE, command, environment, equipoise

WIDTHS = (160, 80, 60, 40, 20)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x30FF, categories=("L", "N")), min_size=1, max_size=30)


def figures(images: int = 1, **also: dict) -> dict:
    """Figures as evaluate gives them, as long as they come."""
    errors = {"better": "lower", "unit": "px"}
    return {
        "split": "validation",
        "images": images,
        "primary": {
            "semantic": {"metric": "mean_iou", "label": "mean IoU", "unit": "%", "better": "higher"},
            "instance": errors | {"metric": "mae_px", "label": "offset error"},
            "depth": errors | {"metric": "mae", "label": "inverse depth error", "unit": "1/m"},
        },
        "tasks": {
            "semantic": {"mean_iou": 0.48532, "pixel_accuracy": 0.7, "iou": {"a" * 50: 0.3, "道路": math.nan}},
            "instance": {"mae_px": 12.3456, "euclidean_px": math.nan},
            "depth": {"mae": 1234.5, "rmse": 1.5e-7, "mae_without_sky": 0.25},
        },
        "baselines": {
            "constant": {"semantic": 0.0123, "instance": 112.3, "depth": 98765.4},
            "position": {"semantic": 0.4, "instance": 12.0, "depth": math.nan},
        },
        "sigma": {"semantic": 0.5, "instance": [1.0, 12.5], "depth": 321.0},
        **({"also": also} if also else {}),
    }


def printed(width: int, *what: dict) -> str:
    file = io.StringIO()
    screen = Console(file=file, width=width, markup=False, emoji=False)
    for one in what:
        print_results(Figures.from_json(one), screen)
        print_all_figures(Figures.from_json(one), screen, per_class=True)
    return file.getvalue()


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_there_whole(width):
    words = printed(width, figures()).split()
    for figure in (
        *("48.5", "1.2", "(+47.3)", "40.0", "(+8.5)", "12.3", "112.3", "(+100.0)", "1,234", "98,765", "(+97,531)"),
        *("0.500", "1.00,", "12.5", "321", "70.0", "1.5e−07", "0.250", "30.0", "a" * 50, "道路"),
    ):
        assert figure in words
    assert not {word for word in words if "…" in word}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_result_and_its_name_stand_together(width):
    """On one line, or, where it is too narrow, in the block of the task."""
    text = printed(width, figures())
    depth = text.split("All figures")[0].split("\ndepth")[1]
    assert re.search(r"inverse depth error, 1/m ↓\s", depth)
    assert re.search(r"1,234\b.*98,765\s+\(\+97,531\).*321", depth, re.DOTALL)
    assert "semantic" not in depth


def test_the_usual_table_fits_80_columns_a_line_a_task():
    usual = figures() | {"sigma": {"semantic": 0.5, "instance": 1.5, "depth": 3.21}}
    usual["tasks"]["depth"]["mae"] = 5.3
    usual["primary"]["depth"] |= {"label": "disparity error", "unit": "px"}
    for baseline in usual["baselines"].values():
        baseline["depth"] = 10.04
    lines = printed(80, usual).split("All figures")[0].splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    rows = [line for line in lines if line.startswith(("semantic", "instance", "depth"))]
    assert len(rows) == 3
    assert len({cell_len(row) for row in rows}) == 1  # Numbers end at one place.
    assert len({row.index(")") for row in rows}) == 1


def test_numbers_and_units():
    assert "1 image of validation\n" in printed(80, figures())
    assert "12 images of validation\n" in printed(80, figures(12))
    text = printed(80, figures())
    assert re.search(r"rmse, 1/m +1\.5e−07", text)
    several = printed(80, figures(3, photos=figures(1)))
    assert "3 images of data, validation\n" in several
    assert "1 image of photos, validation\n" in several


@given(
    rows=st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=4),
    titles=st.tuples(WORDS, WORDS, WORDS, WORDS),
    width=st.integers(1, 130),
)
def test_no_cell_is_ever_cut(rows, titles, width):
    columns = [Column(title=title, numbers=k > 1) for k, title in enumerate(titles)]
    lines = table_lines(columns, rows, width)
    text = "\n".join(lines)
    assert text.split()[-1] == rows[-1][-1]
    assert all(cell in text for row in rows for cell in row)
    longest = max(cell_len(cell) for row in [*rows, titles] for cell in row)
    assert all(cell_len(line) <= max(width, longest + 4) for line in lines)


def test_what_names_hold_does_not_move_the_cursor():
    file = io.StringIO()
    print_table("a\x1b[2J", [Column(title="class")], [["\x1b[31mred\n"]], Console(file=file, width=80, markup=False))
    assert "\x1b" not in file.getvalue()


ENTRY = {
    "step": 12345,
    "images_per_second": 123.4,
    "seconds": 7200.0,
    "tasks": {
        task: {"loss": 12.5, "sigma": [0.5, 4.5], "weight": 1234.5} for task in ("semantic", "instance", "depth")
    },
}


@pytest.mark.parametrize("width", WIDTHS)
def test_progress_keeps_its_figures(width):
    file = io.StringIO()
    screen = Console(file=file, width=width, force_terminal=True, color_system=None)
    counter = Counter("evaluating the constant baseline on photos, val", 12000, screen)
    counter.done = 1234
    screen.print(counter.shown())
    display = TrainingDisplay(100_000, screen)
    display.first = ENTRY | {"step": 1, "seconds": 0.0}
    screen.print(display._table(ENTRY))
    words = file.getvalue().split()
    for word in ("1234/12000,", "12345/100000", "123.4", "left", "12.5", "0.500,", "4.50", "1,234", "val"):
        assert word in words
    assert "…" not in file.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("tables")
    write_folder(home / "data")
    (home / "recipe.toml").write_text(RECIPE.format(steps=1))
    trained = equipoise("train", "recipe.toml", "--out", "run", cwd=home)
    assert trained.returncode == 0, trained.stderr
    return home / "run"


@pytest.mark.parametrize("columns", [None, "80", "60", "40"])
def test_through_a_pipe(run, columns):
    given = {key: value for key, value in environment().items() if key != "COLUMNS"}
    done = subprocess.run(
        command("evaluate", run, "--per-class"),
        capture_output=True,
        text=True,
        env=given | ({"COLUMNS": columns} if columns else {}),
    )
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    expected = printed(160, json.loads((run / "metrics.json").read_text()))
    numbers = re.compile(r"(?<!AP)(?<!AP\d)(?<!in )(?<!in \d)\(?[+−]?\d[\d,.e−]*\)?")
    assert sorted(numbers.findall(done.stdout)) == sorted(numbers.findall(expected))
    if columns is None:
        assert all(cell_len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("columns", ["80", "40"])
def test_what_check_counts(run, columns):
    arguments = command("check", run.parent / "data/data.toml")
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment() | {"COLUMNS": columns})
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("Contents")[1].split("images that show")[0]
    assert "…" not in table
    assert {"train", "val", "33x24", "(2)"} <= set(table.split())


def test_on_a_narrow_terminal(run):
    master, terminal = pty.openpty()
    given = environment() | {"COLUMNS": "40", "TERM": "dumb"}
    arguments = command("evaluate", run, "--no-baselines")
    streams = {"stdin": terminal, "stdout": terminal, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(arguments, env=given, **streams) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(master, 10_000):
                shown += part
        except OSError:
            pass  # The other end is closed.
    os.close(master)
    assert process.returncode == 0
    assert "…" not in shown.decode()
    assert "offset error, px ↓" in shown.decode()
