"""Put figures and records into words."""

from collections.abc import Sequence
from typing import Any

from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.report.figures import Row, measured
from equipoise.scenes.runs.record import RunRecord
from equipoise.scenes.tasks import TASKS
from equipoise.scenes.training.log import Entry
from equipoise.scenes.training.weighting_settings import DAMPED, LEARNED
from equipoise.scenes.wording import counted, duration, number

COUNTS = {2: "both tasks", 3: "all three tasks", 4: "all four tasks"}


def listed(names: list[str]) -> str:
    """Join names as in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def lead(record: RunRecord, figures: Figures | None, *, judged: bool = False) -> str:
    """Say what was learned, from how many images, for how long, and, unless the verdict does, how it was measured."""
    tasks = [TASKS[task].title if task in TASKS else task for task in record.tasks]
    said = (listed(tasks) or "tasks") + (", learned together" if len(tasks) > 1 else ", learned")
    if record.train_images:
        said += f" from {counted(record.train_images, 'image')}"
    if record.seconds:
        said += f" in {duration(record.seconds)}"
    if figures is not None and len(figures.sets) > 1:
        said += f"; measured on each of {len(figures.sets)} data sets"
    elif figures is not None and figures.first.images and not judged:
        said += f"; measured on the {measured(figures.first)}"
    return said[0].upper() + said[1:] + "."


def unfinished(record: RunRecord, log: Sequence[Entry]) -> str:
    """Say how far training got if it did not reach its end; else empty."""
    steps = record.steps
    done = record.steps_done or (log[-1]["step"] if log else 0)
    if not steps or done >= steps or record.stopped_early:
        return ""
    former = None if record.model is None else record.model.of
    model = f" The model and its figures are those of the first {number(former)} steps." if former else ""
    return f"Not finished: step {number(done)} of {number(steps)}.{model}"


def verdict(rows: Sequence[Row]) -> str:
    """Say in one sentence whether the model beats the baselines, and on how many images.

    Args:
        rows: the rows of ``figures.metric_rows``; a task without a figure is not judged.
    """
    judged = [row for row in rows if row.baselines and all(b.better is not None for b in row.baselines)]
    if not judged:
        return ""
    won = [row for row in judged if all(b.better for b in row.baselines)]
    lost = [row for row in judged if row not in won]
    where = f", on the {judged[0].images}" if judged[0].images else ""
    if lost:
        besides = f", better on {tasks_of(won)}" if won else ""
        return f"Not better than the baselines on {tasks_of(lost)}{besides}{where}."
    alone = not any(row.data for row in rows)
    every = COUNTS.get(len(rows), "all tasks") if alone and len(won) == len(rows) > 1 else None
    return f"Better than the baselines on {every or tasks_of(won)}{where}."


def tasks_of(rows: Sequence[Row]) -> str:
    """Name the tasks of rows, by data set if there are several."""
    by_data: dict[str, list[str]] = {}
    for row in rows:
        by_data.setdefault(row.data, []).append(row.task)
    return listed([f"{listed(tasks)} ({data})" if data else listed(tasks) for data, tasks in by_data.items()])


def facts(record: RunRecord, recipe: dict[str, Any]) -> list[tuple[str, str]]:
    """List how the run was made, as names and values, as far as it is recorded."""
    parts = ("model", "training", "optimizer", "weighting")
    model, training, optimizer, weighting = (recipe.get(part) or {} for part in parts)
    threads, processes = record.threads, record.processes or 1
    workers = [counted(threads, "thread") if threads else "", f"{processes} processes" if processes > 1 else ""]
    versions = (("equipoise", record.equipoise), ("torch", record.torch), ("python", record.python))
    known = [
        ("command", record.command),
        ("started", (record.started or "").replace("T", " ").replace("+00:00", " UTC")),
        ("training time", duration(record.seconds) if record.seconds else ""),
        ("steps", _joined(number(record.steps_done or record.steps), of("batches of", training, "batch_size"))),
        ("model", chosen(record)),
        ("lengthened", "; ".join(f"{c.key} from {number(c.before)} to {number(c.after)}" for c in record.changed)),
        ("seed", record.seed),
        ("images skipped", number(len(record.skipped)) if record.skipped else ""),
        ("optimizer", _joined(optimizer.get("name"), of("rate", optimizer, "lr"), optimizer.get("schedule"))),
        ("weighting", _joined(weighting.get("method"), weighting.get("rate", "").replace("free", ""))),
        ("encoder", _joined(model.get("encoder_name"), of("output stride", model, "output_stride"))),
        ("first weights", first_weights(record)),
        ("parameters", number(record.parameters) if record.parameters else ""),
        ("input", "{} × {} px (height × width)".format(*record.input_size) if record.input_size else ""),
        ("precision", _joined(record.precision, record.device, *workers)),
        ("versions", _joined(*(f"{name} {version}" for name, version in versions if version is not None))),
    ]
    return [(name, str(value)) for name, value in known if value not in (None, "", "–")]


def weights_note(recipe: dict[str, Any]) -> str:
    """Say how σ and the weights of a run belong together."""
    method = (recipe.get("weighting") or {}).get("method")
    learned = "The noise σ of each task is learned together with the network, and"
    if method == LEARNED:
        return (
            f"{learned} determines the task’s weight: the smaller σ, the larger the weight. So a task counts for more "
            "as it gets better."
        )
    if method == DAMPED:
        return (
            f"{learned} determines the weights: all of them grow as the tasks get better. Their ratios are damped, so "
            "that an easy task does not starve the others."
        )
    named = f": this run weighs its tasks by “{method}”" if method else ""
    return f"{learned} says how far off its predictions are. It does not determine the weights{named}."


def first_weights(record: RunRecord) -> str:
    """Say which file the encoder started from; empty for random weights."""
    file = record.encoder_weights
    if file is None:
        return ""
    lacking = f", {number(file.missing)} missing" if file.missing else ""
    return f"{file.name}, {counted(file.tensors, 'tensor')}{lacking}, SHA-256 {file.sha256}"


def chosen(record: RunRecord) -> str:
    """Say which step's model the run kept; empty unless validation chose it."""
    model, how = record.model, record.validation
    if model is None or how is None or model.chosen != "best":
        return ""
    best = f"the best of {counted(model.validations, 'validation')} by {how.best_by}"
    return f"step {number(model.step)} of {number(model.of)}, {best}"


def of(word: str, table: dict[str, Any], key: str) -> str:
    """Return a word and a value of the table; empty if it has none."""
    return "" if table.get(key) is None else f"{word} {table[key]}"


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)
