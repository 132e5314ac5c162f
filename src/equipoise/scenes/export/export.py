"""Export a run: trace the model, write it in the forms asked for, check them against PyTorch, and explain them."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from equipoise.errors import RunError
from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.export.agreement import agreement, expect_agreement
from equipoise.scenes.export.card import model_card
from equipoise.scenes.export.folder import expect_room, write_folder
from equipoise.scenes.export.onnx import OPSET, as_onnx, expect_onnx
from equipoise.scenes.export.program import as_pt2, quiet, smallest_size, traced
from equipoise.scenes.inference.onnx_predictor import ExportedModel, OnnxPredictor
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.io.json import as_json
from equipoise.scenes.io.room import expect_writable
from equipoise.scenes.io.run_files import CARD, DESCRIPTION, EXPORT, ONNX, TORCH_EXPORT, WEIGHTS
from equipoise.scenes.io.tensors import tensors_as_bytes
from equipoise.scenes.model.export_record import Agreement, ExportRecord, Form, Pixels, check_files, read_export_record
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.version import __version__


def export_run(
    run: Path,
    out: Path,
    *,
    forms: Sequence[Form] = ("onnx",),
    pixels: Pixels = "uint8",
    overwrite: bool = False,
    on_notice: Callable[[str], None] = lambda line: None,
) -> ExportRecord:
    """Write the model of a run for use without Equipoise, checked against PyTorch; see ``docs/export.md``.

    Args:
        run: a run's folder, or an export's that holds ``model.safetensors``.
        out: the folder to write.
        forms: ``onnx``, ``torch-export`` or both.
        pixels: the type of the input; its values are 0 … 255 in any case.
        overwrite: replace an export that lies there.
        on_notice: gets a line for each stage.

    Raises:
        RunError: there is no model, ``out`` is taken or cannot be written, or an exported form disagrees with PyTorch;
            nothing is left behind.
        UsageError: a library is missing.
    """
    expect_room(out, overwrite=overwrite)
    expect_writable(out.resolve())
    if "onnx" in forms:
        expect_onnx()
    model, precision, figures = _trained(run)
    _expect_size(model)
    on_notice("tracing the network, which can take a minute")
    program, multiple = traced(model, pixels)
    _expect_size(model, multiple)
    record = ExportRecord(
        equipoise=__version__,
        torch=torch.__version__,
        forms=tuple(form for form in ("onnx", "torch-export") if form in forms),
        pixels=pixels,
        opset=OPSET if "onnx" in forms else None,
        smallest=-(-smallest_size(model) // multiple) * multiple,
        multiple=multiple,
        sigma={name: tuple(s) if isinstance(s, list) else s for name, s in model.sigmas().items()},
        agreement={},
        trained_in=precision,
        precision_costs=_precision_costs(model, multiple) if precision == "bfloat16" else {},
    )
    files: dict[str, bytes] = {DESCRIPTION: as_json(model.description)}
    record = replace(record, sha256=_sums(files))
    for form in record.forms:
        on_notice(f"writing and checking {form}")
        written, found = WRITERS[form](model, program, record)
        expect_agreement(found, form)
        files |= written
        record = replace(record, agreement=record.agreement | {form: found}, sha256=record.sha256 | _sums(written))
    card = model_card(model, record, {name: len(data) for name, data in files.items()}, figures)
    files |= {CARD: card.encode(), EXPORT: as_json(record)}
    write_folder(out, files, overwrite=overwrite)
    return record


def _sums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _trained(run: Path) -> tuple[SceneModel, str, Figures | None]:
    """The model, the precision it was trained in, and its figures if the run was evaluated."""
    record = read_export_record(run)
    if record is not None and "torch-export" not in record.forms:
        raise RunError(f"expected a run at {run}, found an export to ONNX, which holds no weights: name the run")
    if record is not None:
        check_files(run, record)
    folder = RunFolder(run)
    model = load_model(run)
    return model, record.trained_in if record else folder.precision(), folder.read_figures()


def _expect_size(model: SceneModel, multiple: int = 1) -> None:
    """Raise ``RunError`` where the graph would not take images of the size that the model was trained at."""
    (height, width), least = model.description.input_size, smallest_size(model)
    if min(height, width) < least:
        raise RunError(
            f"expected a model for images of {least}x{least} or more at output stride "
            f"{model.description.model.output_stride}, found one for {height}x{width}: train it at a larger size"
        )
    if height % multiple or width % multiple:
        raise RunError(
            f"expected a model for sizes that are multiples of {multiple}, which its encoder needs to be exported, "
            f"found one for {height}x{width}: train it at such a size"
        )


def _precision_costs(model: SceneModel, multiple: int) -> dict[str, Agreement]:
    """How far the run's answers in bfloat16 lie from the export's."""
    return agreement(model, NetworkPredictor(model, "bfloat16"), multiple)


Written = tuple[Mapping[str, bytes], dict[str, Agreement]]
"""Files by name, and how well what they hold agrees with PyTorch."""


def _onnx(model: SceneModel, program: ExportedProgram, record: ExportRecord) -> Written:
    data = as_onnx(program, model.tasks)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ONNX).write_bytes(data)
        described = ExportedModel(description=model.description, tasks=model.tasks, record=record)
        found = agreement(model, OnnxPredictor(Path(folder), described).run, record.multiple)
    return {ONNX: data}, found


def _torch_export(model: SceneModel, program: ExportedProgram, record: ExportRecord) -> Written:
    data = as_pt2(program)
    with quiet():
        module = torch.export.load(io.BytesIO(data)).module()  # Bytes of our own, which never were a file.

    def compute(images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            found: dict[str, Tensor] = module(images.to(getattr(torch, record.pixels)))
        return found

    files = {TORCH_EXPORT: data, WEIGHTS: tensors_as_bytes(model.state_dict())}
    return files, agreement(model, compute, record.multiple)


WRITERS: dict[Form, Callable[[SceneModel, ExportedProgram, ExportRecord], Written]] = {
    "onnx": _onnx,
    "torch-export": _torch_export,
}
