"""An exported model as a ``Predictor``: onnxruntime computes, none of our network's code takes part."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equipoise.errors import RecipeError, RunError, UsageError
from equipoise.scenes.io.run_files import DESCRIPTION, EXPORT, ONNX
from equipoise.scenes.model.description import ModelDescription, read_description
from equipoise.scenes.model.export_record import ExportRecord, check_files
from equipoise.scenes.tasks import Task, make_tasks

INPUT = "images"
"""The name of the model's input."""
INSTALL = 'pip install "equipoise[export]"'
PIXEL_TYPES: dict[str, type[np.uint8 | np.float32]] = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """What an export's JSON files say of its model; a ``DescribedModel``."""

    description: ModelDescription
    tasks: dict[str, Task]
    record: ExportRecord

    def sigmas(self) -> dict[str, Any]:
        """The learned noise of each task, in its target's unit at the size of training; a list by channel."""
        return {name: list(s) if isinstance(s, tuple) else s for name, s in self.record.sigma.items()}


def read_exported(folder: Path, record: ExportRecord) -> ExportedModel:
    """The description of an exported model; raises ``RunError`` where its files do not fit together."""
    description = read_description(folder)
    check_files(folder, record)
    try:
        tasks = make_tasks(description.tasks, description.vocabulary)
    except RecipeError as error:
        raise RunError(f"{folder / DESCRIPTION}: {error}") from None
    if record.sigma.keys() != tasks.keys():
        raise RunError(
            f"{folder / EXPORT}: expected σ of {', '.join(tasks)}, as in {DESCRIPTION}, found that of "
            f"{', '.join(record.sigma) or 'no task'}: export the run again"
        )
    return ExportedModel(description=description, tasks=tasks, record=record)


class OnnxPredictor:
    """An ONNX model as a ``Predictor``, on the CPU, with as many threads as PyTorch uses.

    Args:
        folder: an export's folder.
        model: its description.

    Raises:
        RunError: the file is damaged, or does not fit the description.
        UsageError: onnxruntime is not installed.
    """

    def __init__(self, folder: Path, model: ExportedModel) -> None:
        self.path = folder / ONNX
        self.session = open_session(self.path)
        self.names = tuple(model.tasks)
        self.smallest, self.multiple = model.record.smallest, model.record.multiple
        self.pixels = expect_interface(self.session, model, self.path)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Each task's location, image by image, so that an answer does not depend on the batch."""
        parts = [self.run(image) for image in images.chunk(len(images))]
        return {name: torch.cat([part[name] for part in parts]) for name in self.names}

    def run(self, images: Tensor) -> dict[str, Tensor]:
        """Each task's location, all images together; raises ``RunError`` for a size that the model does not take."""
        if any(size < self.smallest or size % self.multiple for size in images.shape[2:]):
            multiples = f"multiples of {self.multiple} from {self.smallest} on"
            height, width = images.shape[2:]
            raise RunError(f"{self.path}: expected height and width to be {multiples}, found {height}x{width}")
        try:
            found = self.session.run(list(self.names), {INPUT: images.contiguous().numpy().astype(self.pixels)})
        except Exception as error:  # onnxruntime's errors have no class of their own.
            raise RunError(f"{self.path}: expected a model that runs, found: {first_line(error)}") from None
        return {name: torch.from_numpy(value) for name, value in zip(self.names, found, strict=True)}


def onnxruntime() -> ModuleType:
    """The library; raises ``UsageError`` with the line that installs it."""
    try:
        import onnxruntime as library
    except ImportError as error:
        raise UsageError(f"expected onnxruntime to run an ONNX model, found: {error}: {INSTALL}") from None
    library.disable_telemetry_events()
    return library  # type: ignore[no-any-return]


def open_session(path: Path) -> Any:
    """An inference session on the CPU that leaves the terminal alone."""
    library = onnxruntime()
    options = library.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 4  # What goes wrong is raised as well.
    try:
        # From the path, not from bytes: then onnxruntime refuses weights outside the folder.
        return library.InferenceSession(str(path.absolute()), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class of their own.
        raise RunError(f"{path}: expected an ONNX model, found: {first_line(error)}: export the run again") from None


def expect_interface(session: Any, model: ExportedModel, path: Path) -> type[np.uint8 | np.float32]:
    """The type of the input's pixels; raises ``RunError`` where inputs or outputs are not those of the description."""
    inputs = {each.name: (each.type, len(each.shape), each.shape[1:2]) for each in session.get_inputs()}
    if inputs not in [{INPUT: (kind, 4, [3])} for kind in PIXEL_TYPES]:
        found = "; ".join(f"{each.name} {each.type} {each.shape}" for each in session.get_inputs()) or "none"
        raise RunError(
            f"{path}: expected one input {INPUT} (batch, 3, height, width), uint8 or float, found {found:.200}: "
            "export the run again"
        )
    outputs = {each.name: each.shape for each in session.get_outputs()}
    for name, task in model.tasks.items():
        shape = outputs.get(name)
        if shape is None or len(shape) != 4 or shape[1] != task.channels:
            found = f"{name} {shape}" if name in outputs else ", ".join(outputs)
            raise RunError(
                f"{path}: expected an output {name} of {task.channels} channels, as {DESCRIPTION} says, found "
                f"{found:.200}: export the run again"
            )
    return PIXEL_TYPES[inputs[INPUT][0]]


def first_line(error: Exception) -> str:
    """An error's words in one line, without those of onnxruntime's frame."""
    words = " ".join(str(error).split())
    return (words.rpartition("[ONNXRuntimeError] : ")[2] or type(error).__name__)[:200]
