"""``equipoise describe FOLDER``."""

from pathlib import Path

from equipoise.commands.display import console, say
from equipoise.errors import UsageError
from equipoise.scenes.data.draft import draft_description
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import path_exists


def describe(folder: Path, /, *, out: Path | None = None) -> None:
    """Look at a folder of images and labels, and draft its description, to be corrected by hand.

    Args:
        folder: the folder; it is only read.
        out: the file to write, such as FOLDER/data.toml; nothing is overwritten. By default the draft is printed.
    """
    if out is not None and path_exists(out):
        raise UsageError(f"expected a new file at {out}, found one: choose another name, or remove it")
    draft = draft_description(folder)
    for line in draft.found:
        say(line, console())
    if out is None:
        print(draft.text, end="")
        return
    write_atomic(out, draft.text.encode())
    say(f"wrote {out}: correct the lines with CHECK, then run equipoise check {out}", console())
    if out.parent.resolve() != folder.resolve():
        say(f"its patterns are relative to {folder}: move it there, or give check --root", console())
