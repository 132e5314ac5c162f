"""The demo learns: after a quarter of its training it is ahead of both baselines on all three tasks."""

import json
import subprocess

import pytest

from tests.support.commands import command, environment


@pytest.mark.slow
def test_a_short_demo_beats_both_baselines(tmp_path):
    arguments = ("demo", "--out", tmp_path / "demo", "--train", 300, "--val", 40, "--steps", 500)
    full = environment()
    del full["OMP_NUM_THREADS"]
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=1200, env=full)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "demo/metrics.json").read_text())
    for task, primary in figures["primary"].items():
        value = figures["tasks"][task][primary["metric"]]
        sign = 1 if primary["better"] == "higher" else -1
        for baseline in figures["baselines"].values():
            assert sign * (value - baseline[task]) > 0, (task, value, baseline[task])
