"""The examples run, as processes of their own, on the table they are written for."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "../shared/data/tabular/enb/enb.arff"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "needs", "words"),
    [
        ("plain_pytorch", "torch", "in 95%"),
        ("dominating_task", "torch", "cooling dominates"),
        ("compare_table", "torch", "Relative to “equal”"),
        ("lightning_module", "lightning", "sigmas"),
        ("transformers_trainer", "transformers", "sigmas"),
    ],
)
def test_example(name, needs, words, tmp_path):
    if not TABLE.exists():
        pytest.skip(f"no table at {TABLE}: this test uses a folder beside the repository")
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is absent: pip install {needs}")
    path = ROOT / "examples" / f"{name}.py"
    assert len(path.read_text().splitlines()) < 60
    command = [sys.executable, str(path), str(TABLE)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests/support/site")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
