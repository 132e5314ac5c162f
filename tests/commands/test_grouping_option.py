"""``--grouping`` of evaluate and predict: the method is used and recorded, and mistakes end in one line."""

import json
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from equipoise.commands.evaluate import evaluate
from equipoise.commands.predict import predict
from equipoise.commands.train import train
from equipoise.errors import UsageError
from equipoise.scenes import load
from equipoise.scenes.grouping.group import METHODS
from equipoise.scenes.grouping.votes import nobody
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE
from tests.support.tiny import scene

needs_scikit_learn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a run whose folder no test changes, and its data."""
    root = tmp_path_factory.mktemp("grouping")
    write_folder(root / "data")
    (root / "recipe.toml").write_text(RECIPE.format(steps=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        train(root / "recipe.toml", out=root / "run")
    return root


@pytest.fixture
def root(trained, tmp_path, monkeypatch):
    """Return a copy of the run and its data to work in."""
    shutil.copytree(trained, tmp_path / "root")
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


@needs_scikit_learn
def test_figures_say_how_objects_were_found_and_have_files_of_their_own(root, capsys):
    evaluate(root / "run")
    usual = (root / "run/metrics.json").read_text()
    assert json.loads(usual)["grouping"] == "votes"
    evaluate(root / "run", grouping="optics", baselines=False)
    assert (root / "run/metrics.json").read_text() == usual
    assert json.loads((root / "run/metrics-grouping-optics.json").read_text())["grouping"] == "optics"
    evaluate(root / "run", grouping="optics", baselines=False, tile="32x48")
    assert (root / "run/metrics-tile32x48-grouping-optics.json").exists()


def test_the_method_that_is_named_groups(root, monkeypatch, capsys):
    asked = []
    monkeypatch.setitem(METHODS, "nobody", lambda votes: asked.append(len(votes.x)) or nobody(votes))
    evaluate(root / "run", grouping="nobody", baselines=False, json=True)
    assert len(asked) == 2, "one for each image, since the data have one group of classes"
    image = next((root / "data").rglob("*.png"))
    predict(root / "run", str(image), out=root / "out", grouping="nobody")
    record = json.loads((root / f"out/{image.stem}.json").read_text())
    assert record["instance"]["grouping"] == "nobody"
    assert record["instance"]["instances"] == []
    found = load(root / "run").predict(scene(0).image, grouping="nobody")
    assert found.grouping == "nobody"
    assert not found.instance.any()
    assert len(asked) == 4


def test_mistakes(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    image, usual = str(next((root / "data").rglob("*.png"))), (root / "run/metrics.json").read_text()
    for wrong, message in (
        ("dbscan", "--grouping: expected votes or optics, found 'dbscan'"),
        ("optics", '--grouping optics: expected scikit-learn, which is not installed: pip install "equipoise[optics]"'),
    ):
        with pytest.raises(UsageError) as raised:
            evaluate(root / "run", grouping=wrong)
        assert str(raised.value) == message
        with pytest.raises(UsageError) as raised:
            predict(root / "run", image, out=root / "out", grouping=wrong)
        assert str(raised.value) == message
        with pytest.raises(UsageError) as raised:
            load(root / "run").predict(np.zeros((48, 80, 3), np.uint8), grouping=wrong)
        assert str(raised.value) == message.removeprefix("--")
    assert [path.name for path in (root / "run").glob("metrics*")] == ["metrics.json"]
    assert (root / "run/metrics.json").read_text() == usual
    assert not (root / "out").exists()
