"""The folder of an export: all of it or nothing, and nothing of others is lost."""

import errno
from pathlib import Path

import pytest

from equipoise.errors import RunError
from equipoise.scenes.export import folder as room
from equipoise.scenes.export.export import export_run
from equipoise.scenes.export.folder import write_folder

FIRST = {"export.json": b"1", "model.onnx": b"one", "README.md": b"r"}
SECOND = {"export.json": b"2", "model.json": b"two"}


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_new_and_empty_folders(tmp_path):
    write_folder(tmp_path / "a/b", FIRST, overwrite=False)
    (tmp_path / "c").mkdir()
    write_folder(tmp_path / "c", FIRST, overwrite=False)
    assert held(tmp_path / "a/b") == held(tmp_path / "c") == FIRST
    assert {path.name for path in tmp_path.rglob("*")} == {"a", "b", "c", *FIRST}


def test_an_export_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    write_folder(out, FIRST, overwrite=False)
    (out / "metrics-streets.json").write_text("{}")
    with pytest.raises(RunError, match="expected no files"):
        write_folder(out, SECOND, overwrite=False)
    write_folder(out, SECOND, overwrite=True)
    assert held(out) == SECOND
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_keeps_leading_to_it(tmp_path):
    write_folder(tmp_path / "real", FIRST, overwrite=False)
    (tmp_path / "link").symlink_to("real")
    write_folder(tmp_path / "link", SECOND, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert held(tmp_path / "real") == SECOND


@pytest.mark.parametrize("foreign", ["notes.txt", "run.json", "weights"])
def test_other_files_are_not_replaced(tmp_path, foreign):
    write_folder(tmp_path / "out", FIRST, overwrite=False)
    (tmp_path / "out" / foreign).write_text("mine")
    with pytest.raises(RunError, match=foreign):
        write_folder(tmp_path / "out", SECOND, overwrite=True)
    assert held(tmp_path / "out") == FIRST | {foreign: b"mine"}


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(RunError, match=r"found no export\.json"):
        write_folder(tmp_path, FIRST, overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="found something else"):
        write_folder(tmp_path / "file", FIRST, overwrite=True)


def test_what_cannot_be_written_is_refused_before_tracing(tmp_path, monkeypatch):
    """The run is not even read: there is none."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"--out: expected a folder that can be written at .*file, found: Not a dir"):
        export_run(tmp_path / "run", tmp_path / "file/out")

    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("equipoise.scenes.io.room.tempfile.TemporaryDirectory", refuse)
    with pytest.raises(RunError, match=rf"--out: expected a folder .* at {tmp_path}, found: Read-only file system: ch"):
        export_run(tmp_path / "run", tmp_path / "new/out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/a").touch()
    with pytest.raises(RunError, match=r"expected no files in .*taken, found some: choose another --out"):
        export_run(tmp_path / "run", tmp_path / "taken")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "taken"}


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("fails", ["write_synced", "sync_folder", "rename"])
def test_what_fails_leaves_all_as_it_was(tmp_path, monkeypatch, there, fails):
    out = tmp_path / "exports/out"
    if there:
        write_folder(out, FIRST, overwrite=False)
    renamed, rename = [], Path.rename

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def refuse_new(self: Path, target: Path) -> Path:
        renamed.append(self.name)
        return refuse() if self.name == ".out.writing" else rename(self, target)

    monkeypatch.setattr(*((Path, "rename", refuse_new) if fails == "rename" else (room, fails, refuse)))
    with pytest.raises(OSError, match="No space left"):
        write_folder(out, SECOND, overwrite=True)
    monkeypatch.undo()
    if there:
        assert held(out) == FIRST
        assert [path.name for path in (tmp_path / "exports").iterdir()] == ["out"]
    else:
        assert not list(tmp_path.iterdir())
