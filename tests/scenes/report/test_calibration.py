"""The page shows calibration in a table that is understood without the documentation."""

import json
from pathlib import Path

from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run_folder import RunFolder
from tests.scenes.report.test_page import text_of, write_run


def calibrated(run: Path) -> Path:
    """Add calibration: classes that fit once refitted; depth whose intervals are too narrow, then of another shape."""
    figures = json.loads((run / "metrics.json").read_text())
    one = {"nll": 1.25, "calibration_error": None, "coverage": {"50": 0.31, "80": 0.62, "95": 0.942}}
    other = one | {"nll": 1.0, "coverage": {"50": 0.61, "80": 0.81, "95": 0.89}}
    classes = {"nll": 0.5, "calibration_error": 0.081, "coverage": {}}
    figures["calibration"] = {
        "semantic": {"before": classes, "after": classes | {"calibration_error": 0.012}},
        "depth": {"before": one, "after": other},
    }
    (run / "metrics.json").write_text(json.dumps(figures))
    return run


def test_calibration_is_shown_and_put_into_words(tmp_path):
    page = build_report(RunFolder(calibrated(write_run(tmp_path / "run")))).read_text()
    text = text_of(page)
    assert "task noise inside the 50 % interval inside the 80 % interval inside the 95 % interval ECE, % NLL" in text
    assert "semantic as trained – – – 8.1 0.500 does not fit" in text
    assert "semantic refitted – – – 1.2 0.500 fits" in text
    assert "depth as trained 31.0 62.0 94.2 – 1.25 too narrow" in text
    assert "depth refitted 61.0 81.0 89.0 – 1.00 wrong shape" in text
    assert 'style="width:62.0%"></span><span class="level" style="left:80.0%"' in page
    plain = text_of(build_report(RunFolder(write_run(tmp_path / "plain"))).read_text())
    assert "uncertainties fit" not in plain


def test_tasks_without_calibration_are_named_and_what_is_empty_is_a_dash(tmp_path):
    run = calibrated(write_run(tmp_path / "run"))
    figures = json.loads((run / "metrics.json").read_text())
    del figures["calibration"]["semantic"]
    figures["calibration"]["depth"]["after"] = {"nll": None, "calibration_error": None, "coverage": {}}
    (run / "metrics.json").write_text(json.dumps(figures))
    text = text_of(build_report(RunFolder(run)).read_text())
    assert "depth refitted – – – – – " in text
    assert "No figures for semantic: no density (such as the paper's form of L1), or too few labels." in text


def test_where_no_task_has_a_density_one_sentence_says_so(tmp_path):
    run = calibrated(write_run(tmp_path / "run"))
    figures = json.loads((run / "metrics.json").read_text()) | {"calibration": {}}
    (run / "metrics.json").write_text(json.dumps(figures))
    text = text_of(build_report(RunFolder(run)).read_text())
    tasks = " and ".join([", ".join([*figures["tasks"]][:-1]), [*figures["tasks"]][-1]])
    assert (
        f"How well the uncertainties fit No figures for {tasks}: no density (such as the paper's form of L1), or"
        in text
    )
    assert "Each prediction comes with a distribution" not in text
