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
CASES: list[tuple[str, int, str, str]] = [
    ("resnet18", 16, "deeplabv3plus", "batch"),
    *((name, 16, "aspp", "batch") for name in ENCODERS),
    ("small", 16, "deeplabv3plus", "batch"),
    ("small", 8, "aspp", "group"),
    ("resnet34", 16, "aspp", "frozen"),
    ("resnet50", 8, "aspp", "batch"),
    *((name, stride, "aspp", "batch") for name, stride in TIMM.items()),
    ("timm/resnet18", 16, "deeplabv3plus", "batch"),
    ("mobilenetv3_small_050", 16, "deeplabv3plus", "batch"),
    ("convnext_atto", 8, "deeplabv3plus", "batch"),
]
"""Encoder, output stride, decoder, normalisation."""
QUICK = CASES[:1]
"""``small`` is exported by many tests; tracing one of timm's takes 10 to 60 seconds."""


@pytest.mark.parametrize(
    ("encoder_name", "output_stride", "decoder", "normalization"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES],
)
def test_every_encoder_agrees_with_pytorch(tmp_path, encoder_name, output_stride, decoder, normalization):
    if encoder_name in TIMM:
        pytest.importorskip("timm")
    chosen = {"encoder_name": encoder_name, "output_stride": output_stride, "decoder": decoder}
    model = trained(tasks=("semantic", "depth"), size=(64, 96), **chosen, normalization=normalization)
    write_model(tmp_path / "run", model)
    record = export_run(tmp_path / "run", tmp_path / "export")
    assert max(each.relative for each in record.agreement["onnx"].values()) < 1e-4
    in_multiples = encoder_name.startswith(("hrnet", "tf_")) or (encoder_name, output_stride) == ("convnext_atto", 8)
    assert record.multiple == (32 if in_multiples else 1)


def test_the_guide_lists_families():
    assert len(TIMM) >= 11
    assert {name for name, *_ in CASES} == {*ENCODERS, *TIMM}


def test_the_guide_to_exports_says_which_combinations_are_tested():
    text = " ".join((Path(__file__).parents[3] / "docs/export.md").read_text().split())
    with_skips = [f"`{name}`" for name, _, decoder, _ in CASES if decoder == "deeplabv3plus"]
    assert f"`deeplabv3plus` with {', '.join(with_skips[:-1])} and {with_skips[-1]}" in text
