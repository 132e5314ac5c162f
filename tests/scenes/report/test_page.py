"""The page: it stands alone, escapes what it is given, and says what a run lacks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import RunError
from equipoise.scenes.report import build_report
from equipoise.scenes.report.chart import Series, line_chart, linear_ticks, running_median

HOSTILE = "<script>alert(1)</script>&\"'"


def write_run(run: Path, *, tasks: tuple[str, ...] = ("semantic", "depth"), pictures: bool = True) -> Path:
    run.mkdir(parents=True)
    record = {
        "equipoise": "0", "torch": "2", "python": "3", "command": f"equipoise train {HOSTILE}", "seed": 0,
        "precision": "float32", "device": "cpu", "threads": 2, "seconds": 61.0, "steps": 40, "train_images": 6,
        "input_size": [32, 64], "tasks": list(tasks), "parameters": 1234567, "started": "now",
        "vocabulary": {"classes": [{"name": HOSTILE, "color": [1, 2, 3]}]},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(record))
    (run / "recipe.json").write_text(json.dumps({"note": HOSTILE}))
    figures = {
        "semantic": {"mean_iou": 0.5, "pixel_accuracy": None, "iou": {HOSTILE: 0.5, "other": None}},
        "depth": {"mae": 1.0, "rmse": 2.0},
    }
    primary = {
        "semantic": {"metric": "mean_iou", "label": "mean IoU", "unit": "%", "better": "higher"},
        "depth": {"metric": "mae", "label": "disparity error", "unit": "px", "better": "lower"},
    }
    metrics = {
        "split": "val", "images": 3,
        "tasks": {t: figures[t] for t in tasks}, "primary": {t: primary[t] for t in tasks},
        "sigma": dict.fromkeys(tasks, 0.25),
        "baselines": {"constant": {t: {"semantic": 0.1, "depth": 3.0}[t] for t in tasks},
                      "position": {t: {"semantic": 0.2, "depth": 0.75}[t] for t in tasks}},
        "per_image": [{"name": HOSTILE, **dict.fromkeys(tasks, 0.5)}],
    }  # fmt: skip
    (run / "metrics.json").write_text(json.dumps(metrics))
    entries = []
    for s in (10, 20, 30, 40):
        figures = {"loss": 9.0 / s, "nll": None, "weight": 1.0, "sigma": [0.5, s]}
        norm = None if s == 20 else 1.0
        entry = {"step": s, "epoch": 0, "learning_rate": 0.1, "loss": 1.0 - s / 20, "gradient_norm": norm}
        entries.append(entry | {"images_per_second": 30.0, "seconds": s, "tasks": dict.fromkeys(tasks, figures)})
    (run / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in entries))
    if pictures:
        (run / "pictures").mkdir()
        files = {"image": "i.png"} | {f"{t}{end}": f"{t}{end}.png" for t in tasks for end in ("", "_truth")}
        for name in files.values():
            Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(run / "pictures" / name)
        (run / "pictures/examples.json").write_text(json.dumps([{"name": HOSTILE, "kind": "typical", "files": files}]))
    return run


def test_the_page_stands_alone_and_escapes(tmp_path):
    page = build_report(write_run(tmp_path / "run")).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "Content-Security-Policy" in page
    assert page.count("data:image/webp") == 5


def test_figures_margins_and_verdict(tmp_path):
    page = build_report(write_run(tmp_path / "run")).read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<main>")[1]))
    assert "mean IoU, % ↑ 50 10 +40 20 +30 0.25" in text
    assert "disparity error, px ↓ 1 3 +2 0.75 -0.25 0.25" in text
    assert "Not better than both baselines on depth. Better on semantic." in page
    assert "1 min 1 s" in page


@pytest.mark.parametrize(
    "missing", ["metrics.json", "log.jsonl", "recipe.json", "pictures/examples.json", "pictures/i.png"]
)
def test_what_a_run_lacks(tmp_path, missing):
    run = write_run(tmp_path / "run")
    (run / missing).unlink()
    page = build_report(run).read_text()
    said = {
        "metrics.json": "has not been evaluated",
        "log.jsonl": "has no log",
        "pictures/examples.json": "no pictures",
    }
    assert said.get(missing, "How it was made") in page


def test_one_task_alone(tmp_path):
    page = build_report(write_run(tmp_path / "run", tasks=("depth",), pictures=False)).read_text()
    assert "disparity error" in page
    assert "mean IoU" not in page


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "x\0y", "run.json"])
def test_pictures_stay_below_their_folder(tmp_path, name):
    run = write_run(tmp_path / "run")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (run / "pictures/examples.json").write_text(json.dumps([{"name": "x", "kind": "best", "files": {"image": name}}]))
    assert "data:image" not in build_report(run).read_text()


def test_no_run(tmp_path):
    with pytest.raises(RunError, match=r"found no run.json"):
        build_report(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="expected JSON"):
        build_report(tmp_path)


def test_charts():
    svg = line_chart([Series(steps=[0, 1, 2, 3], values=[1.0, None, 100.0, 10.0])], 'a "title"')
    assert svg.count('<path class="line') == 2
    assert "&quot;title&quot;" in svg
    assert line_chart([Series(steps=[0], values=[1.0])], "one value") == ""
    assert line_chart([Series(steps=[0, 1], values=[5.0, 5.0])], "constant")
    assert running_median([1, 9, 2, 3], 1) == [9, 2, 3, 3]
    assert linear_ticks(-1.0, 1.0)[0] == -1.0
