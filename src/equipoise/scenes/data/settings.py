"""The settings of data sets and their ranges, as recipes spell them."""

from dataclasses import dataclass, field
from typing import Literal

from equipoise.errors import RecipeError
from equipoise.scenes.config.ranges import Range, between, check_ranges


@dataclass(frozen=True, kw_only=True)
class SetRecipe:
    """One data set.

    Attributes:
        kind: ``cityscapes`` (the official layout), ``streets`` (the same layout, from ``equipoise generate``), or
            ``folder`` (your own files, as a data description says).
        path: the root of the data set; for ``folder`` the description's TOML file. Relative to the recipe.
        root: for ``folder``: where the described files lie, if not beside the description. Relative to the recipe.
        train: the split to train on. ``train[:80%]`` is a part of it, in the order of the names.
        validation: the split to evaluate on, such as ``val``, or ``train[80%:]`` if there is no other.
        sky_is_zero: give pixels of the class sky zero inverse depth (as the paper does); ``false``: they have no
            depth label.
        classes: new names for some of its classes in this run. Two classes with one name become one class; an empty
            name removes the label.
        repeat: how often each of its images is used in an epoch.
        weight: how much each of its images counts in the losses beside those of other data sets.
        optional_labels: accept images that lack a label which others have; otherwise a missing label ends the run.
        skip_broken: leave out images that cannot be read with all their labels, and report them; otherwise they end
            the run.
    """

    kind: Literal["cityscapes", "streets", "folder"]
    path: str
    root: str = ""
    train: str = "train"
    validation: str = "val"
    sky_is_zero: bool = True
    classes: dict[str, str] = field(default_factory=dict)
    repeat: int = 1
    weight: float = 1.0
    optional_labels: bool = False
    skip_broken: bool = False


@dataclass(frozen=True, kw_only=True)
class DataRecipe(SetRecipe):
    """The first data set, the size of images, and where resized ones are kept.

    Attributes:
        size: height and width that images are resized to, px: the network's input, unless ``augmentation.crop`` trains
            it on parts of them. Evaluation and prediction feed it whole images of this size.
        cache: keep samples of this size in memory-mapped files, so that each image is decoded once and crops read only
            their part.
        cache_folder: the folder of these files; empty: the user's cache folder. Relative to the recipe.
    """

    size: tuple[int, int]
    cache: bool = True
    cache_folder: str = ""


SET_RANGES: dict[str, Range] = {
    "repeat": between(1, 10**6),
    "weight": (lambda v: 0 < v <= 10**6, "above 0, at most 10^6"),
}
DATA_RANGES: dict[str, Range] = SET_RANGES | {
    "size": (lambda v: min(v) >= 32 and v[0] * v[1] <= 2**25, "height and width of 32 px or more, 2^25 px in all"),
}


def check_set(data: SetRecipe, key: str, where: str) -> None:
    """Raise ``RecipeError`` for values that types cannot rule out; ``key`` is the table, ``where`` the file."""
    check_ranges(data, DATA_RANGES if isinstance(data, DataRecipe) else SET_RANGES, key, where)
    if data.root and data.kind != "folder":
        raise RecipeError(f"{where}: {key}.root: expected it with kind = 'folder', found {data.kind!r}: leave it out")
