"""``report.html``: what a run gave, on one page that needs nothing else."""

import base64
import io
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from equipoise.errors import RunError
from equipoise.scenes.report.chart import Series, line_chart
from equipoise.scenes.training.checkpoint import write_atomic
from equipoise.scenes.training.log import read_log

WIDEST = 640
"""Pictures are shown no wider, px."""
QUANTITIES = (("loss", "raw loss"), ("sigma", "σ"), ("weight", "weight"))
BASELINES = {"constant": "constants", "position": "per position"}
KINDS = {"typical": "Evenly chosen", "best": "Best", "worst": "Worst"}


def build_report(run: Path) -> Path:
    """Write ``report.html`` of a run and return its path; what the run lacks, the page says.

    Raises:
        RunError: the folder holds no run, or a file of it cannot be read.
    """
    record = _json(run / "run.json")
    if record is None:
        raise RunError(f"expected a run at {run}, found no run.json there: name the folder that train wrote")
    metrics = _json(run / "metrics.json") or {}
    recipe = _json(run / "recipe.json") or {}
    log = read_log(run)
    environment = Environment(
        loader=PackageLoader("equipoise.scenes.report", "."), autoescape=True, undefined=StrictUndefined
    )
    style = Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8"))
    page = environment.get_template("page.html").render(
        style=style,
        name=run.resolve().name,
        record=record,
        facts=facts(record, recipe),
        verdict=verdict(metrics),
        rows=metric_rows(metrics),
        metrics=metrics,
        details=detail_rows(metrics),
        classes=class_rows(metrics, record),
        charts=charts(log),
        overall=overall_charts(log),
        examples=examples(run, metrics),
        recipe=json.dumps(recipe, indent=2, ensure_ascii=False) if recipe else "",
    )
    path = run / "report.html"
    write_atomic(path, page.encode())
    return path


def verdict(metrics: dict[str, Any]) -> str:
    """In one sentence, whether the model beats what can be known without looking at the image."""
    compared = [
        (row["task"], all(b["better"] for b in row["baselines"])) for row in metric_rows(metrics) if row["baselines"]
    ]
    if not compared:
        return ""
    won = [task for task, better in compared if better]
    if len(won) == len(compared):
        tasks = "both tasks" if len(won) == 2 else "the task" if len(won) == 1 else f"all {len(won)} tasks"
        return f"Better than both baselines on {tasks}."
    lost = [task for task, better in compared if not better]
    return f"Not better than both baselines on {', '.join(lost)}." + (f" Better on {', '.join(won)}." if won else "")


def metric_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a task: its primary figure, beside the baselines, with the margins."""
    rows = []
    for task, primary in metrics.get("primary", {}).items():
        scale = 100 if primary["unit"] == "%" else 1
        sign = 1 if primary["better"] == "higher" else -1
        value = metrics["tasks"].get(task, {}).get(primary["metric"])
        compared = []
        for name, figures in metrics.get("baselines", {}).items():
            reference = figures.get(task)
            known = value is not None and reference is not None
            margin = sign * scale * (value - reference) if known else None
            compared.append(
                {
                    "name": BASELINES.get(name, name),
                    "value": number(None if reference is None else scale * reference),
                    "margin": "–" if margin is None else f"{margin:+.3g}",
                    "better": margin is not None and margin > 0,
                }
            )
        rows.append(
            {
                "task": task,
                "label": primary["label"],
                "unit": primary["unit"],
                "arrow": "↑" if sign > 0 else "↓",
                "value": number(None if value is None else scale * value),
                "baselines": compared,
                "sigma": number(metrics.get("sigma", {}).get(task)),
            }
        )
    return rows


def detail_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every other figure: task, name, value."""
    return [
        (task, name.replace("_", " "), number(value))
        for task, figures in metrics.get("tasks", {}).items()
        for name, value in figures.items()
        if not isinstance(value, dict)
    ]


def class_rows(metrics: dict[str, Any], record: dict[str, Any]) -> list[dict[str, Any]]:
    """Each class with its colour and IoU."""
    iou = metrics.get("tasks", {}).get("semantic", {}).get("iou") or {}
    colors = {c["name"]: c["color"] for c in record.get("vocabulary", {}).get("classes", [])}
    rows = []
    for name, value in iou.items():
        red, green, blue = (int(v) for v in colors.get(name, (128, 128, 128)))
        percent = None if value is None else 100 * float(value)
        color = f"rgb({red},{green},{blue})"
        rows.append({"name": name, "color": color, "value": number(percent), "width": percent or 0})
    return rows


def charts(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a quantity, a chart a task."""
    tasks = list(log[-1]["tasks"]) if log else []
    rows: list[dict[str, Any]] = []
    for key, label in QUANTITIES:
        cells: list[dict[str, Any]] = []
        for index, task in enumerate(tasks):
            values = [_scalar(entry["tasks"].get(task, {}).get(key)) for entry in log]
            svg = line_chart([Series(steps=_steps(log), values=values, color=index)], f"{label} of {task}")
            cells.append({"task": task, "svg": Markup(svg), "last": number(values[-1])})
        rows.append({"label": label, "cells": cells})
    return [row for row in rows if any(cell["svg"] for cell in row["cells"])]


def overall_charts(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The joint loss, the learning rate, the gradient's norm and the speed."""
    names = {
        "loss": "joint loss",
        "learning_rate": "learning rate",
        "gradient_norm": "gradient norm",
        "images_per_second": "images a second",
    }
    found = []
    for key, label in names.items():
        values = [_scalar(entry.get(key)) for entry in log]
        svg = line_chart([Series(steps=_steps(log), values=values, color=3)], label)
        if svg:
            found.append({"label": label, "svg": Markup(svg), "last": number(values[-1])})
    return found


def facts(record: dict[str, Any], recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, for the table."""
    size = record.get("input_size") or []
    model = recipe.get("model", {})
    versions = ", ".join(f"{name} {record.get(name)}" for name in ("equipoise", "torch", "python"))
    known = [
        ("tasks", ", ".join(record.get("tasks", []))),
        ("encoder", f"{model['encoder_name']}, output stride {model['output_stride']}" if model else ""),
        ("parameters", f"{record['parameters']:,}" if record.get("parameters") else ""),
        ("input", f"{size[0]} × {size[1]} px (height × width)" if len(size) == 2 else ""),
        ("training images", record.get("train_images")),
        ("steps", record.get("steps_done") or record.get("steps")),
        ("training time", duration(record["seconds"]) if record.get("seconds") else ""),
        ("seed", record.get("seed")),
        ("precision", f"{record.get('precision')}, on {record.get('device')}, {record.get('threads')} threads"),
        ("versions", versions),
        ("started", record.get("started")),
        ("command", record.get("command")),
    ]
    return [(name, str(value)) for name, value in known if value not in (None, "", [])]


def examples(run: Path, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The pictures of each kind, embedded; one that is missing or lies elsewhere is left out."""
    scores = {row["name"]: row for row in metrics.get("per_image", []) if isinstance(row, dict) and "name" in row}
    groups: dict[str, list[dict[str, Any]]] = {}
    for example in _json(run / "pictures" / "examples.json") or []:
        files = example.get("files", {})
        tasks = [key for key in files if key != "image" and not key.endswith("_truth")]
        image = embedded(run / "pictures", files.get("image"))
        shown = [
            {
                "task": task,
                "prediction": embedded(run / "pictures", files.get(task)),
                "truth": embedded(run / "pictures", files.get(f"{task}_truth")),
                "score": score(metrics, task, scores.get(example["name"], {}).get(task)),
            }
            for task in tasks
        ]
        if image:
            groups.setdefault(example["kind"], []).append({"name": example["name"], "image": image, "tasks": shown})
    return [{"title": KINDS.get(kind, kind), "items": items} for kind, items in groups.items()]


def score(metrics: dict[str, Any], task: str, value: float | None) -> str:
    """One image's figure in words."""
    primary = metrics.get("primary", {}).get(task)
    if primary is None or value is None:
        return ""
    return f"{primary['label']} {number(value * (100 if primary['unit'] == '%' else 1))} {primary['unit']}".strip()


def embedded(folder: Path, name: str | None) -> str:
    """A picture as a data URI; empty where it is missing, no picture, or outside of the folder."""
    if not name or not isinstance(name, str) or "\0" in name:
        return ""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return ""
    try:
        with Image.open(path, formats=("PNG",)) as stored:
            picture = stored.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return ""
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, max(1, picture.height * WIDEST // picture.width)))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=88)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def number(value: Any) -> str:
    """Three significant figures; a dash for no value."""
    if isinstance(value, list):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return "–"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _scalar(value: Any) -> float | None:
    """One number for a chart: the mean of a list."""
    if isinstance(value, list):
        known = [float(v) for v in value if isinstance(v, int | float)]
        return sum(known) / len(known) if known else None
    return float(value) if isinstance(value, int | float) else None


def _steps(log: list[dict[str, Any]]) -> list[float]:
    return [float(entry["step"]) for entry in log]


def _json(path: Path) -> Any:
    """A JSON file's value; ``None`` where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected JSON, found a mistake: {error}") from None
