"""``report.html``: what a run gave, on one page that needs nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from equipoise.errors import RunError
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import read_json
from equipoise.scenes.report.curves import Log, overall_charts, task_charts
from equipoise.scenes.report.figures import data_sets, legend, set_result
from equipoise.scenes.report.gallery import gallery
from equipoise.scenes.report.validation import model_note, validation_section
from equipoise.scenes.report.words import facts, lead, legible, unfinished, verdict
from equipoise.scenes.training.log import VALIDATION_JSONL, read_log, read_validations


def build_report(run: Path) -> Path:
    """Write ``report.html`` of a run and return its path; what the run lacks, the page says.

    Raises:
        RunError: the folder holds no run, or a file of it is damaged.
    """
    record = _read(run / "run.json", dict)
    if record is None:
        raise RunError(f"expected a run at {run}, found no run.json there: name the folder that train wrote")
    recipe = _read(run / "recipe.json", dict) or {}
    metrics = _read(run / "metrics.json", dict) or {}
    listed = _read(run / "pictures" / "examples.json", list) or []
    with _told(run / "log.jsonl"):
        log: Log = read_log(run)
        curves = {"charts": task_charts(log), "overall": overall_charts(log)}
    with _told(run / "metrics.json"):
        results = [set_result(name, one, record) for name, one in data_sets(metrics).items()]
        judged = verdict([row for result in results for row in result["rows"]])
    with _told(run / "run.json"):
        told = {"lead": lead(record, metrics, judged=bool(judged)), "unfinished": unfinished(record, log)}
        made = {"facts": facts(record, recipe), "model_note": model_note(record), **told}
    with _told(run / VALIDATION_JSONL):
        validation = validation_section(record, read_validations(run))
    with _told(run / "pictures" / "examples.json"):
        groups = gallery(run / "pictures", listed, data_sets(metrics))
    environment = Environment(
        loader=PackageLoader("equipoise.scenes.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=legible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        style=Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8")),
        name=run.resolve().name,
        groups=groups,
        recipe=json.dumps(recipe, indent=2, ensure_ascii=False) if recipe else "",
        validation=validation,
        **curves,
        **made,
        verdict=judged,
        legend=legend(results),
        shown={task["task"] for group in groups for example in group["examples"] for task in example["tasks"]},
        results=results,
        size="×".join(map(str, record.get("input_size") or ())),
    )
    path = run / "report.html"
    with _told(path):
        write_atomic(path, page.encode(errors="replace"))
    return path


def _read(path: Path, kind: type) -> Any:
    """A JSON file's value; ``None`` where there is no such file."""
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected JSON, found a mistake: {error}") from None
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise RunError(f"{path}: expected {wanted}, found something else: evaluate or train the run again")
    return value


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """A file of a run that is not as the commands write it is told as such, in one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: expected a file to read or write, found: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        found = f"{type(error).__name__} {error}"
        raise RunError(f"{path}: expected it as the commands write it, found a damaged one: {found}") from error
