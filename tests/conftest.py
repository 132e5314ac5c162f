"""What several rooms of tests start from."""

from pathlib import Path

import pytest

from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a described data set and a recipe for it."""
    write_folder(tmp_path / "data")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=4))
    return tmp_path
