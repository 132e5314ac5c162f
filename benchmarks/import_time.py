"""Time of ``import equipoise`` relative to ``import torch``, each in a fresh process."""

import subprocess
import sys

from benchmarks.measure import side_by_side


def importing(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


def run() -> list[str]:
    ratio = side_by_side(lambda: importing("equipoise"), lambda: importing("torch"), rounds=11, warm_up=1)
    return [f"import equipoise against import torch: {ratio} (aim: at most 1.05)"]
