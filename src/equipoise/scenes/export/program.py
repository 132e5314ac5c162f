"""A model as a graph that PyTorch traced: images 0 … 255 in, each task's location out, for any batch and size."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from equipoise.errors import RunError
from equipoise.scenes.export.padding import pads_by_size, with_fixed_padding
from equipoise.scenes.inference.onnx_predictor import INPUT
from equipoise.scenes.model.export_record import Pixels
from equipoise.scenes.model.joint import SceneModel

MULTIPLE = 32
"""The largest stride of any encoder."""
FAILURES = (RuntimeError, ValueError, torch._dynamo.exc.UserError)
"""What PyTorch raises for a model that it cannot trace."""


class Locations(nn.Module):
    """A scene model whose output is each task's location; the pixels may have either type."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images ``(B, 3, H, W)``, 0 … 255 → ``(B, C_task, H, W)``, float32."""
        return self.model.located(self.model(images))


def smallest_size(model: SceneModel) -> int:
    """The least height and width of images: the features have two rows and two columns."""
    return 2 * model.description.model.output_stride


def traced(model: SceneModel, pixels: Pixels) -> tuple[ExportedProgram, int]:
    """The graph of a model in evaluation mode, and what its height and width must be multiples of: 1 as a rule.

    Some encoders add features of different strides (HRNet), or pad as the image's size demands (timm's ``tf_…``,
    and ConvNeXt where it is dilated); these are traced for multiples of the largest stride.

    Raises:
        RunError: PyTorch cannot trace it.
    """
    if pads_by_size(model):
        model = with_fixed_padding(model)
    else:
        with suppress(*FAILURES):
            return _traced(model, pixels, 1), 1
    try:
        return _traced(model, pixels, MULTIPLE), MULTIPLE
    except FAILURES as error:
        found = " ".join(str(error).split())[:300]
        raise RunError(f"expected a model that PyTorch can export, found: {found}") from error


def _traced(model: SceneModel, pixels: Pixels, multiple: int) -> ExportedProgram:
    """The graph for heights and widths that are such multiples; raises one of ``FAILURES``."""
    least = -(-smallest_size(model) // multiple)
    shape = [2, 3, *((least + more) * multiple for more in (8 // multiple + 1, 16 // multiple + 2))]
    height, width = Dim("height", min=least), Dim("width", min=least)
    if multiple > 1:
        height, width = multiple * height, multiple * width
    module = Locations(model.requires_grad_(False)).eval()
    with quiet(), torch.no_grad():
        program = torch.export.export(
            module,
            (torch.zeros(shape, dtype=getattr(torch, pixels)),),
            dynamic_shapes={INPUT: {0: Dim("batch", min=1), 2: height, 3: width}},
            prefer_deferred_runtime_asserts_over_guards=True,  # PyTorch cannot prove some that hold for every size.
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # Nobody else needs to know the paths of this machine.
    return program


def as_pt2(program: ExportedProgram) -> bytes:
    """A program in PyTorch's own format, which ``torch.export.load`` reads."""
    file = io.BytesIO()
    with quiet():
        torch.export.save(program, file)
    return file.getvalue()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings and log lines of PyTorch's exporters from the terminal: they are about their own code."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
