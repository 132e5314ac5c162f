"""Fixtures shared by several test packages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE

declare_missing_operators()  # torchmetrics imports torchvision, which may not fit the installed torch.


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use a temporary cache folder instead of the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with a described data set and a recipe for it."""
    write_folder(tmp_path / "data")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=4))
    return tmp_path
