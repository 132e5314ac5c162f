"""The card of an exported model: what it predicts, how well, and how to run it in ten lines."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from equipoise._html.template import legible
from equipoise.scenes.evaluation.figures import Figures, SetFigures
from equipoise.scenes.io.run_files import EXPORT, ONNX, TORCH_EXPORT
from equipoise.scenes.model.export_record import FILES, ExportRecord
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.report.figures import Row, metric_rows
from equipoise.scenes.report.words import listed
from equipoise.scenes.wording import number, significant

UNSAFE = str.maketrans({c: f"\\{c}" for c in "\\`*_[]<>|#~"} | {"\n": " ", "\r": " "})


def model_card(model: SceneModel, record: ExportRecord, sizes: Mapping[str, int], figures: Figures | None) -> str:
    """``README.md``; ``sizes`` are the bytes of the folder's other files, ``figures`` those of the run."""
    environment = Environment(
        loader=PackageLoader("equipoise.scenes.export", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    described = model.description
    height, width = described.input_size
    return environment.get_template("card.md").render(
        titles=listed([task.title for task in model.tasks.values()]),
        tasks=model.tasks,
        outputs=[_output(name, model, record) for name in model.tasks],
        record=record,
        costs={name: number(each.relative) for name, each in record.precision_costs.items()},
        model=described.model,
        vocabulary=described.vocabulary,
        preprocessing=described.preprocessing,
        camera=described.camera,
        height=height,
        width=width,
        sizes={name: f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB" for name, size in sizes.items()},
        results={} if figures is None else _results(figures),
        onnx=ONNX if "onnx" in record.forms else "",
        pt2=TORCH_EXPORT if "torch-export" in record.forms else "",
        export=EXPORT,
    )


def _results(figures: Figures) -> dict[str, tuple[SetFigures, tuple[Row, ...]]]:
    return {name: (one, metric_rows(one, figures.sigma)) for name, one in figures.titled.items()}


def _output(name: str, model: SceneModel, record: ExportRecord) -> dict[str, Any]:
    sigma = record.sigma[name]
    worst = [record.agreement[form][name] for form in FILES if form in record.agreement]
    return {
        "name": name,
        "channels": model.tasks[name].channels,
        "meaning": model.tasks[name].meaning,
        "sigma": significant(list(sigma) if isinstance(sigma, tuple) else sigma),
        "absolute": f"{max(each.absolute for each in worst):.1e}",
        "relative": f"{max(each.relative for each in worst):.1e}",
    }


def plain(text: Any) -> str:
    r"""Text that Markdown takes literally, in one line.

    >>> plain("car|<b>")
    'car\\|\\<b\\>'
    """
    return str(legible(str(text).translate(UNSAFE)))
