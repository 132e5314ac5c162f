"""The examples run, as processes of their own, on the table they are written for."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "../shared/data/tabular"
ENB, NAVAL = "enb/enb.arff", "naval/data.txt"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "needs", "words", "table"),
    [
        ("plain_pytorch", "torch", "in 95%", ENB),
        ("dominating_task", "torch", "cooling dominates", ENB),
        ("compare_table", "torch", "Relative to “equal”", ENB),
        ("compare_ship", "torch", "# temperature, and whether the compressor is worn", NAVAL),
        ("lightning_module", "lightning", "sigmas", ENB),
        ("transformers_trainer", "transformers", "sigmas", ENB),
    ],
)
def test_example(name, needs, words, table, tmp_path):
    if not (TABLES / table).exists():
        pytest.skip(f"no table at {TABLES / table}: this test uses a folder beside the repository")
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is absent: pip install {needs}")
    path = ROOT / "examples" / f"{name}.py"
    assert len(path.read_text().splitlines()) < 60
    command = [sys.executable, str(path), str(TABLES / table)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests/support/site")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
