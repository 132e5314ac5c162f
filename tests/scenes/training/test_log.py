"""The log survives kills, and a resumed run drops what its checkpoint does not know."""

import csv
import json
from pathlib import Path

from equipoise.scenes.training.log import RunLog, read_log


def entry(step: int) -> dict:
    term = {"loss": 0.5 / step, "nll": 0.1, "weight": 2.0, "sigma": 0.7}
    return {"step": step, "epoch": 0, "loss": -0.25, "tasks": {"depth": term}}


def test_jsonl_and_csv_agree(tmp_path: Path):
    log = RunLog(tmp_path)
    for step in (1, 2):
        log.append(entry(step))
    assert read_log(tmp_path) == [entry(1), entry(2)]
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["depth_loss"]) for row in rows] == [0.5, 0.25]
    assert [int(row["step"]) for row in rows] == [1, 2]


def test_a_log_from_before_updates_were_logged_keeps_its_columns(tmp_path: Path):
    RunLog(tmp_path).append(entry(1))
    RunLog(tmp_path, last_step=1).append({"update_norm": 0.25} | entry(2))
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["depth_sigma"], row["update_norm"]) for row in rows] == [("0.7", ""), ("0.7", "0.25")]


def test_a_half_line_is_left_out_and_resume_drops_later_entries(tmp_path: Path):
    log = RunLog(tmp_path)
    for step in (1, 2, 3):
        log.append(entry(step))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(json.dumps(entry(4))[:20])
    assert [e["step"] for e in read_log(tmp_path)] == [1, 2, 3]
    resumed = RunLog(tmp_path, last_step=2)
    resumed.append(entry(3))
    assert [e["step"] for e in read_log(tmp_path)] == [1, 2, 3]
    with (tmp_path / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
