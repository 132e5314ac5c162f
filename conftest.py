"""The folder of a small run for the examples in docstrings of the scene system."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an untrained model of three tasks."""
    import torch

    from equipoise.scenes.labels.vocabulary import SceneClass, SceneVocabulary
    from equipoise.scenes.model.description import ModelDescription
    from equipoise.scenes.model.files import model_files
    from equipoise.scenes.model.joint import SceneModel
    from equipoise.scenes.networks.settings import ModelRecipe

    classes = (SceneClass(name="road", color=(90, 90, 90)), SceneClass(name="car", color=(0, 0, 142), countable=True))
    labels = ("semantic", "instance", "inverse_depth")
    description = ModelDescription(
        tasks=("semantic", "instance", "depth"),
        vocabulary=SceneVocabulary(labels=labels, classes=classes, inverse_depth_unit="px"),
        input_size=(32, 64),
        model=ModelRecipe(aspp_channels=8),
        likelihood={},
    )
    folder = tmp_path_factory.mktemp("run")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        files = model_files(SceneModel(description))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def _run_for_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    if isinstance(request.node, pytest.DoctestItem) and "equipoise.scenes" in request.node.name:
        doctest_namespace["demo_run"] = request.getfixturevalue("demo_run")
