"""Figures and records in words."""

from typing import Any

from markupsafe import Markup

from equipoise.scenes.tasks import TASKS
from equipoise.scenes.wording import counted, number

COUNTS = {2: "both tasks", 3: "all three tasks"}


def legible(value: Any) -> Any:
    r"""Text whose hidden marks are spelled out: one that turns the direction would turn what stands beside it, too.

    >>> legible("str\u202eeets")
    'str\\u202eeets'
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in value)


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


def lead(record: dict[str, Any], metrics: dict[str, Any], *, judged: bool = False) -> str:
    """What was learned, from how many images, how long, and, where the verdict does not say it, on what measured."""
    tasks = [TASKS[task].title if task in TASKS else str(task) for task in record.get("tasks") or []]
    told = (listed(tasks) or "tasks") + (", learned together" if len(tasks) > 1 else ", learned")
    if record.get("train_images"):
        told += f" from {counted(record['train_images'], 'image')}"
    if record.get("seconds"):
        told += f" in {duration(record['seconds'])}"
    if metrics.get("also"):
        told += f"; measured on {len(metrics['also']) + 1} data sets, each by itself"
    elif metrics.get("images") and not judged:
        told += f"; measured on the {counted(metrics['images'], 'image')} of “{metrics.get('split', '?')}”"
    return told[0].upper() + told[1:] + "."


def unfinished(record: dict[str, Any], log: list[dict[str, Any]]) -> str:
    """How far a training got that did not reach its end; empty where it did."""
    steps = record.get("steps")
    done = record.get("steps_done") or (log[-1]["step"] if log else 0)
    if not steps or done >= steps or record.get("stopped_early"):
        return ""
    former = (record.get("model") or {}).get("of")
    model = f" The model and its figures are those of the first {number(former)} steps." if former else ""
    return f"Not finished: step {number(done)} of {number(steps)}.{model}"


def verdict(rows: list[dict[str, Any]]) -> str:
    """In one sentence, whether the model beats what can be known without looking at the image, and on how many images.

    Args:
        rows: as ``figures.metric_rows`` gives them; a task without a figure is not judged.
    """
    judged = [row for row in rows if row["baselines"] and all(b["margin"] is not None for b in row["baselines"])]
    if not judged:
        return ""
    won = [row for row in judged if all(b["better"] for b in row["baselines"])]
    lost = [row for row in judged if row not in won]
    measured = f", on the {judged[0]['images']}" if judged[0]["images"] else ""
    if lost:
        besides = f", better on {tasks_of(won)}" if won else ""
        return f"Not better than the baselines on {tasks_of(lost)}{besides}{measured}."
    alone = not any(row["data"] for row in rows)
    every = COUNTS.get(len(rows)) if alone and len(won) == len(rows) else None
    return f"Better than the baselines on {every or tasks_of(won)}{measured}."


def tasks_of(rows: list[dict[str, Any]]) -> str:
    """The rows' tasks; where there are several data sets, by data set."""
    by_data: dict[str, list[str]] = {}
    for row in rows:
        by_data.setdefault(row["data"], []).append(row["task"])
    return listed([f"{listed(tasks)} ({data})" if data else listed(tasks) for data, tasks in by_data.items()])


def facts(record: dict[str, Any], recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, as name and value; what is not recorded is left out."""
    size = record.get("input_size") or []
    model, training, optimizer = (recipe.get(part) or {} for part in ("model", "training", "optimizer"))
    threads, processes = record.get("threads"), record.get("processes") or 1
    workers = [counted(threads, "thread") if threads else "", f"{processes} processes" if processes > 1 else ""]
    known = [
        ("command", record.get("command")),
        ("started", str(record.get("started") or "").replace("T", " ").replace("+00:00", " UTC")),
        ("training time", duration(record["seconds"]) if record.get("seconds") else ""),
        (
            "steps",
            _joined(number(record.get("steps_done") or record.get("steps")), of("batches of", training, "batch_size")),
        ),
        ("model", chosen(record)),
        ("lengthened", "; ".join(_changes(record))),
        ("seed", record.get("seed")),
        ("images skipped", number(len(record["skipped"])) if record.get("skipped") else ""),
        ("optimizer", _joined(optimizer.get("name"), of("rate", optimizer, "lr"), optimizer.get("schedule"))),
        ("encoder", _joined(model.get("encoder_name"), of("output stride", model, "output_stride"))),
        ("parameters", number(record["parameters"]) if record.get("parameters") else ""),
        ("input", f"{size[0]} × {size[1]} px (height × width)" if len(size) == 2 else ""),
        ("precision", _joined(record.get("precision"), record.get("device"), *workers)),
        ("versions", _joined(*(of(name, record, name) for name in ("equipoise", "torch", "python")))),
    ]
    return [(name, str(value)) for name, value in known if value not in (None, "", "–")]


def chosen(record: dict[str, Any]) -> str:
    """Which step's model the run ended with; empty where nothing chose between several."""
    model, how = record.get("model") or {}, record.get("validation") or {}
    if model.get("chosen") != "best":
        return ""
    best = f"the best of {counted(model.get('validations'), 'validation')} by {how.get('best_by')}"
    return f"step {number(model.get('step'))} of {number(model.get('of'))}, {best}"


def _changes(record: dict[str, Any]) -> list[str]:
    changes = record.get("changed") or []
    return [f"{each['key']} from {number(each['from'])} to {number(each['to'])}" for each in changes]


def of(word: str, table: dict[str, Any], key: str) -> str:
    """A word and a table's value; empty where the table has none."""
    return "" if table.get(key) is None else f"{word} {table[key]}"


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)
