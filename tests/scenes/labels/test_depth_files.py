"""Depth as TIFF, OpenEXR, NPY and NPZ, along the ray, and in several channels."""

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from equipoise.errors import DataError, RecipeError, UsageError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from tests.reliability.test_fuzz import damaged
from tests.support.cityscapes import save
from tests.support.commands import equipoise
from tests.support.folders import SIZE, describe, write_images

CAMERA = "[camera]\nfx = 40.0\nfy = 50.0\ncx = 30.5\ncy = 20.0\n"
DEPTH = np.random.default_rng(0).uniform(1, 60, SIZE).astype(np.float32)
DEPTH[:4] = np.nan
DEPTH[4] = np.inf
WHOLE = np.where(np.isfinite(DEPTH), DEPTH * 100, 0).astype(np.uint16)
EXPECTED = np.where(np.isinf(DEPTH), 0, 1 / DEPTH)
FLOATS = 'kind = "depth_m"\ninvalid = [nan]\ninfinite = [inf]'


def exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: np.ascontiguousarray(array) for name, array in channels.items()}).write(str(path))


def tiff(path: Path, array: np.ndarray, **options: object) -> None:
    tifffile.imwrite(path, array, **options)


def opened(root: Path, suffix: str, write: Callable[[Path], object], table: str, more: str = "") -> FolderDataset:
    """Write one image with one depth file, and open them."""
    write_images(root, [0])
    (root / "depth").mkdir(exist_ok=True)
    write(root / f"depth/0{suffix}")
    path = describe(root, train="fraction = 1.0", val='list = "none.txt"', semantic=None, depth=table)
    path.write_text(path.read_text().replace("depth/{name}.png", "depth/{name}" + suffix) + more)
    return FolderDataset(path, "train")


FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "TIFF": (".tif", lambda p: tiff(p, DEPTH), FLOATS),
    "TIFF, compressed": (".tiff", lambda p: tiff(p, DEPTH, compression="zlib"), FLOATS),
    "TIFF, big-endian": (".tif", lambda p: tiff(p, DEPTH, byteorder=">"), FLOATS),
    "EXR": (".exr", lambda p: exr(p, {"Z": DEPTH}), FLOATS),
    "EXR, key": (".exr", lambda p: exr(p, {"Z": DEPTH, "A": WHOLE.astype(np.float32)}), FLOATS + '\nkey = "Z"'),
    "NPY": (".npy", lambda p: np.save(p, DEPTH), FLOATS),
    "NPY, by column": (".npy", lambda p: np.save(p, np.asfortranarray(DEPTH)), FLOATS),
    "NPY, one channel": (".npy", lambda p: np.save(p, DEPTH[..., None].astype(">f8")), FLOATS),
    "NPZ": (".npz", lambda p: np.savez(p, depth=DEPTH), FLOATS),
    "NPZ, key": (".npz", lambda p: np.savez_compressed(p, a=DEPTH * 2, d=DEPTH), FLOATS + '\nkey = "d"'),
}


@pytest.mark.parametrize("name", FILES)
def test_floats(tmp_path, name):
    dataset = opened(tmp_path, *FILES[name])
    np.testing.assert_allclose(dataset[0].labels["inverse_depth"], EXPECTED, rtol=1e-6)
    report = check_split(dataset)
    assert (report.faults, report.notes) == ([], [])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_whole_numbers(tmp_path, suffix, order):
    def write(path: Path) -> None:
        array = WHOLE.astype(f"{order}u2")
        np.save(path, array) if suffix == ".npy" else tiff(path, array, byteorder=order)

    dataset = opened(tmp_path, suffix, write, 'kind = "depth_m"\ndivisor = 100\ninvalid = [0]')
    stored = np.where(WHOLE == 0, np.nan, WHOLE)
    np.testing.assert_allclose(dataset[0].labels["inverse_depth"], 100 / stored, rtol=1e-6)


def test_half_floats_match_special_numbers_at_their_own_precision(tmp_path):
    def write(path: Path) -> None:
        exr(path, {"Y": np.where(np.isfinite(DEPTH), DEPTH, 1000.1).astype(np.float16)})

    dataset = opened(tmp_path, ".exr", write, 'kind = "depth_m"\ninfinite = [1000.1]')
    inverse = dataset[0].labels["inverse_depth"]
    assert (inverse[:5] == 0).all()
    np.testing.assert_allclose(inverse[5:], EXPECTED[5:], rtol=1e-3)


def test_distance_along_the_ray(tmp_path):
    dataset = opened(tmp_path, ".npy", lambda p: np.save(p, DEPTH), FLOATS.replace("depth_m", "ray_distance_m"), CAMERA)
    inverse = dataset[0].labels["inverse_depth"]
    for y, x in [(10, 3), (20, 40), (47, 63)]:
        ray = np.array([(x - 30.5) / 40, (y - 20) / 50, 1])
        point = ray / np.linalg.norm(ray) * DEPTH[y, x]
        assert inverse[y, x] == pytest.approx(1 / point[2], rel=1e-6)
    assert dataset.vocabulary.inverse_depth_unit == "1/m"


def test_the_camera_of_rays_is_scaled_to_the_image(tmp_path):
    double = "[camera]\nfx = 80.0\ncx = 61.5\ncy = 40.5\nsize = [96, 128]\n"
    flat = np.full(SIZE, 10.0, np.float32)
    dataset = opened(tmp_path, ".npy", lambda p: np.save(p, flat), 'kind = "ray_distance_m"', double)
    inverse = dataset[0].labels["inverse_depth"]
    assert inverse[20, 0] == pytest.approx(np.sqrt(1 + (30.5 / 40) ** 2) / 10, rel=1e-6)
    assert inverse[40, 30] == pytest.approx(np.sqrt(1 + (0.5 / 40) ** 2 + (20 / 40) ** 2) / 10, rel=1e-3)


@pytest.mark.parametrize("camera", ["", "[camera]\nfx = 40.0\n"])
def test_rays_need_a_camera(tmp_path, camera):
    with pytest.raises(RecipeError, match=r'"ray_distance_m": expected \[camera\] with fx, cx and cy, found no'):
        opened(tmp_path, ".npy", lambda p: np.save(p, DEPTH), 'kind = "ray_distance_m"', camera)


CARLA = 'kind = "depth_m"\nchannels = [1, 256, 65536]\ndivisor = 16777.215\ninfinite = [16777215]'


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_channels_as_carla_stores_them(tmp_path, suffix):
    rng = np.random.default_rng(1)
    colors = rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    colors[..., 2] = rng.integers(1, 8, SIZE)
    colors[0] = 255
    write = {".png": save, ".tif": lambda p, a: tiff(p, a, photometric="rgb"), ".npy": np.save}[suffix]
    dataset = opened(tmp_path, suffix, lambda p: write(p, colors), CARLA)
    r, g, b = (colors[..., k].astype(float) for k in range(3))
    metres = 1000 * (r + 256 * g + 65536 * b) / (256**3 - 1)
    inverse = dataset[0].labels["inverse_depth"]
    assert (inverse[0] == 0).all()
    np.testing.assert_allclose(inverse[1:], 1 / metres[1:], rtol=1e-6)
    assert check_split(dataset).faults == []


def with_one(value: float) -> np.ndarray:
    array = np.nan_to_num(DEPTH, posinf=50, nan=50)
    array[3, 3] = value
    return array


def huge_npy(path: Path) -> None:
    np.lib.format.write_array_header_1_0(
        file := path.open("wb"), {"descr": "<f4", "fortran_order": False, "shape": (100_000, 100_000)}
    )
    file.close()


def bomb(path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": SIZE})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("depth.npy", header.getvalue() + bytes(50_000_000))


def cut(suffix: str, write: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        write(path)
        path.write_bytes(path.read_bytes()[:-900])

    return apply


METRES = 'kind = "depth_m"'
FAULTS: dict[str, tuple[str, Callable[[Path], object], str, str]] = {
    "NaN": (".npy", lambda p: np.save(p, with_one(np.nan)), METRES, "found nan on 1 pixels: add nan to depth.invalid"),
    "infinity": (".tif", lambda p: tiff(p, with_one(np.inf)), METRES, "found inf on 1 pixels"),
    "negative": (".npy", lambda p: np.save(p, with_one(-2)), METRES, "expected depth of 0 or more, found -2"),
    "tiny": (".npy", lambda p: np.save(p, with_one(1e-44)), METRES, "expected depth that 32-bit floats hold"),
    "objects": (".npy", lambda p: np.save(p, DEPTH.astype(object), allow_pickle=True), METRES, "found the type object"),
    "complex": (".npy", lambda p: np.save(p, DEPTH.astype(complex)), METRES, "found the type complex128"),
    "truth values": (".npz", lambda p: np.savez(p, d=DEPTH > 3), METRES, "found the type bool"),
    "another size": (".npy", lambda p: np.save(p, DEPTH[1:]), FLOATS, "expected the size of its image, 64x48"),
    "three channels": (".npy", lambda p: np.save(p, np.ones((*SIZE, 3))), METRES, "expected the shape (H, W), found"),
    "one channel": (".npy", lambda p: np.save(p, DEPTH), CARLA, "expected the shape (H, W, 3), found (48, 64)"),
    "one dimension": (".npy", lambda p: np.save(p, DEPTH[5]), METRES, "expected the shape (height, width)"),
    "huge": (".npy", huge_npy, METRES, "expected at most 80,000,000 pixels, found 100000x100000"),
    "bomb": (".npz", bomb, METRES, "more bytes than its header announces"),
    "two arrays": (
        ".npz",
        lambda p: np.savez(p, a=DEPTH, b=DEPTH),
        METRES,
        "one array, or its name as key in the label's table",
    ),
    "no such key": (".npz", lambda p: np.savez(p, a=DEPTH), METRES + '\nkey = "b"', "the array 'b', found a"),
    "no such channel": (".exr", lambda p: exr(p, {"Z": DEPTH}), METRES + '\nkey = "Y"', "the channel 'Y', found Z"),
    "EXR without colours": (".exr", lambda p: exr(p, {"Z": DEPTH}), CARLA, "3 of the channels R, G, B, A, or"),
    "two pages": (".tif", lambda p: tiff(p, np.stack([DEPTH] * 2), photometric="minisblack"), METRES, "found 2 pages"),
    "inverted": (".tif", lambda p: tiff(p, WHOLE, photometric="miniswhite"), METRES, "photometric interpretation 0"),
    "a PNG": (".tif", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), METRES, "expected an intact TIF file"),
    "cut TIFF": (".tif", cut(".tif", lambda p: tiff(p, DEPTH)), FLOATS, "expected an intact TIF file"),
    "cut EXR": (".exr", cut(".exr", lambda p: exr(p, {"Z": DEPTH})), FLOATS, "expected an intact EXR file"),
    "cut NPY": (".npy", cut(".npy", lambda p: np.save(p, DEPTH)), FLOATS, "11,388 of 12,288 bytes"),
    "cut NPZ": (".npz", cut(".npz", lambda p: np.savez(p, d=DEPTH)), FLOATS, "expected an intact NPZ file"),
    "four weights": (
        ".png",
        lambda p: save(p, np.zeros((*SIZE, 3), np.uint8)),
        METRES + "\nchannels = [1, 2, 3, 4]",
        "expected 4 channels (depth.channels)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path, name):
    suffix, write, table, message = FAULTS[name]
    dataset = opened(tmp_path, suffix, write, table)
    with pytest.raises(DataError) as error:
        _ = dataset[0]
    assert message in str(error.value)
    assert f"depth/0{suffix}" in str(error.value)
    assert "\n" not in str(error.value)


MISTAKES = {
    "channels = [1]": "depth.channels: expected 2 … 4 weights, found 1",
    'key = "a"': "depth.key: expected it for NPZ or OpenEXR",
    "invalid = [nan]\ninfinite = [nan]": "expected nan in invalid or in infinite, found it in both",
    "channels = [1, inf, 2]": "depth.channels: expected weights of at most",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_in_the_description(tmp_path, text):
    with pytest.raises(RecipeError, match=MISTAKES[text].replace("[", r"\[")):
        opened(tmp_path, ".npy", lambda p: np.save(p, DEPTH), f'kind = "depth_m"\n{text}')


def test_openexr_missing(tmp_path, monkeypatch):
    dataset = opened(tmp_path, ".exr", lambda p: exr(p, {"Z": DEPTH}), FLOATS)
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(UsageError, match=r'0.exr: OpenEXR is not installed: pip install "equipoise\[images\]"'):
        _ = dataset[0]


def test_disparity_of_0_is_noticed_in_arrays_too(tmp_path):
    disparity = np.where(np.isfinite(DEPTH), DEPTH, 0)
    dataset = opened(tmp_path, ".npy", lambda p: np.save(p, disparity), 'kind = "disparity_px"')
    assert "expected 0 in depth.invalid (no label) or depth.infinite" in check_split(dataset).notes[0]


@pytest.mark.parametrize("name", ["TIFF, compressed", "EXR", "NPY", "NPZ, key"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about unreadable metadata
def test_damaged_arrays_are_errors_or_arrays(tmp_path, name):
    dataset = opened(tmp_path, *FILES[name])
    path, rng, refused = dataset.files(0)["inverse_depth"], np.random.default_rng(2), 0
    whole = path.read_bytes()
    for _ in range(40):
        path.write_bytes(damaged(whole, rng))
        said = path.name
        try:
            assert dataset[0].labels["inverse_depth"].shape == SIZE
        except DataError as error:
            refused, said = refused + 1, str(error)
        assert path.name in said
        assert "\n" not in said
    assert refused > 5


def test_check_draws_them(tmp_path):
    opened(tmp_path, *FILES["NPZ"])
    (tmp_path / "none.txt").write_text("0\n")
    text = (tmp_path / "data.toml").read_text().replace("fraction = 1.0", 'list = "train.txt"')
    (tmp_path / "train.txt").write_text("0\n")
    (tmp_path / "data.toml").write_text(text.replace('[split.val]\nlist = "none.txt"\n', ""))
    done = equipoise("check", tmp_path / "data.toml", "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").stat().st_size > 1000
