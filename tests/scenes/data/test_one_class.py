"""An id that lies on several classes is never one object with a centroid between them."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.one_class import shared_ids, split_by_class
from tests.support.cityscapes import save, write_cityscapes

DESCRIPTION = """
images = "image/{name}.png"
[split.train]
fraction = 1.0
[semantic]
files = "classes/{name}.png"
ignore = [255]
classes = [
  { name = "road", value = 0 },
  { name = "person", value = 1, countable = true },
  { name = "car", value = 2, countable = true },
]
[instance]
files = "objects/{name}.png"
encoding = "id"
"""


def write(root: Path, classes: np.ndarray, objects: np.ndarray, *, more: str = "", text: str = DESCRIPTION) -> Path:
    save(root / "image/x.png", np.zeros((*classes.shape, 3), np.uint8))
    save(root / "classes/x.png", classes.astype(np.uint8))
    save(root / "objects/x.png", objects)
    (root / "d.toml").write_text(text + more)
    return root / "d.toml"


def two_ones() -> tuple[np.ndarray, np.ndarray]:
    """A person and a car far from each other, both the first of their class; a pixel of the car is unlabelled."""
    classes = np.zeros((12, 20), np.uint8)
    classes[1:4, 1:4], classes[6:10, 12:18], classes[6, 12] = 1, 2, 255
    objects = np.zeros((12, 20), np.uint8)
    objects[1:4, 1:4] = objects[6:10, 12:18] = 1
    return classes, objects


def test_ids_that_restart_for_each_class_are_an_error_until_they_are_described(tmp_path):
    dataset = FolderDataset(write(tmp_path, *two_ones()), "train")
    told = r'objects/x.png: expected each instance on one class, found 1 on person and car: .* "split" .* "merge"'
    with pytest.raises(DataError, match=told):
        dataset[0]
    (fault,) = check_split(dataset).faults
    assert "1 on person and car" in fault


def test_split_makes_an_object_of_each_class(tmp_path):
    dataset = FolderDataset(write(tmp_path, *two_ones(), more='across_classes = "split"'), "train")
    ids, centroids = instance_centroids(dataset[0].labels["instance"], {})
    assert ids.tolist() == [1, 65536]
    car = np.argwhere(two_ones()[0] == 2).mean(0)[::-1]
    np.testing.assert_allclose(centroids, [[2, 2], car])
    assert dataset[0].labels["instance"][6, 12] == 0  # no class: of neither
    report = check_split(dataset)
    assert (report.faults, report.instances) == ([], 2)


def test_merge_keeps_one_object_whose_border_is_ragged(tmp_path):
    classes, objects = np.ones((6, 6), np.uint8), np.ones((6, 6), np.uint8)
    classes[0] = 0
    with pytest.raises(DataError, match="1 on road and person"):
        FolderDataset(write(tmp_path, classes, objects), "train")[0]
    merged = FolderDataset(write(tmp_path, classes, objects, more='across_classes = "merge"'), "train")
    assert (merged[0].labels["instance"] == 1).all()
    assert check_split(merged).faults == []
    counted = FolderDataset(write(tmp_path, classes, objects, more="only_countable = true"), "train")
    assert counted[0].labels["instance"].tolist() == (classes == 1).tolist()


def test_pixels_without_a_class_and_stuff_alone_are_no_contradiction(tmp_path):
    classes, objects = np.ones((6, 6), np.uint8), np.ones((6, 6), np.uint8)
    classes[:2] = 255
    assert (FolderDataset(write(tmp_path, classes, objects), "train")[0].labels["instance"] == 1).all()
    text = DESCRIPTION.replace("value = 2, countable = true", "value = 3")
    classes[3:] = 3
    classes[classes == 1] = 0
    stuff = FolderDataset(write(tmp_path, classes, objects, text=text), "train")
    assert (stuff[0].labels["instance"] == 1).all()
    assert "found 1 on car" in check_split(stuff).faults[0]


def test_numbers_of_class_and_index_may_not_lie_on_several_classes_either(tmp_path):
    classes, objects = two_ones()
    text = DESCRIPTION.replace('"id"', '"class_factor"')
    path = write(tmp_path, classes, objects.astype(np.uint16) * 2001, text=text)
    with pytest.raises(DataError, match="2001 on person and car"):
        FolderDataset(path, "train")[0]
    write_cityscapes(tmp_path / "city")
    ids = tmp_path / "city/gtFine/train/town/town_000000_000000_gtFine_instanceIds.png"
    stored = np.zeros((32, 64), np.uint16)
    stored[24:31, 12:20] = 26000
    save(ids, stored)
    with pytest.raises(
        DataError, match=r"instanceIds.png: expected each instance on one class, found 26000 on road and"
    ):
        CityscapesDataset(tmp_path / "city", "train")[0]


def test_classes_are_needed_where_ids_depend_on_them(tmp_path):
    for key in ('across_classes = "split"', "only_countable = true"):
        path = write(tmp_path, *two_ones(), more=key, text=DESCRIPTION.replace("ignore =", "optional = true\nignore ="))
        (tmp_path / "classes/x.png").unlink()
        with pytest.raises(DataError, match=rf"expected class labels for this image too.*instance.{key.split()[0]}"):
            FolderDataset(path, "train")[0]
    without = DESCRIPTION[: DESCRIPTION.index("[semantic]")] + DESCRIPTION[DESCRIPTION.index("[instance]") :]
    with pytest.raises(RecipeError, match=r"across_classes: expected a \[semantic\] table"):
        FolderDataset(write(tmp_path, *two_ones(), more='across_classes = "merge"', text=without), "train")


def test_many_ids_are_split_by_lookup():
    """Against a loop over all pairs; colours as ids do not overflow."""
    rng = np.random.default_rng(0)
    instance = rng.choice([0, 1, 2, 65535, (1 << 24) - 1, 1 << 24], (40, 50)).astype(np.int32)
    semantic = rng.choice([0, 1, 254, 255], (40, 50)).astype(np.uint8)
    instance[instance == 2], semantic[instance == 65535] = 2, 1
    divided = split_by_class(instance, semantic)
    assert len(shared_ids(instance, semantic)) == 4 * 3
    seen = set()
    for k in np.unique(instance[instance > 0]):
        parts = [np.unique(divided[(instance == k) & (semantic == c)]).tolist() for c in (0, 1, 254) if k != 65535]
        parts = parts or [np.unique(divided[instance == k]).tolist()]
        assert all(len(part) == 1 and part[0] > 0 for part in parts)
        assert not seen & {part[0] for part in parts}
        seen |= {part[0] for part in parts}
        if k != 65535:
            assert (divided[(instance == k) & (semantic == 255)] == 0).all()
    assert (divided[instance == 0] == 0).all()


@pytest.mark.parametrize(("background", "lost"), [("[0]", 1), ("[255]", 0)])
def test_an_object_whose_id_means_none_is_looked_at(tmp_path, background, lost):
    """Ids that count from 0, while 0 is the background unless described otherwise."""
    classes = np.zeros((12, 20), np.uint8)
    classes[1:4, 1:4], classes[6:10, 12:18] = 1, 2
    objects = np.full((12, 20), 255 if lost == 0 else 0, np.uint8)
    objects[1:4, 1:4], objects[6:10, 12:18] = 0, 1
    report = check_split(FolderDataset(write(tmp_path, classes, objects, more=f"background = {background}"), "train"))
    assert (report.instances, report.faults) == (2 - lost, [])
    assert sum("objects/x.png: expected ids on countable classes" in note for note in report.notes) == lost
