"""Data sets by kind, in one explicit table: a new one is one new file and one line here."""

from pathlib import Path

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import FileDataset


def open_dataset(
    kind: str,
    path: Path,
    split: str,
    *,
    root: Path | None = None,
    sky_is_zero: bool = True,
    optional: bool = False,
    strict: bool = True,
) -> FileDataset:
    """One split of a data set; raises ``DataError`` or ``RecipeError`` in one line.

    ``kind``: ``cityscapes`` and ``streets`` (the same layout; ``path`` is its root), ``folder`` (``path`` is the
    description, ``root`` where its files lie if not beside it). ``optional``: images may lack labels. ``strict``: miss
    label files now, not when read.
    """
    if kind == "folder":
        return FolderDataset(path, split, root=root, sky_is_zero=sky_is_zero, optional=optional, strict=strict)
    return CityscapesDataset(path, split, sky_is_zero=sky_is_zero, optional=optional, strict=strict)
