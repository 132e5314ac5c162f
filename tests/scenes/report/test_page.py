"""The page: it stands alone, escapes what it is given, and says what a run lacks."""

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import RunError
from equipoise.scenes.evaluation.examples import Example, TaskPictures
from equipoise.scenes.report import build_report
from equipoise.scenes.report.gallery import embedded
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.selection import COMBINED

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
        shown = {t: TaskPictures(prediction=f"{t}.png", truth=f"{t}_truth.png") for t in tasks}
        example = Example(name=HOSTILE, kind="typical", image="i.png", tasks=shown)
        for name in example.files:
            Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(run / "pictures" / name)
        RunFolder(run).write_examples([example])
    return run


MODEL = {"step": 30, "of": 40, "chosen": "best", "score": 0.59, "validations": 4}


def validate(run: Path, *, at: tuple[int, ...] = (10, 20, 30, 40), **record: object) -> Path:
    """Add validations: the classes get better all along, depth is best at step 30."""
    errors = {10: 4.0, 20: 2.0, 30: 0.5, 40: 1.0}
    rows = []
    for step in at:
        figures = {"semantic.mean_iou": step / 100, "depth.mae": errors[step], "depth.rmse": None}
        score = ((1 - step / 100) * errors[step]) ** 0.5
        rows.append({"step": step, "seconds": 1.0, "figures": figures, "score": score})
    (run / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    primary = json.loads((run / "metrics.json").read_text())["primary"]
    how = {"every": 10, "early_stopping": 2, "best_by": COMBINED, "better": "lower", "primary": primary}
    how["of"] = ["semantic.mean_iou", "depth.mae"]
    found = {"validation": how, "model": MODEL, **record}
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | found))
    return run


def test_validation_is_drawn_and_the_model_is_told(tmp_path):
    page = build_report(RunFolder(validate(write_run(tmp_path / "run")))).read_text()
    text = text_of(page)
    shown = text.split("Validation during training")[1].split("How it was made")[0]
    assert "was evaluated every 10 steps and after the last one: 4 times so far." in shown
    assert "The dashed line marks step 30, which has the best geometric mean of the errors, 0.592" in shown
    assert "combines semantic.mean_iou and depth.mae" in shown
    assert "geometric mean of the errors 0.592" in shown
    assert "semantic, mean IoU, % 30.0" in shown
    assert "depth, disparity error, px 0.50" in shown
    assert "rmse" not in shown, "it has no values"
    assert page.count('class="mark"') == 3
    marks = re.findall(r'class="mark" d="M([\d.]+) 0V100"', page)
    assert marks == ["75.00"] * 3
    assert "those of the model of step 30 of 40, which was chosen by its geometric mean of the errors" in text
    assert "model step 30 of 40, the best of 4 validations by geometric mean of the errors" in text
    assert "stopped early" not in text


def test_what_the_page_says_of_a_run_without_validation(tmp_path):
    text = text_of(build_report(RunFolder(write_run(tmp_path / "run"))).read_text())
    assert "Validation during training" not in text
    assert "the model of step" not in text


def test_a_model_that_validation_did_not_choose(tmp_path):
    """The best one was damaged, say: the page does not call the last one the best."""
    run = validate(write_run(tmp_path / "run"), model={"step": 40, "of": 40, "chosen": "last"})
    text = text_of(build_report(RunFolder(run)).read_text())
    assert "Validation during training" in text
    assert "the best of" not in text
    assert "the model of step" not in text


def test_one_validation_is_told_and_not_drawn(tmp_path):
    page = build_report(RunFolder(validate(write_run(tmp_path / "run"), at=(30,)))).read_text()
    assert "after the last one: 1 time so far" in text_of(page)
    assert 'class="mark"' not in page


def test_a_run_that_stopped_early_or_was_lengthened(tmp_path):
    changed = [{"key": "training.steps", "from": 20, "to": 1000}]
    run = validate(write_run(tmp_path / "run"), steps_done=40, steps=1000, stopped_early=True, changed=changed)
    text = text_of(build_report(RunFolder(run)).read_text())
    assert (
        "Training stopped early because 2 validations in a row brought no better geometric mean of the errors." in text
    )
    assert "Not finished" not in text
    assert "lengthened training.steps from 20 to 1,000" in text
    record = json.loads((run / "run.json").read_text()) | {"stopped_early": False, "model": {"step": 20, "of": 20}}
    (run / "run.json").write_text(json.dumps(record))
    text = text_of(build_report(RunFolder(run)).read_text())
    assert "Not finished: step 40 of 1,000. The model and its figures are those of the first 20 steps." in text


def test_the_page_stands_alone_and_escapes(tmp_path):
    page = build_report(RunFolder(write_run(tmp_path / "run"))).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "Content-Security-Policy" in page
    assert page.count("data:image/webp") == 5


def test_figures_margins_and_verdict(tmp_path):
    text = text_of(build_report(RunFolder(write_run(tmp_path / "run"))).read_text())
    assert "mean IoU, % ↑ 50.0 10.0 +40.0 20.0 +30.0 0.250" in text
    assert "disparity error, px ↓ 1.00 3.00 +2.00 0.75 −0.25 0.250" in text
    assert "task figure value semantic mean IoU, % 50.0 pixel accuracy, % – depth disparity error, px 1.00" in text
    assert "Not better than the baselines on depth, better on semantic, on the 3 images of “val”." in text
    assert "from 6 images in 1 min 1 s." in text


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.split("</style>")[-1])))


def test_the_only_image_is_shown_once(tmp_path):
    run = write_run(tmp_path / "run")
    (example,) = json.loads((run / "pictures/examples.json").read_text())
    (run / "pictures/examples.json").write_text(json.dumps([example | {"kind": "all"}]))
    text = text_of(build_report(RunFolder(run)).read_text())
    assert text.count("The only image") == 1
    assert not {"Evenly", "Best", "Worst", "best"} & set(text.split("Predictions")[1].split("Training")[0].split())


def test_no_break_before_the_arrow(tmp_path):
    page = build_report(RunFolder(write_run(tmp_path / "run"))).read_text()
    assert re.search(r"px(&nbsp;|\xa0)<span[^>]*>↓", page)


def test_classes_that_occur_are_told_beside_the_predictions(tmp_path):
    page = build_report(RunFolder(write_run(tmp_path / "run"))).read_text()
    legend = page.split("<h2>Predictions")[1].split("<h3>")[0]
    assert "rgb(1,2,3)" in legend
    assert HOSTILE in text_of("<main>" + legend)
    assert ">other<" not in legend


def test_what_colours_of_depth_span_is_told_where_it_is_known(tmp_path):
    run = write_run(tmp_path / "run")
    assert "near is bright</p>" not in build_report(RunFolder(run)).read_text()
    (example,) = json.loads((run / "pictures/examples.json").read_text())
    example["tasks"]["depth"]["scale"] = {"high": 63.2, "unit": "px", "meaning": "near is bright"}
    (run / "pictures/examples.json").write_text(json.dumps([example]))
    assert ">0 – 63.2 px, near is bright</p>" in build_report(RunFolder(run)).read_text()


@pytest.mark.parametrize(
    "missing", ["metrics.json", "log.jsonl", "recipe.json", "pictures/examples.json", "pictures/i.png"]
)
def test_what_a_run_lacks(tmp_path, missing):
    run = write_run(tmp_path / "run")
    (run / missing).unlink()
    page = build_report(RunFolder(run)).read_text()
    said = {
        "metrics.json": "has not been evaluated",
        "log.jsonl": "has no training log",
        "pictures/examples.json": "no pictures",
        "pictures/i.png": "no picture<",
    }
    assert said.get(missing, "How it was made") in page


def test_one_task_alone(tmp_path):
    page = build_report(RunFolder(write_run(tmp_path / "run", tasks=("depth",), pictures=False))).read_text()
    assert "disparity error" in page
    assert "mean IoU" not in page


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "run.json"])
def test_pictures_stay_below_their_folder(tmp_path, name):
    run = write_run(tmp_path / "run")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (run / "pictures/examples.json").write_text(json.dumps([{"name": "x", "kind": "best", "image": name}]))
    assert "data:image" not in build_report(RunFolder(run)).read_text()


def test_a_picture_that_would_fill_the_memory_is_left_out(tmp_path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "large.png")
    assert embedded(tmp_path, "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    assert embedded(tmp_path, "large.png") == ""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64)
    assert embedded(tmp_path, "large.png") == ""


def test_no_run(tmp_path):
    with pytest.raises(RunError, match=r"found no run.json"):
        build_report(RunFolder(tmp_path))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="expected JSON"):
        build_report(RunFolder(tmp_path))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", "[]"),
        ("run.json", '{"tasks": 3}'),
        ("recipe.json", "3"),
        ("metrics.json", "[1]"),
        ("metrics.json", '{"primary": {"depth": {}}}'),
        ("metrics.json", '{"tasks": {"semantic": {"iou": {"road": "wide"}}}}'),
        ("metrics.json", '{"calibration": {"depth": {"before": {"coverage": {"wide": 0.5}}}}}'),
        ("log.jsonl", '{"loss": 1}\n'),
        ("log.jsonl", '{"step": 1, "tasks": [1]}\n{"step": 2, "tasks": [1]}\n'),
        ("validation.jsonl", '{"step": 1}\n{"step": 2, "figures": {}}\n'),
        ("validation.jsonl", '{"step": 1, "figures": {"depth.mae": 3.0}}\n'),
        ("pictures/examples.json", "{}"),
        ("pictures/examples.json", "[3]"),
        ("pictures/examples.json", '[{"name": "x", "kind": "odd"}]'),
        ("pictures/examples.json", '[{"name": "x", "kind": "best", "image": "x\\u0000y"}]'),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path, file, content):
    run = validate(write_run(tmp_path / "run"))
    (run / file).write_text(content)
    with pytest.raises(RunError) as caught:
        build_report(RunFolder(run))
    assert str(run / file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (run / "report.html").exists()


def test_a_run_of_nothing_but_its_record(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    text = text_of(build_report(RunFolder(tmp_path)).read_text())
    for said in ("has not been evaluated", "no pictures", "no training log", "Nothing is recorded"):
        assert said in text
    assert "None" not in text


def test_nulls_everywhere(tmp_path):
    run = write_run(tmp_path / "run")
    for file in ("run.json", "metrics.json"):
        (run / file).write_text(json.dumps(dict.fromkeys(json.loads((run / file).read_text()))))
    entry = {"step": 1, "loss": None, "tasks": {"depth": {"loss": None, "sigma": [None], "weight": None}}}
    (run / "log.jsonl").write_text((json.dumps(entry) + "\n") * 2)
    (run / "pictures/examples.json").write_text('[{"name": "x", "kind": "all", "tasks": {"depth": {"scale": null}}}]')
    assert "None" not in text_of(build_report(RunFolder(run)).read_text())
