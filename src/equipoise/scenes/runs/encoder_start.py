"""What the encoder of a run starts from: read when the run is new, and only compared when it is resumed."""

from collections.abc import Callable
from pathlib import Path

from equipoise.errors import RunError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.encoders.weights import (
    ON_THE_HUB,
    EncoderWeights,
    digest,
    encoder_weights,
    imagenet_file_here,
    imagenet_name,
)
from equipoise.scenes.networks.settings import IMAGENET
from equipoise.scenes.runs.record import RunRecord


def first_weights(recipe: Recipe, model: SceneModel, on_notice: Callable[[str], None]) -> EncoderWeights | None:
    """The weights that a new run's encoder starts from; ``None`` for random ones.

    Args:
        recipe: what ``model.encoder_weights`` asks for.
        model: of the recipe, on any device; it is not changed.
        on_notice: called with a line that says which file it is, and how much of it fits.

    Raises:
        RunError: there is no such file, or it is not of this encoder.
    """
    asked = recipe.model
    if asked.encoder_weights is None:
        return None
    found = encoder_weights(asked.encoder_name, asked.encoder_weights, model.network.encoder, asked.normalization)
    on_notice(found.notice)
    return found


def expect_same_weights(recipe: Recipe, record: RunRecord) -> None:
    """Raise ``RunError`` where a resumed run's recipe names other first weights; the file itself may be gone.

    A file that is there is compared by its content, one that is gone by its name. For ``"imagenet"`` that is the file
    which a new run would take, if this machine has it: nothing is downloaded.
    """
    asked, known = recipe.model.encoder_weights, record.encoder_weights
    if (asked is None) != (known is None) or (asked and known and not _may_be(asked, known.name, recipe)):
        began = "random weights" if known is None else known.name
        raise RunError(
            f"model.encoder_weights: expected {began}, which this run started from, found {asked or 'none'}: restore "
            "it, or start a new run with --out"
        )
    if asked is None or known is None or (path := _file_here(asked, recipe.model.encoder_name)) is None:
        return
    if (sha256 := digest(path)) != known.sha256:
        raise RunError(
            f"{path}: expected the file that this run's encoder started from (SHA-256 {known.sha256[:12]}…), found "
            f"another ({sha256[:12]}…): restore it, or start a new run with --out"
        )


def _file_here(asked: str, encoder_name: str) -> Path | None:
    """The file that a recipe's words stand for, where this machine has it."""
    if asked == IMAGENET:
        found = imagenet_file_here(encoder_name)
        return None if found is None else found[0]
    return Path(asked) if Path(asked).is_file() else None


def _may_be(asked: str, name: str, recipe: Recipe) -> bool:
    """Whether a recipe's words may stand for the file of this name."""
    if asked == IMAGENET:
        return name in (imagenet_name(recipe.model.encoder_name), name.rpartition("/")[0] + f"/{ON_THE_HUB}")
    return Path(asked).is_file() or Path(asked).name == name
