"""Classes and instances from outlines: COCO, labelme, YOLO and Cityscapes' polygons, each against another reader."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from equipoise.errors import DataError, RecipeError, UsageError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.coco import run_lengths
from tests.reliability.test_fuzz import damaged
from tests.support.commands import equipoise
from tests.support.folders import SIZE, write_images

HEIGHT, WIDTH = SIZE
TRIANGLE = [5.0, 5.0, 40.5, 8.0, 20.0, 44.0]
SQUARE = [12.0, 10.0, 24.0, 10.0, 24.0, 20.0, 12.0, 20.0]
FAR = [50.0, 30.0, 70.0, 30.0, 70.0, 60.0]
CLASSES = """classes = [
  { name = "ground", value = 7 },
  { name = "car", value = 0, countable = true },
  { name = "person", value = 1, countable = true },
]"""
KINDS = {"coco": "labels.json", "labelme": "images/{name}.json", "yolo": "yolo/{name}.txt"}
KINDS |= {"cityscapes_polygons": "gt/{name}_gtFine_polygons.json"}


def pairs(values: list[float]) -> list[list[float]]:
    return np.reshape(values, (-1, 2)).tolist()


def runs(mask: np.ndarray) -> list[int]:
    """Count the runs of a mask by column, beginning with those of 0."""
    counts, last = [0], 0
    for value in mask.flatten(order="F").tolist():
        if value != last:
            counts.append(0)
            last = value
        counts[-1] += 1
    return counts


def mask_of(seed: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    y, x = np.random.default_rng(seed).integers(0, 30, 2)
    mask[y : y + 9, x : x + 14] = 1
    mask[y + 3, x + 2 : x + 5] = 0
    return mask


def coco_table() -> dict:
    packed = coco_mask.encode(np.asfortranarray(mask_of(1)))
    segmentations = [
        (1, [SQUARE]),
        (1, [TRIANGLE, FAR]),
        (2, {"size": list(SIZE), "counts": packed["counts"].decode()}),
        (2, {"size": list(SIZE), "counts": runs(mask_of(3))}),
        (2, {"size": list(SIZE), "counts": runs(np.eye(*SIZE, 20, dtype=np.uint8))}),
    ]
    return {
        "images": [{"id": 10 + k, "file_name": f"{k}.png", "height": HEIGHT, "width": WIDTH} for k in range(2)],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}],
        "annotations": [
            {"id": k, "image_id": 10, "category_id": category, "segmentation": found, "iscrowd": int(k == 4)}
            for k, (category, found) in enumerate(segmentations)
        ],
    }


def labelme_table() -> dict:
    shapes = [
        {"label": "car", "points": pairs(TRIANGLE), "group_id": 4, "shape_type": "polygon"},
        {"label": "person", "points": [[30, 20], [20, 10]], "group_id": None, "shape_type": "rectangle"},
        {"label": "person", "points": [[45, 12], [50, 12]], "shape_type": "circle"},
        {"label": "car", "points": pairs(FAR), "group_id": 4, "shape_type": "polygon"},
    ]
    return {"shapes": shapes, "imageData": "x" * 99, "imageHeight": HEIGHT, "imageWidth": WIDTH}


def cityscapes_table() -> dict:
    shapes = [("ground", [0, 20, 64, 20, 64, 48, 0, 48]), ("car", TRIANGLE), ("persongroup", SQUARE), ("person", FAR)]
    shapes += [("out of roi", [0, 44, 64, 44, 64, 48, 0, 48]), ("license plate", [20, 20, 24, 20, 24, 24])]
    objects = [{"label": label, "polygon": pairs(points)} for label, points in shapes]
    return {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": [*objects, {**objects[3], "deleted": 1}]}


def yolo_lines() -> str:
    scale = np.array([WIDTH, HEIGHT])
    lines = [(0, SQUARE), (1, TRIANGLE)]
    return "".join(f"{k} {' '.join(map(str, (np.array(pairs(p)) / scale).ravel()))}\n" for k, p in lines)


def write(root: Path, kind: str, table: dict | None = None, *, more: str = "", outside: str = "ground") -> Path:
    """Write two images with annotations of one kind, the second without objects, and their description."""
    write_images(root, range(2))
    empty = {"labelme": {**labelme_table(), "shapes": []}, "cityscapes_polygons": {**cityscapes_table(), "objects": []}}
    for name in range(2):
        path = root / KINDS[kind].replace("{name}", str(name))
        path.parent.mkdir(exist_ok=True)
        if kind == "yolo":
            path.write_text("" if name else yolo_lines())
        elif kind == "coco":
            path.write_text(json.dumps(table or coco_table()))
        else:
            full = table or (labelme_table() if kind == "labelme" else cityscapes_table())
            path.write_text(json.dumps(empty[kind] if name else full))
    tables = f'files = "{KINDS[kind]}"\nencoding = "{kind}"\n'
    (root / "data.toml").write_text(
        f'images = "images/{{name}}.png"\n[split.train]\nfraction = 1.0\n[semantic]\n{tables}'
        f'outside = "{outside}"\n{more}\n{CLASSES}\n[instance]\n{tables}'
    )
    return root / "data.toml"


def opened(*given: object, **options: object) -> FolderDataset:
    return FolderDataset(write(*given, **options), "train")


def pillow(points: list[float], outline: int | None = None) -> np.ndarray:
    picture = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in pairs(points)], fill=1, outline=outline)
    return np.array(picture)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_objects_is_outside_of_all(tmp_path, kind):
    labels = opened(tmp_path, kind)[1].labels
    assert (labels["semantic"] == 0).all()
    assert (labels["instance"] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_check_finds_nothing_wrong_and_draws_them(tmp_path, kind):
    more = 'others = "ignore"' if kind == "cityscapes_polygons" else ""
    description = write(tmp_path, kind, more=more)
    report = check_split(FolderDataset(description, "train"))
    assert report.faults == []
    assert report.labels == {"semantic": 2, "instance": 2}
    done = equipoise("check", description, "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools' decode
def test_coco_equals_pycocotools(tmp_path):
    labels = opened(tmp_path, "coco")[0].labels
    masks, classes = [], []
    for one in coco_table()["annotations"]:
        found = coco_mask.frPyObjects(one["segmentation"], *SIZE) if one["id"] != 2 else one["segmentation"]
        found = coco_mask.merge(found) if isinstance(found, list) else found
        masks.append(coco_mask.decode(found).astype(bool))
        classes.append(255 if one["iscrowd"] else one["category_id"])
    semantic, instance = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.int32)
    for k in sorted(range(5), key=lambda k: -masks[k].sum()):
        semantic[masks[k]] = classes[k]
        instance[masks[k]] = 0 if classes[k] == 255 else k + 1
    assert np.array_equal(labels["semantic"], semantic)
    assert np.array_equal(labels["instance"], instance)
    assert set(np.unique(instance)) == {0, 1, 2, 3, 4}
    assert semantic[15, 18] == 1
    assert instance[15, 18] == 1  # the square lies on the larger triangle


def test_run_lengths_equal_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for size in [(1, 1), (3, 200), (300, 500)]:
        mask = (rng.random(size) < rng.random()).astype(np.uint8)
        assert run_lengths(coco_mask.encode(np.asfortranarray(mask))["counts"].decode()) == runs(mask)


def test_labelme_draws_in_order_and_joins_groups(tmp_path):
    labels = opened(tmp_path, "labelme")[0].labels
    car = pillow(TRIANGLE, 1)
    car[10:21, 20:31] = False
    picture = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(picture).ellipse((40, 7, 50, 17), fill=1)
    circle = np.array(picture)
    car = (car & ~circle) | pillow(FAR, 1)
    box = np.zeros(SIZE, bool)
    box[10:21, 20:31] = True
    assert np.array_equal(labels["semantic"] == 1, car)
    assert np.array_equal(labels["semantic"] == 2, box | circle)
    assert [np.unique(labels["instance"][part]).size for part in (car, box, circle)] == [1, 1, 1]
    assert len(np.unique(labels["instance"])) == 4


def test_yolo_puts_the_smaller_on_top(tmp_path):
    labels = opened(tmp_path, "yolo")[0].labels
    square, triangle = pillow(SQUARE), pillow(TRIANGLE)
    assert np.array_equal(labels["semantic"] == 1, square)
    assert np.array_equal(labels["semantic"] == 2, triangle & ~square)
    assert np.array_equal(labels["instance"], square * 1 + (triangle & ~square) * 2)


@pytest.mark.filterwarnings("ignore")
def test_cityscapes_equals_the_official_scripts(tmp_path):
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.helpers.labels import name2label
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    table = cityscapes_table()
    dataset = opened(tmp_path, "cityscapes_polygons", table, more='others = "ignore"', outside="")
    labels = dataset[0].labels
    annotation = Annotation()
    annotation.fromJsonText(json.dumps(table))
    official = np.array(createLabelImage(annotation, "ids"))
    instances = np.array(createInstanceImage(annotation, "ids"))
    expected = np.full(SIZE, 255)
    for index, name in enumerate(["ground", "car", "person"]):
        expected[official == name2label[name].id] = index
    assert np.array_equal(labels["semantic"], expected)
    assert np.array_equal(labels["instance"] > 0, instances >= 1000)
    joint = np.unique(np.stack([labels["instance"], np.where(instances >= 1000, instances, 0)]).reshape(2, -1), axis=1)
    assert joint.shape[1] == len(np.unique(instances[instances >= 1000])) + 1 == 3


def coco_with(**changes: object) -> Callable[[], dict]:
    def make() -> dict:
        table = coco_table()
        table["annotations"][0] |= changes
        return table

    return make


def without_image() -> dict:
    return coco_table() | {"images": []}


def labelme_with(**changes: object) -> Callable[[], dict]:
    return lambda: {**labelme_table(), "shapes": [labelme_table()["shapes"][0] | changes]}


FAULTS: dict[str, tuple[str, Callable[[], dict], str]] = {
    "category": ("coco", coco_with(category_id=9), "annotation 0: expected one of the file's categories, found"),
    "size": (
        "coco",
        coco_with(segmentation={"size": [9, 9], "counts": "52"}),
        "run lengths of size [48, 64], found",
    ),
    "short": ("coco", coco_with(segmentation={"size": [48, 64], "counts": "52"}), "that add up to 3,072 pixels"),
    "negative": ("coco", coco_with(segmentation={"size": [48, 64], "counts": [-1, 3073]}), "that add up to 3,072"),
    "letters": ("coco", coco_with(segmentation={"size": [48, 64], "counts": "~~~"}), "no run lengths"),
    "outside": ("coco", coco_with(segmentation=[[100, 5, 120, 5, 110, 9]]), "outlines in an image of 64x48"),
    "far": ("coco", coco_with(segmentation=[[1, 5, 1e12, 5, 110, 9]]), "outlines in an image of 64x48"),
    "odd": ("coco", coco_with(segmentation=[[1, 5, 3]]), "expected coco annotations, found a mistake"),
    "NaN": ("coco", coco_with(segmentation=[[1, 5, 3, 2, float("nan"), 3]]), "at least 3 points"),
    "nothing": ("coco", coco_with(segmentation=[]), "expected a polygon, found none"),
    "no image": ("coco", without_image, "expected an entry for"),
    "no key": ("coco", lambda: {"images": []}, "found a mistake: no key 'annotations'"),
    "a list": ("coco", lambda: [1], "found a mistake"),
    "label": ("labelme", labelme_with(label="dog"), "expected labels of the described classes, found 'dog'"),
    "type": ("labelme", labelme_with(shape_type="line"), "expected shapes of type polygon, rectangle, circle, found"),
    "points": ("labelme", labelme_with(points=[[1, 2], [3]]), "expected labelme annotations, found a mistake"),
    "corners": ("labelme", labelme_with(shape_type="rectangle"), "expected 2 points for a rectangle, found 3"),
    "other size": ("labelme", lambda: {**labelme_table(), "imageWidth": 65}, "expected the size of its image, 64x48"),
    "official": ("cityscapes_polygons", lambda: {**cityscapes_table(), "imgWidth": 7}, "found 7x48"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path, name):
    kind, table, message = FAULTS[name]
    dataset = opened(tmp_path, kind, table())
    with pytest.raises(DataError) as error:
        _ = dataset[0]
    assert message in str(error.value)
    assert str(dataset.files(0)["semantic"]) in str(error.value)
    assert "\n" not in str(error.value)


YOLO = {
    "0 0.5 0.5 0.2 0.2": "line 1: expected a polygon, found a box",
    "0 1 1 2 2 3 3": "line 1: expected points of 0 … 1",
    "0 0 0 1 1 1": "line 1: expected a class and 3 or more points, found 6 numbers",
    "car 0 0 1 1 1 0": "expected yolo annotations, found a mistake",
    "5 0 0 1 1 1 0": "expected labels of the described classes, found '5'",
}


@pytest.mark.parametrize("line", YOLO)
def test_faults_in_yolo(tmp_path, line):
    dataset = opened(tmp_path, "yolo")
    dataset.files(0)["semantic"].write_text(line)
    with pytest.raises(DataError, match=YOLO[line]) as error:
        _ = dataset[0]
    assert "yolo/0.txt" in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_annotations_are_errors_or_labels(tmp_path, kind):
    more = 'others = "ignore"' if kind == "cityscapes_polygons" else ""
    dataset = opened(tmp_path, kind, more=more)
    path, rng, refused = dataset.files(0)["semantic"], np.random.default_rng(3), 0
    whole = path.read_bytes()
    for _ in range(40):
        path.write_bytes(damaged(whole, rng))
        said = path.name
        try:
            assert dataset[0].labels["semantic"].shape == SIZE
        except DataError as error:
            refused, said = refused + 1, str(error)
        assert path.name in said
        assert "\n" not in said
    assert refused > 10


MISTAKES = {
    ('outside = "ground"', ""): "semantic.outside: expected the class of pixels outside all outlines",
    ('outside = "ground"', 'outside = "sky"'): "semantic.outside: expected a class, found 'sky'",
    ('outside = "ground"', 'outside = "ground"\nignore = [0]'): "semantic.ignore: expected none with outlines",
    ('"labels.json"', '"{name}.json"'): "expected the path of one file for all images, found '{name}.json'",
    ("]\n[instance]", "]\n[instance]\nbackground = [255]"): "instance.background: expected none with outlines",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_mistakes_in_the_description(tmp_path, change):
    path = write(tmp_path, "coco")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(RecipeError) as error:
        FolderDataset(path, "train")
    assert MISTAKES[change] in str(error.value)


def test_pycocotools_missing(tmp_path, monkeypatch):
    dataset = opened(tmp_path, "coco")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(UsageError, match=r'pycocotools is not installed: pip install "equipoise\[coco\]"'):
        _ = dataset[0]


def test_a_changed_file_of_annotations_changes_the_fingerprint(tmp_path):
    dataset = opened(tmp_path, "coco")
    before = dataset.fingerprint()
    (tmp_path / "labels.json").write_text(json.dumps(coco_with(category_id=2)()))
    assert dataset.fingerprint() != before
    assert dataset[0].labels["semantic"][15, 18] == 2
