"""``equipoise export RUN``."""

import json as json_format
from pathlib import Path

from equipoise.commands.display import console, output, say
from equipoise.commands.table import Column, print_table
from equipoise.scenes.export.export import export_run
from equipoise.scenes.io.json import as_json
from equipoise.scenes.io.run_files import DESCRIPTION
from equipoise.scenes.model.export_record import ExportRecord, Form, Pixels
from equipoise.scenes.wording import number, significant


def export(
    run: Path,
    /,
    *,
    out: Path,
    to: tuple[Form, ...] = ("onnx",),
    pixels: Pixels = "uint8",
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Write a trained model for use without Equipoise: as an ONNX model, or as a PyTorch program.

    The folder holds the model, a README that explains it, and JSON files with classes, units, preprocessing and σ.
    Batch, height and width are free. The exported model is compared with PyTorch before anything is written; see
    docs/export.md.

    Args:
        run: the folder that train wrote.
        out: the folder to write.
        to: onnx or torch-export; give it twice for both.
        pixels: the type of the model's input, whose values are 0 … 255 in any case.
        overwrite: replace an export that lies there.
        json: print export.json on standard output.
    """
    screen = console()
    record = export_run(
        run, out, forms=to, pixels=pixels, overwrite=overwrite, on_notice=lambda line: say(line, screen)
    )
    if json:
        print(json_format.dumps(json_format.loads(as_json(record)), indent=1))
        return
    print_agreement(record)
    models = ", ".join(name for name in record.sha256 if name != DESCRIPTION)
    say(f"exported to {out}: {models}; README.md says how to use it", output())


def print_agreement(record: ExportRecord) -> None:
    """Print the largest difference from PyTorch of each task, and what the precision of the run costs."""
    columns = [
        *(Column(title="form"), Column(title="task"), Column(title="difference", numbers=True)),
        *(Column(title="share of spread", numbers=True), Column(title="spread", numbers=True)),
    ]
    compared = record.agreement
    if record.precision_costs:
        compared = compared | {f"run, in {record.trained_in}": record.precision_costs}
    rows = [
        [form, task, number(each.absolute), number(each.relative), significant(each.spread)]
        for form, tasks in compared.items()
        for task, each in tasks.items()
    ]
    print_table("Largest differences from PyTorch in float32", columns, rows, output())
