"""COCO's forms, read back by pycocotools and by hand."""

import builtins
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks
from pycocotools.coco import COCO

from equipoise.errors import UsageError
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from tests.support.predicted import predicted_scene


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # In pycocotools.
def test_instances_are_read_back_by_pycocotools(tmp_path, capsys):
    scene = predicted_scene()
    scene.save(tmp_path, name="a", write=["coco"])
    truth = COCO(tmp_path / "a_coco_images.json")
    found = truth.loadRes(str(tmp_path / "a_coco_instances.json"))
    annotations = found.loadAnns(found.getAnnIds(imgIds=[1], catIds=truth.getCatIds(catNms=["box"])))
    assert [one["score"] for one in annotations] == [0.75, 0.5]
    for number, one in enumerate(annotations, 1):
        mask = scene.instance == number
        assert np.array_equal(masks.decode(one["segmentation"]), mask)
        assert np.array_equal(found.annToMask(one), mask)
        assert one["bbox"] == masks.toBbox(one["segmentation"]).tolist()
        assert masks.area(one["segmentation"]) == mask.sum()
    assert truth.loadImgs([1])[0]["width"] == 56


def test_objects_without_classes_are_of_one_category(tmp_path):
    outputs = {"instance": predicted_scene().instance}
    instances = tuple(replace(one, semantic=None) for one in predicted_scene().instances)
    predicted_scene(outputs=outputs, instances=instances).save(tmp_path, write=["coco"])
    assert [c["name"] for c in json.loads((tmp_path / "scene_coco_images.json").read_text())["categories"]] == [
        "object"
    ]
    assert {one["category_id"] for one in json.loads((tmp_path / "scene_coco_instances.json").read_text())} == {1}


def test_a_panoptic_picture_decoded_by_hand(tmp_path):
    """As panopticapi does it: id = R + 256·G + 256²·B."""
    scene = predicted_scene()
    instance = scene.instance.copy()
    instance[instance == 2] = 70_000  # An id of three bytes.
    instances = (scene.instances[0], replace(scene.instances[1], id=70_000))
    scene = predicted_scene(outputs=scene.outputs | {"instance": instance}, instances=instances)
    scene.save(tmp_path, name="a", write=["panoptic"])
    table = json.loads((tmp_path / "a_coco_panoptic.json").read_text())
    (annotation,) = table["annotations"]
    assert annotation["image_id"] == table["images"][0]["id"]
    with Image.open(tmp_path / annotation["file_name"]) as picture:
        red, green, blue = np.array(picture).astype(np.int64).transpose(2, 0, 1)
    ids = red + 256 * green + 256**2 * blue
    names = {category["id"]: category["name"] for category in table["categories"]}
    classes = np.full(ids.shape, 255)
    for segment in annotation["segments_info"]:
        mask = ids == segment["id"]
        ys, xs = np.nonzero(mask)
        assert segment["area"] == mask.sum()
        assert segment["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert segment["isthing"] == (names[segment["category_id"]] == "box")
        classes[mask] = segment["category_id"] - 1
    assert set(np.unique(ids)) - {0} == {segment["id"] for segment in annotation["segments_info"]}
    assert np.array_equal(ids == 70_000, instance == 70_000)
    nothing = (scene.semantic == 1) & (instance == 0)
    assert nothing.any()
    assert np.array_equal(ids == 0, nothing)
    assert np.array_equal(classes[~nothing], scene.semantic[~nothing])


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "panoptic",
            {"vocabulary": SceneVocabulary()},
            "expected a model that predicts countable classes and instances",
        ),
        ("coco", {"outputs": {}}, "expected a model that predicts instances"),
    ],
)
def test_what_is_missing(tmp_path, name, changes, words):
    with pytest.raises(UsageError, match=f"write: {name}: {words}"):
        predicted_scene(**changes).save(tmp_path, write=[name])
    assert not list(tmp_path.iterdir())


def test_without_pycocotools(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name: str, *arguments: object, **options: object) -> object:
        if name.startswith("pycocotools"):
            raise ImportError("No module named 'pycocotools'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r'pip install "equipoise\[coco\]"'):
        predicted_scene().save(tmp_path, write=["coco"])
    written = predicted_scene().save(tmp_path, write=["all"])
    assert tmp_path / "scene.ply" in written
    assert not list(tmp_path.glob("*coco_instances*"))
