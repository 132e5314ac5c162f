"""The layout of Cityscapes' results, read by the functions of the official scripts."""

from dataclasses import replace

import numpy as np
import pytest
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as official  # noqa: N813
from PIL import Image

from equipoise.errors import UsageError
from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from tests.support.predicted import predicted_scene

NAME = "ulm_000001_000019_leftImg8bit"
ROAD, PERSON, SKY = (next(k for k, c in enumerate(CLASSES) if c.name == n) for n in ("road", "person", "sky"))


def test_the_official_scripts_find_and_read_the_files(tmp_path, monkeypatch):
    scene = predicted_scene(vocabulary=SceneVocabulary(classes=CLASSES, inverse_depth_unit="px", sky=SKY))
    semantic = np.array([ROAD, PERSON, SKY], np.uint8)[scene.semantic]
    instances = (
        *(replace(one, semantic=PERSON) for one in scene.instances),
        replace(scene.instances[0], semantic=ROAD),
    )
    scene = replace(scene, outputs=scene.outputs | {"semantic": semantic}, instances=instances)
    scene.save(tmp_path, name=f"ulm/{NAME}", write=["cityscapes"])
    assert [path.name for path in tmp_path.rglob("ulm_000001_000019*.png")] == [f"{NAME}_labelIds.png"]
    with Image.open(tmp_path / f"ulm/{NAME}_labelIds.png") as picture:
        assert np.array_equal(np.array(picture), np.array([7, 24, 23])[predicted_scene().semantic])
    args = official.args
    monkeypatch.setattr(args, "predictionPath", str(tmp_path))
    monkeypatch.setattr(args, "predictionWalk", None)
    text = official.getPrediction(f"x/gtFine/val/ulm/{NAME.removesuffix('leftImg8bit')}gtFine_instanceIds.png", args)
    found = official.readPredInfo(text, args)
    assert [(one["labelID"], one["conf"]) for one in found.values()] == [(24, 0.75), (24, 0.5)]
    for number, mask in enumerate(found, 1):
        with Image.open(mask) as picture:
            assert np.array_equal(np.array(picture) != 0, scene.instance == number)


def test_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match="write: cityscapes: expected Cityscapes' classes, found ground, box"):
        predicted_scene().save(tmp_path, write=["cityscapes"])
    scene = predicted_scene(vocabulary=SceneVocabulary(classes=CLASSES))
    with pytest.raises(UsageError, match="expected an image name without white space, found 'a b'"):
        scene.save(tmp_path, name="a b", write=["cityscapes"])
