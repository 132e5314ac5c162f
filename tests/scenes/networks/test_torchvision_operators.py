"""torchvision can be imported whichever torch it was built for."""

import subprocess
import sys

import pytest

from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators

PROGRAM = """
from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators
declare_missing_operators()
declare_missing_operators()
import timm, torchmetrics, torchvision
print("imported")
"""


def test_torchvision_is_imported():
    for name in ("timm", "torchmetrics", "torchvision"):
        pytest.importorskip(name)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.stdout == "imported\n", done.stderr


def test_nothing_is_done_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    declare_missing_operators()
