"""Several data sets as one: classes by name, what a set does not label stays without a label."""

from dataclasses import replace

import numpy as np
import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.data.joined import JoinedDataset, RenamedDataset, renamed, union
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset


def names(vocabulary: SceneVocabulary) -> list[str]:
    return [c.name for c in vocabulary.classes]


def test_classes_of_one_name_are_one():
    together = union({"a": VOCABULARY, "b": PhotoDataset().vocabulary})
    assert names(together) == ["ground", "box", "sky", "tree"]
    assert together.sky == 2
    assert together.inverse_depth_unit == "px"
    assert together.labels == VOCABULARY.labels
    assert together.countable == (1,)


def test_renaming_merges_and_takes_away():
    vocabulary, table = renamed(VOCABULARY, {"box": "ground", "sky": "heaven"})
    assert names(vocabulary) == ["ground", "heaven"]
    assert vocabulary.sky == 1
    assert table[:4].tolist() == [0, 0, 1, IGNORE]
    vocabulary, table = renamed(VOCABULARY, {"sky": ""})
    assert names(vocabulary) == ["ground", "box"]
    assert vocabulary.sky is None
    assert table[:4].tolist() == [0, 1, IGNORE, IGNORE]
    assert table[IGNORE] == IGNORE


def test_a_class_is_not_called_a_blank():
    with pytest.raises(RecipeError, match="without surrounding spaces"):
        renamed(VOCABULARY, {VOCABULARY.classes[0].name: " "})


def test_a_class_that_is_not_there():
    with pytest.raises(RecipeError, match="found 'boxx': did you mean 'box'"):
        renamed(VOCABULARY, {"boxx": "ground"})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            replace(VOCABULARY, inverse_depth_unit="1/m"),
            r"one unit of inverse depth in all data sets, found px \(a\), 1/m",
        ),
        (replace(VOCABULARY, sky=0), r"one class that is the sky in all data sets, found sky \(a\), ground \(b\)"),
        (
            SceneVocabulary(classes=tuple(SceneClass(name=str(k), color=(0, 0, 0)) for k in range(253))),
            "at most 255 classes in all data sets, found 256",
        ),
    ],
)
def test_sets_that_do_not_go_together(other, words):
    with pytest.raises(RecipeError, match=words):
        union({"a": VOCABULARY, "b": other})


def test_joined_samples_mean_the_same():
    tiny, photos = TinyDataset(3), PhotoDataset(2)
    joined = JoinedDataset({"tiny": tiny, "photos": photos}, [1, 3])
    assert len(joined) == 3 + 2 * 3
    assert joined.names[:4] == ("tiny/tiny/000", "tiny/tiny/001", "tiny/tiny/002", "photos/photo/000")
    for index, (source, own) in enumerate([(tiny, 0), (tiny, 1), (tiny, 2), *[(photos, 0), (photos, 1)] * 3]):
        sample, given = joined[index], source[own]
        assert np.array_equal(sample.image, given.image)
        meant = [joined.vocabulary.classes[k].name if k != IGNORE else "" for k in sample.labels["semantic"].ravel()]
        wanted = [source.vocabulary.classes[k].name if k != IGNORE else "" for k in given.labels["semantic"].ravel()]
        assert meant == wanted
        assert ("instance" not in sample.labels) == ("instance" not in given.labels)
    assert not joined[4].labels.keys() & {"instance", "inverse_depth"}


def test_fingerprints_follow_the_sets_and_the_names():
    plain = RenamedDataset(TinyDataset(3), {})
    assert plain.fingerprint() != RenamedDataset(TinyDataset(3), {"box": "ground"}).fingerprint()
    assert plain.fingerprint() != RenamedDataset(TinyDataset(4), {}).fingerprint()


def test_an_image_weighs_what_its_set_does():
    together = JoinedDataset({"a": TinyDataset(), "b": PhotoDataset()}, [1, 1], [1.0, 0.25])
    first = len(TinyDataset())
    assert together[first - 1].weight == 1.0
    assert together[first].weight == 0.25
