"""A traced model as an ONNX model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram

from equipoise.errors import RunError, UsageError
from equipoise.scenes.export.program import quiet
from equipoise.scenes.inference.onnx_predictor import INPUT, INSTALL, onnxruntime
from equipoise.scenes.tasks import Task
from equipoise.version import __version__

OPSET = 20
LARGEST = 2**31 - 1
"""The most bytes that a file of Protocol Buffers may have."""


def expect_onnx() -> None:
    """Raise ``UsageError`` where a library is missing that writes or checks ONNX models."""
    onnxruntime()
    try:
        with quiet():
            import onnx  # noqa: F401
            import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"expected onnx and onnxscript to write an ONNX model, found: {error}: {INSTALL}") from None


def as_onnx(program: ExportedProgram, tasks: Mapping[str, Task]) -> bytes:
    """The ONNX model of a traced model, outputs named after the tasks; raises ``RunError`` where it is too large."""
    expect_onnx()
    with quiet(), torch.no_grad():
        written = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(tasks),
            verify=False,
            verbose=False,
        )
    assert written is not None  # With dynamo it always is a program.
    model = written.model_proto
    if (size := model.ByteSize()) > LARGEST:
        raise RunError(
            f"expected a model of at most 2 GB, as ONNX files are, found {size / 1e9:.1f} GB: use torch-export"
        )
    _explain(model, tasks)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _explain(model: Any, tasks: Mapping[str, Task]) -> None:
    """Name axes and outputs for people, and leave out what the exporter notes of its own work and this machine."""
    graph = model.graph
    model.producer_name, model.producer_version = "equipoise", __version__
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for value in (*graph.input, *graph.output):
        for axis, name in {0: "batch", 2: "height", 3: "width"}.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    graph.input[0].doc_string = "RGB images, 0 … 255"
    for value in graph.output:
        value.doc_string = tasks[value.name].meaning
