"""Every encoder and decoder that the documentation lists can be exported: one here, all of them in the slow tests."""

import re
from pathlib import Path

import pytest

from equipoise.scenes.export.export import export_run
from equipoise.scenes.networks.encoders import ENCODERS
from tests.support.models import trained, write_model

GUIDE = (Path(__file__).parents[3] / "docs/encoders.md").read_text()
FAMILIES = re.findall(r"^\| [^|]+ \| (`[^|]+`) \| ((?:\d+, )*\d+) \|$", GUIDE, re.MULTILINE)
TIMM = {
    name: max(map(int, strides.split(", "))) for names, strides in FAMILIES for name in re.findall("`(.+?)`", names)
}
"""Name → its largest stride, as the guide's table has them."""
OWN: dict[tuple[str, int], dict[str, str]] = {
    **{(name, 16): {} for name in ENCODERS},
    ("resnet50", 8): {},
    ("resnet18", 16): {"decoder": "deeplabv3plus"},
    ("small", 16): {"decoder": "deeplabv3plus"},
    ("small", 8): {"normalization": "group"},
    ("resnet34", 16): {"normalization": "frozen"},
}
QUICK = (("resnet18", 16),)
"""``small`` is exported by many tests; tracing one of timm's takes 10 to 60 seconds."""
CASES = OWN | {(name, stride): {} for name, stride in TIMM.items()}


@pytest.mark.parametrize(
    ("encoder_name", "output_stride"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES],
)
def test_every_encoder_agrees_with_pytorch(tmp_path, encoder_name, output_stride):
    if encoder_name in TIMM:
        pytest.importorskip("timm")
    chosen = {"encoder_name": encoder_name, "output_stride": output_stride} | CASES[encoder_name, output_stride]
    write_model(tmp_path / "run", trained(tasks=("semantic", "depth"), size=(64, 96), **chosen))
    record = export_run(tmp_path / "run", tmp_path / "export")
    assert max(each.relative for each in record.agreement["onnx"].values()) < 1e-4
    in_multiples = encoder_name.startswith(("hrnet", "tf_")) or (encoder_name, output_stride) == ("convnext_atto", 8)
    assert record.multiple == (32 if in_multiples else 1)


def test_the_guide_lists_families():
    assert len(TIMM) >= 11
    assert set(QUICK) <= CASES.keys()
