"""Open a data set by its kind. To add a kind, write a file with a reader and add a line here."""

from pathlib import Path

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.data.slices import SlicedDataset, parse_slice


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
    """Open one split of a data set.

    Args:
        kind: ``cityscapes`` or ``streets`` (the same layout), or ``folder``.
        path: the root of the layout, or the description of the folder.
        split: the name of the split; ``train[:80%]`` reads only a part of it, see ``slices``.
        root: for ``folder``: the folder of the data; ``None``: the folder of the description.
        sky_is_zero: give the sky zero inverse depth; otherwise it has no depth label.
        optional: images may lack labels.
        strict: raise for missing label files now, not when a sample is read.

    Raises:
        DataError, RecipeError: the data or the description are wrong; the message has one line.
    """
    if (part := parse_slice(split)) is not None:
        of, start, stop = part
        whole = open_dataset(kind, path, of, root=root, sky_is_zero=sky_is_zero, optional=optional, strict=strict)
        return SlicedDataset(whole, start, stop)
    if kind == "folder":
        return FolderDataset(path, split, root=root, sky_is_zero=sky_is_zero, optional=optional, strict=strict)
    return CityscapesDataset(path, split, sky_is_zero=sky_is_zero, optional=optional, strict=strict)
