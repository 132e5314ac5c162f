"""Build ``report.html``, one self-contained page about a run."""

import json
from pathlib import Path

from equipoise._html.template import rendered
from equipoise.errors import RunError
from equipoise.scenes.report.calibration import calibration_table
from equipoise.scenes.report.chart import TASK_COLORS
from equipoise.scenes.report.curves import overall_charts, task_charts
from equipoise.scenes.report.figures import legend, set_result
from equipoise.scenes.report.gallery import gallery
from equipoise.scenes.report.validation import model_note, validation_section
from equipoise.scenes.report.words import facts, lead, unfinished, verdict, weights_note
from equipoise.scenes.runs.run_folder import RunFolder, damage_named


def build_report(folder: RunFolder) -> Path:
    """Write the report of a run and return its path; the page says what the run lacks.

    Raises:
        RunError: the folder holds no run, or one of its files is damaged.
    """
    with damage_named(folder.record_file):
        record = folder.read_record()
    if record is None:
        name = folder.record_file.name
        raise RunError(f"expected a run at {folder.path}, found no {name} there: name the folder that train wrote")
    recipe, figures = folder.read_recipe_table() or {}, folder.read_figures()
    sets = {} if figures is None else figures.titled
    with damage_named(folder.log_file):
        log = folder.read_log()
        charts, overall = task_charts(log), overall_charts(log)
    with damage_named(folder.metrics_file()):
        sigma = {} if figures is None else figures.sigma
        results = [set_result(name, one, sigma, record.vocabulary) for name, one in sets.items()]
        calibrations = {name: calibration_table(one) for name, one in sets.items()}
        judged = verdict([row for result in results for row in result.rows])
    with damage_named(folder.recipe_file):
        made, about_weights = facts(record, recipe), weights_note(recipe)
    with damage_named(folder.validation_file):
        validation = validation_section(record, folder.read_validations())
    pictures = gallery(folder.pictures, folder.read_examples(), sets, record.vocabulary)
    page = rendered(
        "equipoise.scenes.report",
        title=folder.path.resolve().name,
        gallery=pictures,
        recipe=json.dumps(recipe, indent=2, ensure_ascii=False) if recipe else "",
        validation=validation,
        charts=charts,
        overall=overall,
        facts=made,
        weights_note=about_weights,
        model_note=model_note(record),
        lead=lead(record, figures, judged=bool(judged)),
        unfinished=unfinished(record, log),
        verdict=judged,
        legend=legend(results, pictures.tasks),
        results=results,
        calibrations={name: table for name, table in calibrations.items() if table is not None},
        task_colors=TASK_COLORS,
        size="×".join(map(str, record.input_size or ())),
    )
    folder.write_report(page)
    return folder.report
