"""Every encoder that the documentation lists can be exported: the smallest of a family here, the others slowly."""

import pytest

from equipoise.scenes.export.export import export_run
from equipoise.scenes.networks.encoders import ENCODERS
from tests.support.models import trained, write_model

QUICK = ("resnet18",)
"""``small`` is exported by many tests."""
CASES = [
    *(
        {"encoder_name": name, "output_stride": stride}
        for name, encoder in ENCODERS.items()
        for stride in encoder.strides
    ),
    *({"normalization": "group", "encoder_name": name} for name in ("small", "resnet18")),
]


def is_quick(case: dict[str, object]) -> bool:
    return case["encoder_name"] in QUICK and case.get("output_stride") == 16


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if is_quick(case) else pytest.mark.slow, id=str(case)) for case in CASES]
)
def test_every_encoder_agrees_with_pytorch(tmp_path, case):
    write_model(tmp_path / "run", trained(tasks=("semantic", "depth"), size=(64, 96), **case))
    record = export_run(tmp_path / "run", tmp_path / "export")
    assert max(each.relative for each in record.agreement["onnx"].values()) < 1e-4
