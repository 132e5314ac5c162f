"""Label pictures of every bit depth and colour type: read as they are stored, or refused in one line."""

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.description import FolderDescription, check_description, read_description
from equipoise.scenes.data.folder import FolderDataset, vocabulary
from equipoise.scenes.data.joined import union
from equipoise.scenes.io.images import read_colors, read_labels, stored_bits
from equipoise.scenes.visual.colors import NO_LABEL, distinct_colors
from tests.support.encodings import write_description
from tests.support.png import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, write_png

COLORS = np.array([[(0, 0, 0), (3, 0, 255)], [(8, 1, 0), (255, 255, 255)]])
CODES = (COLORS @ [65536, 256, 1]).tolist()


def test_colours_of_16_bits_are_read_as_they_are_stored(tmp_path):
    write_png(tmp_path / "x.png", COLORS, 16, RGB)
    assert read_colors(tmp_path / "x.png").tolist() == CODES
    assert stored_bits(tmp_path / "x.png") == 16
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (37, 53, 3))
    write_png(tmp_path / "x.png", large, 16, RGB)
    assert read_colors(tmp_path / "x.png").tolist() == (large @ [65536, 256, 1]).tolist()


@pytest.mark.parametrize("highest", [256, 257, 2570, 65535])
def test_larger_ones_are_refused(tmp_path, highest):
    colors = COLORS.copy()
    colors[1, 1, 2] = highest
    write_png(tmp_path / "x.png", colors, 16, RGB)
    with pytest.raises(DataError, match=r"x.png: expected colours of 0 … 255, found larger 16-bit numbers"):
        read_colors(tmp_path / "x.png")


def with_alpha(alpha: int) -> np.ndarray:
    return np.dstack([COLORS, [[255, alpha], [255, 255]]])


def test_opaque_colours_and_greys_are_colours(tmp_path):
    path = tmp_path / "x.png"
    write_png(path, with_alpha(255), 8, RGBA)
    assert read_colors(path).tolist() == CODES
    write_png(path, np.array([[0, 1], [2, 3]]), 2, PALETTE, palette=COLORS.reshape(-1, 3))
    assert read_colors(path).tolist() == CODES
    write_png(path, np.array([[0, 5]]), 4, GREY)
    assert read_colors(path).tolist() == [[0, 0x555555]]


@pytest.mark.parametrize(
    ("pixels", "bits", "color_type", "palette", "alpha", "told"),
    [
        (with_alpha(254), 8, RGBA, None, b"", "expected opaque colours, found transparent pixels"),
        (COLORS, 8, RGB, None, b"\0\x08\0\1\0\0", "expected opaque colours"),
        (np.array([[0, 1]]), 8, PALETTE, [[1, 2, 3], [4, 5, 6]], b"\xff\0", "expected opaque colours"),
        (np.array([[0, 2]]), 8, PALETTE, [[1, 2, 3], [4, 5, 6]], b"", "expected colours, found an index outside"),
        (COLORS, 16, RGB, None, b"\0\x08\0\1\0\0", "expected opaque colours"),
        (with_alpha(255) * 257, 16, RGBA, None, b"", "expected 8-bit colours, found 16-bit RGBA"),
        (COLORS[..., :2], 16, GREY_ALPHA, None, b"", "expected 8-bit colours, found 16-bit grey with transparency"),
        (COLORS[..., :2], 8, GREY_ALPHA, None, b"", "expected 8-bit colours, found 8-bit grey with transparency"),
        (COLORS[..., 0], 16, GREY, None, b"", "expected 8-bit colours, found 16-bit grey"),
    ],
)
def test_colours_that_cannot_be_told_are_refused(tmp_path, pixels, bits, color_type, palette, alpha, told):
    write_png(tmp_path / "x.png", pixels, bits, color_type, palette=palette, alpha=alpha)
    with pytest.raises(DataError, match=rf"x.png: {told}"):
        read_colors(tmp_path / "x.png")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_numbers_are_read_as_they_are_stored(tmp_path, bits):
    numbers = np.array([[0, 1, (1 << bits) - 1, 1, 0, 1]])
    write_png(tmp_path / "x.png", numbers, bits, GREY)
    assert read_labels(tmp_path / "x.png").tolist() == numbers.tolist()
    assert stored_bits(tmp_path / "x.png") == (16 if bits == 16 else 8)
    if bits <= 8:
        write_png(tmp_path / "p.png", numbers, bits, PALETTE, palette=np.full((1 << bits, 3), 7))
        assert read_labels(tmp_path / "p.png").tolist() == numbers.tolist()
        with pytest.raises(DataError, match=r"8 or 16 bit grey.*found a palette"):
            read_labels(tmp_path / "p.png", palette=False)


@pytest.mark.parametrize(("bits", "color_type", "channels"), [(8, 2, 3), (16, 2, 3), (8, 4, 2), (16, 4, 2), (16, 6, 4)])
def test_colours_are_no_numbers(tmp_path, bits, color_type, channels):
    write_png(tmp_path / "x.png", np.full((2, 3, channels), 7), bits, color_type)
    with pytest.raises(DataError, match="expected one number per pixel"):
        read_labels(tmp_path / "x.png")


CLASSES = [{"name": "a", "value": 1, "countable": True}, {"name": "b", "value": 2}]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"semantic": {"classes": [{"name": "a", "value": 300}]}}, "semantic/x.png: expected 16 bit"),
        ({"instance": {"encoding": "id", "background": [65535]}}, "instance/x.png: expected 16 bit"),
        ({"depth": {"kind": "relative", "invalid": [65535]}}, "depth/x.png: expected 16 bit"),
        ({"depth": {"kind": "relative", "infinite": [0, 65535]}}, "depth/x.png: expected 16 bit"),
        (
            {"instance": {"encoding": "class_factor", "factor": 9}},
            "numbers from 9 on .* found 1, 2, 3: are they",
        ),
    ],
)
def test_numbers_that_wrapped_or_mean_two_things_are_refused(tmp_path, table, told):
    """300 saved in 8 bits is 44, the background 65535 is 255: the file looks sound."""
    for kind in table:
        write_png(tmp_path / kind / "x.png", np.tile([0, 1, 2, 3, 0], (7, 2)), 8, GREY)
    with pytest.raises(DataError, match=told):
        FolderDataset(write_description(tmp_path, **table), "train")[0]


def described(classes: list[dict], encoding: str = "value", **instance: object) -> FolderDescription:
    table = {"images": "{name}.png", "split": {"train": {"fraction": 1.0}}}
    table["semantic"] = {"files": "s/{name}.png", "classes": classes, "encoding": encoding}
    if instance:
        table["instance"] = {"files": "i/{name}.png"} | instance
    description = from_table(FolderDescription, table, "d.toml")
    check_description(description, "d.toml")
    return description


@pytest.mark.parametrize(
    ("classes", "encoding", "instance", "told"),
    [
        (
            [{"name": "a", "value": 0, "countable": True}],
            "value",
            {"factor": 9},
            "0 for 'a', which means no",
        ),
        (
            [{"name": "a", "value": 70, "countable": True}],
            "value",
            {"factor": 1000},
            "70000 for 'a', which 16",
        ),
        (
            [{"name": "a", "value": 1, "color": [[1, 2, 3], [3, 2, 1]]}],
            "value",
            {},
            "color: expected one, found 2",
        ),
        ([{"name": "a", "color": [[1, 2, 3], [1, 2]]}], "color", {}, r"color\[1\]: expected 3 values, found 2"),
        (
            [{"name": "a", "value": 1, "color": [1, 2, 3]}],
            "color",
            {},
            'expected none with encoding = "color", found 1:',
        ),
        ([{"name": "a", "color": []}], "color", {}, "color: expected 3 values, found 0"),
        (
            [{"name": "a", "color": [[1, 2, 3], [1, 2, 3]]}],
            "color",
            {},
            r"for \(1, 2, 3\), found 'a' twice",
        ),
        ([{"name": "a", "color": [[1, 2, 3], [1, 2, 300]]}], "color", {}, "expected 0 … 255, found"),
    ],
)
def test_descriptions_that_cannot_be_meant_are_refused(classes, encoding, instance, told):
    with pytest.raises(RecipeError, match=told):
        described(classes, encoding, **instance)


@pytest.mark.parametrize("factor", [1000, 7])
@pytest.mark.parametrize("encoding", ["id", "color"])
def test_a_factor_without_its_encoding_is_refused(tmp_path, encoding, factor):
    path = write_description(tmp_path, instance={"encoding": encoding, "factor": factor})
    with pytest.raises(
        RecipeError, match=rf'instance.factor: expected it with encoding = "class_factor", found "{encoding}"'
    ):
        read_description(path)


@pytest.mark.parametrize("read", [read_labels, read_colors])
@pytest.mark.parametrize("orientation", range(10))
def test_labels_that_exif_turns_are_refused(tmp_path, read, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("L", (6, 4), 5).save(tmp_path / "x.png", exif=exif)
    if orientation not in range(2, 9):
        assert read(tmp_path / "x.png").shape == (4, 6)
        return
    with pytest.raises(
        DataError, match=rf"x.png: expected labels without an EXIF orientation, found orientation {orientation}:"
    ):
        read(tmp_path / "x.png")


def test_chosen_colours_differ_from_each_other_from_given_ones_and_from_no_label():
    alone = distinct_colors(255, [])
    assert len({*alone, NO_LABEL}) == 256
    first = np.array(alone[:12])
    apart = np.abs(first[:, None] - first).sum(2) + 1000 * np.eye(12)
    assert apart.min() > 100
    given = [[*alone[0]], [1, 1, 1], [*alone[3]]]
    classes = [{"name": f"c{k}", "value": k} | ({"color": given[k]} if k < 3 else {}) for k in range(255)]
    colors = [c.color for c in vocabulary(described(classes)).classes]
    assert [list(color) for color in colors[:3]] == given
    assert len({*colors, NO_LABEL}) == 256


def test_classes_of_several_sets_have_different_colours():
    one, two = (vocabulary(described([{"name": name, "value": 0}])) for name in ("tree", "car"))
    assert one.classes[0].color == two.classes[0].color
    both = union({"one": one, "two": two}).classes
    assert both[0].color == one.classes[0].color
    assert len({both[0].color, both[1].color, NO_LABEL}) == 3


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        ({"kind": "disparity_px"}, 1),
        ({"kind": "disparity_px", "invalid": [0]}, 0),
        ({"kind": "disparity_px", "infinite": [0]}, 0),
        ({"kind": "disparity_px", "offset": -1, "invalid": [0]}, 0),
        ({"kind": "depth_m"}, 0),
        ({"kind": "relative"}, 0),
    ],
)
def test_stored_zeros_that_may_be_holes_are_looked_at(tmp_path, table, lines):
    """KITTI stores 0 where it has no disparity; read as it stands, 0 px is infinitely far."""
    write_png(tmp_path / "depth/x.png", np.tile([0, 1, 2, 3, 0], (7, 2)), 8, GREY)
    notes = check_split(FolderDataset(write_description(tmp_path, depth=table), "train")).notes
    assert sum("expected 0 in depth.invalid" in note for note in notes) == lines
