"""Figures and records in words."""

import math
from typing import Any

TASKS = {"semantic": "semantic classes", "instance": "instances", "depth": "depth"}
COUNTS = {2: "both tasks", 3: "all three tasks"}


def number(value: Any) -> str:
    """Three significant figures; a dash for no value.

    >>> number(0.48532), number(1234567), number(None), number([1.0, 0.25])
    ('0.485', '1,234,567', '–', '1, 0.25')
    """
    if isinstance(value, list):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes.

    >>> duration(561.3), duration(7260)
    ('9 min 21 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def listed(names: list[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def lead(record: dict[str, Any], metrics: dict[str, Any]) -> str:
    """What was learned, from how many images, how long, and on what it was measured."""
    tasks = [TASKS.get(task, str(task)) for task in record.get("tasks") or []]
    told = (listed(tasks) or "tasks") + (", learned together" if len(tasks) > 1 else ", learned")
    if record.get("train_images"):
        told += f" from {number(record['train_images'])} images"
    if record.get("seconds"):
        told += f" in {duration(record['seconds'])}"
    if metrics.get("also"):
        told += f"; measured on {len(metrics['also']) + 1} data sets, each by itself"
    elif metrics.get("images"):
        told += f"; measured on the {number(metrics['images'])} images of “{metrics.get('split', '?')}”"
    return told[0].upper() + told[1:] + "."


def unfinished(record: dict[str, Any], log: list[dict[str, Any]]) -> str:
    """How far a training got that did not reach its end; empty where it did."""
    steps = record.get("steps")
    done = record.get("steps_done") or (log[-1]["step"] if log else 0)
    if not steps or done >= steps:
        return ""
    return f"Not finished: step {number(done)} of {number(steps)}."


def verdict(rows: list[dict[str, Any]]) -> str:
    """In one sentence, whether the model beats what can be known without looking at the image.

    Args:
        rows: as ``figures.metric_rows`` gives them; a task without a figure is not judged.
    """
    judged = {
        row["judged"]: all(b["better"] for b in row["baselines"])
        for row in rows
        if row["baselines"] and all(b["margin"] is not None for b in row["baselines"])
    }
    if not judged:
        return ""
    won = [task for task, better in judged.items() if better]
    lost = [task for task, better in judged.items() if not better]
    if not lost:
        plain = [row["task"] for row in rows] == [row["judged"] for row in rows]
        return f"Better than the baselines on {COUNTS.get(len(won), listed(won)) if plain else listed(won)}."
    return f"Not better than the baselines on {listed(lost)}." + (f" Better on {listed(won)}." if won else "")


def facts(record: dict[str, Any], recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, as name and value; what is not recorded is left out."""
    size = record.get("input_size") or []
    model, training, optimizer = (recipe.get(part) or {} for part in ("model", "training", "optimizer"))
    threads = record.get("threads")
    known = [
        ("command", record.get("command")),
        ("started", str(record.get("started") or "").replace("T", " ").replace("+00:00", " UTC")),
        ("training time", duration(record["seconds"]) if record.get("seconds") else ""),
        (
            "steps",
            _joined(number(record.get("steps_done") or record.get("steps")), of("batches of", training, "batch_size")),
        ),
        ("seed", record.get("seed")),
        ("optimizer", _joined(optimizer.get("name"), of("rate", optimizer, "lr"), optimizer.get("schedule"))),
        ("encoder", _joined(model.get("encoder_name"), of("output stride", model, "output_stride"))),
        ("parameters", number(record["parameters"]) if record.get("parameters") else ""),
        ("input", f"{size[0]} × {size[1]} px (height × width)" if len(size) == 2 else ""),
        ("precision", _joined(record.get("precision"), record.get("device"), f"{threads} threads" if threads else "")),
        ("versions", _joined(*(of(name, record, name) for name in ("equipoise", "torch", "python")))),
    ]
    return [(name, str(value)) for name, value in known if value not in (None, "", "–")]


def of(word: str, table: dict[str, Any], key: str) -> str:
    """A word and a table's value; empty where the table has none."""
    return "" if table.get(key) is None else f"{word} {table[key]}"


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)
