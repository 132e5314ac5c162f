"""The best model is kept apart, checked, and is what a run ends with."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from equipoise.errors import RunError
from equipoise.scenes.model.files import load_model
from tests.scenes.training.validated import (
    recipe,
    run,
    run_scripted,
    same,
    scripted,
)


def test_the_best_model_is_kept_and_is_what_the_run_ends_with(tmp_path: Path):
    said: list[str] = []
    outcome = run_scripted(tmp_path / "run", [3.0, 1.0, 2.0, 2.5], said, checkpoint_every=1, keep_checkpoints=2)
    assert outcome.model_step == 4
    assert [path.name for path in (tmp_path / "run/best").iterdir()] == ["step-00000004"]
    assert len(list((tmp_path / "run/checkpoints").iterdir())) == 2, "step 4 is no longer among the checkpoints"
    at_four = run(recipe(4, validate_every=0), tmp_path / "four", None)
    assert same(load_file(tmp_path / "run/model.safetensors"), at_four.model.state_dict())
    assert same(load_model(tmp_path / "run").state_dict(), at_four.model.state_dict())
    kept = json.loads((tmp_path / "run/best/step-00000004/validation.json").read_text())
    assert (kept["step"], kept["score"]) == (4, 1.0)
    assert "the model is that of step 4, the best of 4 validations by depth.mae" in said


def test_a_new_best_replaces_the_old_one_unless_a_checkpoint_needs_it(tmp_path: Path):
    """The newest checkpoint may be damaged: the one before must find its best model, too."""
    run_scripted(tmp_path / "run", [5.0, 4.0, 3.0, 2.0], checkpoint_every=2, keep_checkpoints=2)
    assert sorted(path.name for path in (tmp_path / "run/best").iterdir()) == ["step-00000006", "step-00000008"]
    (tmp_path / "run/checkpoints/step-00000008/state.json").write_bytes(b"")
    resumed = run(recipe(8, checkpoint_every=2), tmp_path / "run", scripted({8: 9.0}, lambda: 8), resume=True)
    assert resumed.model_step == 6
    weights = load_file(tmp_path / "run/best/step-00000006/model.safetensors")
    assert same(load_file(tmp_path / "run/model.safetensors"), weights)


def test_a_figure_without_a_value_is_no_best(tmp_path: Path):
    said: list[str] = []
    assert run_scripted(tmp_path / "some", [None, 5.0, None], said).model_step == 4
    assert any("depth.mae no value" in line for line in said)
    assert run_scripted(tmp_path / "none", [None, None], said).model_step == 4
    assert "no validation gave a depth.mae: the model is that of the last step" in said


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_best_model_is_never_loaded(tmp_path: Path, damage: str):
    run_scripted(tmp_path / "run", [1.0, 2.0])
    best = tmp_path / "run/best/step-00000002"
    if damage == "missing":
        shutil.rmtree(best)
    else:
        whole = bytearray((best / "model.safetensors").read_bytes())
        whole[-1] ^= 1
        (best / "model.safetensors").write_bytes(whole)
    said: list[str] = []
    resumed = run(recipe(4), tmp_path / "run", scripted({}, lambda: 0), resume=True, said=said)
    assert resumed.model_step == 4
    assert any(str(best) in line and "the model is that of step 4" in line for line in said)
    assert same(load_file(tmp_path / "run/model.safetensors"), resumed.model.state_dict())


def test_a_full_disk_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(folder: Path, step: int, files: dict[str, bytes]) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("equipoise.scenes.training.best.write_checkpoint", full)
    with pytest.raises(RunError, match="No space left on device: make room, then continue with --resume"):
        run_scripted(tmp_path / "run", [1.0])
