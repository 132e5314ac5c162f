"""Classes and instances as TIFF, OpenEXR, NPY and NPZ: the same labels as from PNG, and every number or none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.vocabulary import IGNORE
from tests.support.folders import SIZE, write_images

Save = Callable[[Path, np.ndarray], None]


def tiff(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def npz(path: Path, array: np.ndarray) -> None:
    np.savez_compressed(path, other=np.zeros(3), labels=array)


def exr(path: Path, array: np.ndarray, *, layer: str = "") -> None:
    """Write one channel, or the colours of a layer beside another channel."""
    import OpenEXR

    channels = {"Y": array} if array.ndim == 2 else {f"{layer}{c}": array[..., k] for k, c in enumerate("RGB")}
    if layer:
        channels["Depth.Z"] = array[..., 0] + 5
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: np.ascontiguousarray(one) for name, one in channels.items()}).write(str(path))


SAVES: dict[str, Save] = {
    **{".tif": tiff, ".npy": np.save, ".npz": npz},
    ".exr": lambda path, array: exr(path, array if array.dtype.kind == "f" else array.astype(np.uint32)),
}


def opened(root: Path, suffix: str, labels: np.ndarray, ids: np.ndarray | None = None, **tables: str) -> FolderDataset:
    """One image; ``tables``: the lines of ``[semantic]`` and ``[instance]``."""
    write_images(root, range(1))
    key = 'key = "labels"\n' if suffix == ".npz" else ""
    lines = ['images = "images/{name}.png"', "[split.train]", "fraction = 1.0"]
    for kind, array in (("semantic", labels), ("instance", ids)):
        if array is not None:
            (root / kind).mkdir(exist_ok=True)
            SAVES[suffix](root / f"{kind}/0{suffix}", array)
            lines += [f"[{kind}]", f'files = "{kind}/{{name}}{suffix}"', key + tables.get(kind, "")]
    (root / "data.toml").write_text("\n".join(lines))
    return FolderDataset(root / "data.toml", "train")


def classes(numbers: dict[int, str], *, ignore: str = "[]") -> str:
    listed = ", ".join(
        f'{{ name = "{name}", value = {number}, countable = {str(name == "car").lower()} }}'
        for number, name in numbers.items()
    )
    return f"ignore = {ignore}\nclasses = [{listed}]"


def picture(*numbers: float) -> np.ndarray:
    """The numbers in columns."""
    return np.repeat(np.resize(np.array(numbers), SIZE[1])[None], SIZE[0], 0)


TYPES: dict[str, list[Any]] = {
    ".tif": [np.uint8, np.uint16, np.int32, np.float32],
    ".npy": [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64],
    ".npz": [np.uint8, np.int64],
    ".exr": [np.uint32, np.float16, np.float32],
}


@pytest.mark.parametrize(("suffix", "kind"), [(suffix, kind) for suffix, kinds in TYPES.items() for kind in kinds])
def test_every_type_holds_the_same_labels(tmp_path: Path, suffix: str, kind: Any):
    numbers, ids = picture(3, 7, 7, 9, 100), picture(0, 1, 2, 0, 0)
    described = classes({3: "road", 7: "car", 9: "sky"}, ignore="[100]")
    dataset = opened(
        tmp_path, suffix, numbers.astype(kind), ids.astype(kind), semantic=described, instance='encoding = "id"'
    )
    labels = dataset[0].labels
    assert np.array_equal(labels["semantic"], np.vectorize({3: 0, 7: 1, 9: 2, 100: IGNORE}.get)(numbers))
    assert np.array_equal(labels["instance"], ids)
    assert check_split(dataset).faults == []


def test_numbers_that_no_picture_can_hold(tmp_path: Path):
    """Minus one for no label, a class above 65,535, ids above it, and an object stored as 0."""
    numbers, ids = picture(-1, 70_000, 70_000, 4, 70_000), picture(-1, 2**31 - 1, 65_536, -1, 0)
    described = classes({4: "road", 70_000: "car"}, ignore="[-1]")
    dataset = opened(tmp_path, ".npy", numbers, ids, semantic=described, instance='encoding = "id"\nbackground = [-1]')
    labels = dataset[0].labels
    assert np.array_equal(labels["semantic"], np.vectorize({-1: IGNORE, 70_000: 1, 4: 0}.get)(numbers))
    assert np.array_equal(
        labels["instance"], np.vectorize({-1: 0, 2**31 - 1: 2**31 - 1, 65_536: 65_536, 0: 65_537}.get)(ids)
    )


def test_class_factor_of_large_classes(tmp_path: Path):
    ids = picture(300_000, 300_001, 2)
    described = classes({2: "road", 300: "car"})
    dataset = opened(tmp_path, ".npy", np.where(ids == 2, 2, 300), ids, semantic=described)
    assert np.array_equal(dataset[0].labels["instance"], np.where(ids == 2, 0, ids))
    png = (tmp_path / "data.toml").read_text().replace("instance/{name}.npy", "instance/{name}.png")
    (tmp_path / "png.toml").write_text(png)
    with pytest.raises(RecipeError, match=r"found 300000 for 'car', which 16 bit cannot hold"):
        FolderDataset(tmp_path / "png.toml", "train")


@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_colours(tmp_path: Path, suffix: str):
    colors = np.zeros((*SIZE, 3), np.uint8)
    colors[:, 10:], colors[:, 20:] = (10, 200, 3), (0, 0, 9)
    described = (
        'encoding = "color"\nignore = [[0, 0, 9]]\n'
        'classes = [{ name = "road", color = [0, 0, 0] }, { name = "car", color = [10, 200, 3], countable = true }]'
    )
    dataset = opened(
        tmp_path, suffix, colors, colors, semantic=described, instance='encoding = "color"\nonly_countable = true'
    )
    labels = dataset[0].labels
    assert labels["semantic"][0, [0, 10, 20]].tolist() == [0, 1, IGNORE]
    assert labels["instance"][0, [0, 10, 20]].tolist() == [0, 10 * 65536 + 200 * 256 + 3, 0]


@pytest.mark.parametrize("layer", ["", "View.Combined."])
@pytest.mark.parametrize("kind", [np.uint32, np.float16, np.float32])
def test_colours_of_openexr_and_their_layer(tmp_path: Path, layer: str, kind: Any):
    colors = np.zeros((*SIZE, 3), kind)
    colors[:, 10:] = (10, 200, 3)
    key = f'key = "{layer[:-1]}"\n' if layer else ""
    described = key + (
        'encoding = "color"\n'
        'classes = [{ name = "road", color = [0, 0, 0] }, { name = "car", color = [10, 200, 3], countable = true }]'
    )
    dataset = opened(tmp_path, ".exr", colors, semantic=described)
    exr(tmp_path / "semantic/0.exr", colors, layer=layer)
    assert dataset[0].labels["semantic"][0, [0, 9, 10, 63]].tolist() == [0, 0, 1, 1]
    exr(tmp_path / "semantic/0.exr", (colors / 255).astype(np.float32), layer=layer)
    with pytest.raises(DataError, match=r"expected colours of whole numbers 0 … 255, found 0\.039"):
        _ = dataset[0]
    exr(tmp_path / "semantic/0.exr", colors, layer="other.")
    wanted = (
        "View.Combined.R, View.Combined.G, .*, found" if layer else "R, G, B, A, or the layer of .* as key .*, found"
    )
    with pytest.raises(DataError, match=f"expected 3 of the channels {wanted} Depth.Z, other.B, other.G, other.R"):
        _ = dataset[0]


@pytest.mark.parametrize(("kind", "number"), [(np.float16, 2048), (np.float32, 2**24)])
@pytest.mark.parametrize("suffix", [".npy", ".exr"])
def test_floats_that_may_have_been_rounded_are_refused(tmp_path: Path, suffix: str, kind: Any, number: int):
    """Number + 1 is stored as number."""
    dataset = opened(tmp_path, suffix, changed(number - 1, kind), semantic=classes({3: "a", 7: "b", number - 1: "car"}))
    assert dataset[0].labels["semantic"][5, 6] == 2
    SAVES[suffix](tmp_path / f"semantic/0{suffix}", changed(number + 1, kind))
    bits = np.dtype(kind).itemsize * 8
    with pytest.raises(
        DataError, match=f"expected numbers below {number:,}, as floats of {bits} bits .* found {number}:"
    ):
        _ = dataset[0]


def changed(value: float, kind: Any = np.float64) -> np.ndarray:
    array = picture(3, 7).astype(kind)
    array[5, 6] = value
    return array


DESCRIBED = classes({3: "road", 7: "car"})
FAULTS: dict[str, tuple[np.ndarray, str]] = {
    "NaN": (changed(np.nan), "expected whole numbers, found nan: pixels without a label need a number too"),
    "inf": (changed(np.inf), "expected whole numbers, found inf"),
    "half": (changed(3.5), "expected whole numbers, found 3.5"),
    "unknown": (changed(4), "expected labels of the described classes, found 4"),
    "negative": (changed(-1, np.int64), "expected labels of the described classes, found -1"),
    "minus the size": (changed(-65529, np.int64), "expected labels of the described classes, found -65529"),
    "beyond 16 bits": (changed(65539, np.int64), "expected labels of the described classes, found 65539"),
    "beyond 32 bits": (changed(2**32 + 3, np.int64), "expected numbers that fit in 32 bits, found 4294967299"),
    "huge": (changed(2**63, np.uint64), "expected numbers that fit in 32 bits, found 9223372036854775808"),
    "size": (np.full((48, 65), 3), "expected the size of its image, 64x48, found 65x48"),
    "channels": (np.full((48, 64, 3), 3), "expected the shape (H, W), found (48, 64, 3)"),
    "text": (np.full(SIZE, "3"), "expected whole numbers or floats, found the type"),
    "complex": (np.full(SIZE, 3j), "expected whole numbers or floats, found the type complex"),
    "nothing": (np.zeros((0, 64)), "expected the shape (height, width)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path: Path, name: str):
    array, message = FAULTS[name]
    with pytest.raises(DataError) as error:
        _ = opened(tmp_path, ".npy", array, semantic=DESCRIBED)[0]
    assert message in str(error.value)
    assert "semantic/0.npy" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("value", "found"), [(-5, "-5"), (2**31, "2147483648"), (2**40, "1099511627776")])
def test_ids_are_positive_and_fit(tmp_path: Path, value: int, found: str):
    dataset = opened(
        tmp_path, ".npy", picture(7), changed(value, np.int64), semantic=DESCRIBED, instance='encoding = "id"'
    )
    with pytest.raises(DataError, match=f"instance/0.npy: expected .* found {found}"):
        _ = dataset[0]


def test_eight_bits_that_need_more(tmp_path: Path):
    dataset = opened(tmp_path, ".npy", picture(3, 44).astype(np.uint8), semantic=classes({3: "road", 300: "car"}))
    with pytest.raises(DataError, match="expected 16 bit, found 8"):
        _ = dataset[0]


def test_others_are_ignored(tmp_path: Path):
    dataset = opened(tmp_path, ".npy", changed(-9, np.int64), semantic=DESCRIBED + '\nothers = "ignore"')
    assert dataset[0].labels["semantic"][5, 6] == IGNORE
    assert (dataset[0].labels["semantic"] == IGNORE).sum() == 1


def test_an_array_of_several_is_named(tmp_path: Path):
    dataset = opened(tmp_path, ".npz", picture(3, 7), semantic=DESCRIBED)
    assert (dataset[0].labels["semantic"][0, :2] == [0, 1]).all()
    (tmp_path / "data.toml").write_text((tmp_path / "data.toml").read_text().replace('key = "labels"\n', ""))
    with pytest.raises(DataError, match="expected one array, or its name as key in the label's table, found other, la"):
        _ = FolderDataset(tmp_path / "data.toml", "train")[0]


@pytest.mark.parametrize("suffix", [".png", ".npy", ".tif"])
def test_key_is_for_files_with_several_arrays(tmp_path: Path, suffix: str):
    lines = f'files = "semantic/{{name}}{suffix}"\nkey = "labels"\n{DESCRIBED}'
    (tmp_path / "data.toml").write_text(
        f'images = "images/{{name}}.png"\n[split.train]\nfraction = 1.0\n[semantic]\n{lines}'
    )
    with pytest.raises(RecipeError, match=r"semantic\.key: expected it for NPZ or OpenEXR, found files ="):
        FolderDataset(tmp_path / "data.toml", "train")


def test_a_tiff_that_claims_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dataset = opened(tmp_path, ".tif", picture(3, 7).astype(np.uint8), semantic=DESCRIBED)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"0\.tif: expected an intact TIF file, found something that cannot be decoded"):
        _ = dataset.readers["semantic"].stored(tmp_path / "semantic/0.tif")
