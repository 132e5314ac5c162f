"""A model as a graph that PyTorch traced: images 0 … 255 in, each task's location out, for any batch and size."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from equipoise.errors import RunError
from equipoise.scenes.inference.onnx_predictor import INPUT
from equipoise.scenes.model.export_record import Pixels
from equipoise.scenes.model.joint import SceneModel


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


def traced(model: SceneModel, pixels: Pixels) -> ExportedProgram:
    """The graph of a model in evaluation mode; raises ``RunError`` where PyTorch cannot trace it."""
    least = smallest_size(model)
    example = torch.zeros(2, 3, least + 8, least + 16, dtype=getattr(torch, pixels))
    sizes = {0: Dim("batch", min=1), 2: Dim("height", min=least), 3: Dim("width", min=least)}
    module = Locations(model.requires_grad_(False)).eval()
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes={INPUT: sizes})
    except torch._dynamo.exc.UserError as error:
        raise RunError(
            f"expected a model that PyTorch can export, found: {' '.join(str(error).split())[:300]}"
        ) from error
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
