"""``export.json``: what an exported model takes and gives, its noise, and how well it agrees with PyTorch."""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.json import read_format
from equipoise.scenes.io.run_files import DESCRIPTION, EXPORT, ONNX, TORCH_EXPORT, WEIGHTS

FORMAT = 1
Form = Literal["onnx", "torch-export"]
FILES: dict[Form, str] = {"onnx": ONNX, "torch-export": TORCH_EXPORT}
"""The file of each form."""
Pixels = Literal["uint8", "float32"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two computations of a task lie apart at most.

    Attributes:
        absolute: the largest difference, in the unit of the task's output.
        relative: the same as a share of ``spread``.
        spread: the standard deviation of the task's output; where it hardly varies, a thousandth of its size.
    """

    absolute: float
    relative: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What ``export.json`` holds.

    Attributes:
        format: of this file.
        equipoise: the version that wrote the export.
        torch: PyTorch's version.
        forms: which forms of the model the folder holds.
        pixels: the type of the input; its values are 0 … 255 in any case.
        opset: of the ONNX model; ``None`` where there is none.
        smallest: the least height and width that the model takes, px.
        multiple: what height and width must be multiples of.
        sigma: the learned noise of each task, in its target's unit at the size of training; a list by channel.
        agreement: by form and task, the largest difference from PyTorch.
        trained_in: the precision of the run; the export computes in float32.
        precision_costs: by task, how far the run's own precision lies from float32, where it is another.
        sha256: of files that must not change; an entry that is removed is not checked.
    """

    format: int = FORMAT
    equipoise: str
    torch: str
    forms: tuple[Form, ...]
    pixels: Pixels
    opset: int | None
    smallest: int
    sigma: dict[str, float | tuple[float, ...]]
    agreement: dict[str, dict[str, Agreement]]
    trained_in: str = "float32"
    precision_costs: dict[str, Agreement] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    multiple: int = 1


def read_export_record(folder: Path) -> ExportRecord | None:
    """The record of an export; ``None`` where the folder is none. Raises ``RunError`` for a damaged one."""
    path = folder / EXPORT
    if not path_exists(path):
        return None
    table = read_format(path, FORMAT, "export")
    try:
        record = from_table(ExportRecord, table, str(path))
    except RecipeError as error:
        raise RunError(str(error)) from None
    for task, sigma in record.sigma.items():
        if not all(0 < each < math.inf for each in (sigma if isinstance(sigma, tuple) else (sigma,))):
            raise RunError(f"{path}: expected a finite σ above 0, found {sigma} for {task}: export the run again")
    return record


def check_files(folder: Path, record: ExportRecord) -> None:
    """Raise ``RunError`` where a file of an export is missing, or is not the one that was written."""
    needed = (DESCRIPTION, ONNX if "onnx" in record.forms else WEIGHTS)
    known = (DESCRIPTION, WEIGHTS, *FILES.values())
    for name in dict.fromkeys((*needed, *(name for name in known if name in record.sha256))):
        _check_file(folder / name, record.sha256.get(name))


def _check_file(path: Path, expected: str | None) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise RunError(f"expected a model at {path}, found none: export the run again") from None
    except OSError as error:
        raise RunError(f"{path}: expected a file that can be read, found: {error.strerror}") from None
    if found != (expected or found):
        raise RunError(
            f"{path}: expected the file that export wrote, found another one or a damaged one: export the run again, "
            f"or, if you changed it on purpose, remove its sha256 from {EXPORT}"
        )
