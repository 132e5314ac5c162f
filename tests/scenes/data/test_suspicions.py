"""What is probably meant otherwise is something to look at: depth, classes and ids, each with its opposite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.scenes.cameras.distances import round_to_3_digits, short_number
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.shown_classes import ClassCounts, class_counts, class_notes
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.stored import wraps
from tests.support.cityscapes import save
from tests.support.folders import SIZE, describe, write_depth, write_images

RAMP = np.linspace(1000, 4000, SIZE[0] * SIZE[1]).reshape(SIZE)


def checked(root, depth: np.ndarray, table: str) -> SplitReport:
    write_images(root)
    write_depth(root, depth)
    return check_split(FolderDataset(describe(root, semantic=None, depth=table), "train", strict=False))


@pytest.mark.parametrize(
    ("scale", "divisor", "told"),
    [
        (1, 1, True),  # millimetres read as metres
        (0.1, 1, True),  # centimetres
        (1, 1000, False),
        (0.1, 100, False),
        (5, 5000, False),
        (0.02, 1000, True),  # metres read as millimetres
        (0.02, 1, False),  # 20 … 80 m
    ],
)
def test_metres_that_are_none(tmp_path, scale, divisor, told):
    stored = (RAMP * scale).round().astype(np.uint16)
    report = checked(tmp_path, stored, f'kind = "depth_m"\ndivisor = {divisor}')
    assert len(report.notes) == told, report.notes
    assert all(note.startswith("expected a median depth of 0.1 … 100 m, found ") for note in report.notes)
    least, median, largest = report.depth_range()
    metres = stored / divisor
    assert least == pytest.approx(metres.min(), rel=0.006)
    assert median == pytest.approx(np.median(metres), rel=0.02)
    assert largest == pytest.approx(metres.max(), rel=0.006)
    assert report.as_table()["depth_unit"] == "m"
    assert report.as_table()["depth"] == {"least": least, "median": median, "largest": largest}


def test_millimetres_are_said_in_full(tmp_path):
    (note,) = checked(tmp_path, RAMP.astype(np.uint16), 'kind = "depth_m"').notes
    assert note == (
        "expected a median depth of 0.1 … 100 m, found 1000 … 4000 m, median 2500 m: check depth.divisor (1 if "
        "metres are stored, 100 for centimetres, 1000 for millimetres)"
    )


@pytest.mark.parametrize("kind", ["disparity_px", "relative"])
def test_other_kinds_of_depth_have_no_usual_metres(tmp_path, kind):
    report = checked(tmp_path, (RAMP / 100).astype(np.uint16), f'kind = "{kind}"')
    assert report.notes == []
    assert report.depth_unit == {"disparity_px": "px", "relative": ""}[kind]


@pytest.mark.parametrize(
    ("value", "rows", "extra", "told"),
    [
        (65535, 12, "", "found 65,535, the largest number of 16 bit, on 25% of their pixels"),
        (65535, 12, "infinite = [65535]", None),
        (65535, 12, "invalid = [65535]", None),
        (65535, 1, "", None),
        (20000, 24, "", "found 20,000, the largest one stored, on 50% of their pixels"),
        (20000, 6, "", None),
    ],
)
def test_many_pixels_at_the_largest_number(tmp_path, value, rows, extra, told):
    """Sky, or what is too far, is stored as the largest number and not described as such."""
    stored = RAMP.astype(np.uint16)
    stored[:rows] = value
    notes = checked(tmp_path, stored, f'kind = "depth_m"\ndivisor = 1000\n{extra}').notes
    assert len(notes) == (told is not None), notes
    assert told is None or told in notes[0]


def test_the_largest_number_that_is_described_as_far(tmp_path):
    """255 is 0, infinitely far, where the offset makes it so."""
    stored = np.full(SIZE, 255, np.uint8)
    stored[10:20] = RAMP[10:20].astype(int) // 20
    assert not checked(tmp_path, stored, 'kind = "relative"\noffset = -255\ndivisor = -255').notes


@pytest.mark.parametrize(("value", "told"), [(255, True), (254, False)])
def test_a_large_instance_of_the_largest_number(tmp_path, value, told):
    write_images(tmp_path)
    ids = np.zeros(SIZE, np.uint8)
    ids[5:10, 5:10], ids[30:] = 1, value
    for name in range(6):
        save(tmp_path / f"ids/{name}.png", ids)
    description = describe(tmp_path, semantic=None)
    description.write_text(description.read_text() + '[instance]\nfiles = "ids/{name}.png"\nencoding = "id"\n')
    notes = check_split(FolderDataset(description, "train", strict=False)).notes
    assert ["add it to instance.background" in note for note in notes] == [True] * told


@pytest.mark.parametrize(("count", "told"), [(255, True), (254, False)])
def test_ids_that_use_every_number(tmp_path, count, told):
    write_images(tmp_path, [0])
    save(tmp_path / "ids/0.png", (np.arange(SIZE[0] * SIZE[1]) % (count + 1)).astype(np.uint8).reshape(SIZE))
    description = describe(tmp_path, semantic=None, train="fraction = 1.0", val='list = "v.txt"')
    description.write_text(description.read_text() + '[instance]\nfiles = "ids/{name}.png"\nencoding = "id"\n')
    notes = check_split(FolderDataset(description, "train", strict=False)).notes
    assert ["did further ids wrap around?" in note for note in notes] == [True] * told


def surface(slope_y: float, slope_x: float, size: tuple[int, int] = (64, 80)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return 20 + slope_y * rows + slope_x * columns + 3 * np.sin(columns / 9)


@given(st.floats(2, 60), st.floats(0.3, 20))
def test_smooth_surfaces_that_wrapped_are_found(slope_y, slope_x):
    depth = surface(slope_y, slope_x).round().astype(np.int32)
    everywhere = np.ones(depth.shape, bool)
    assert not wraps(depth, everywhere) or depth.max() < 256
    if depth.max() > 4 * 256:
        assert wraps(depth % 256, everywhere)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_objects_before_a_background_do_not_wrap(seed, boxes):
    """Near and far surfaces beside each other, over the whole range of 8 bit; and noise."""
    rng = np.random.default_rng(seed)
    depth = np.linspace(255, 0, 64)[:, None].repeat(80, 1)
    for value in np.linspace(0, 255, boxes):
        top, left = rng.integers(0, 48), rng.integers(0, 60)
        depth[top : top + 16, left : left + 20] = value
    everywhere = np.ones(depth.shape, bool)
    assert not wraps(depth.round().astype(np.int32), everywhere)
    assert not wraps(rng.integers(0, 256, depth.shape).astype(np.int32), everywhere)
    two = np.where(depth > 128, 254, 2).astype(np.int32)
    assert not wraps(two, everywhere)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 64)])
def test_depth_saved_in_too_few_bits(tmp_path, dtype, scale):
    kept = checked(tmp_path / "kept", (RAMP / 16).astype(np.uint8), 'kind = "relative"')
    assert kept.notes == []
    stored = (RAMP * scale).astype(np.int64).astype(dtype)
    report = checked(tmp_path / "wrapped", stored, 'kind = "relative"')
    (note,) = report.notes
    assert "expected numbers that do not wrap around" in note
    assert "(3 such labels)" in note


@given(st.floats(1e-6, 1e6))
def test_three_digits(value):
    assert round_to_3_digits(np.array([value]))[0] == float(f"{value:.3g}")
    assert float(short_number(value)) == float(f"{value:.3g}")
    assert "e" not in short_number(value) or value < 1e-3


def counts(split: str, *, trains: bool = False, described: bool = True, **images: int) -> ClassCounts:
    return ClassCounts(split=split, trains=trains, images=images, described=described)


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ([counts("train", trains=True, road=3, car=1), counts("val", road=2, car=2)], []),
        (
            [counts("train", trains=True, road=3, car=0), counts("val", road=2, car=2)],
            [
                ("train", "expected at least two classes in the images to train on, found 'road' alone"),
                ("val", "found others, car (2): the network cannot learn them"),
            ],
        ),
        (
            [counts("train", trains=True, road=3, car=1, bus=0), counts("val", road=2, car=2, bus=1)],
            [("val", "found others, bus (1): the network cannot learn them")],
        ),
        (
            [counts("train", trains=True, road=3, car=1, bus=0), counts("val", road=2, car=2, bus=0)],
            [("train", "found no image of train and val that shows bus: check the numbers or colours")],
        ),
        ([counts("train", trains=True, described=False, road=3, car=1, bus=0)], []),
        ([counts("train", trains=True, car=3), counts("val", car=2)], [("train", "found 'car' alone: the network")]),
        ([counts("a", road=1, car=1), counts("b", road=1, car=0)], []),
        ([counts("a", car=1)], [("a", "found 'car' alone")]),
        ([counts("train", trains=True), counts("val")], []),
        (
            [
                counts("data, train", trains=True, road=1, bus=0),
                counts("also, train", trains=True, bus=2),
                counts("data, val", road=1, bus=1),
            ],
            [],
        ),
    ],
)
def test_classes_of_all_splits(splits, expected):
    found = list(class_notes(splits))
    assert [split for split, _ in found] == [split for split, _ in expected]
    for (_, line), (_, words) in zip(found, expected, strict=True):
        assert words in line


def test_classes_are_counted_as_the_run_calls_them():
    report = SplitReport()
    report.classes.update({"car": 2, "truck": 1, "void": 5})
    names = {"truck": "car", "void": ""}
    found = class_counts("train", report, ["car", "truck", "void", "bus"], trains=True, described=True, names=names)
    assert dict(found.images) == {"car": 3, "bus": 0}
