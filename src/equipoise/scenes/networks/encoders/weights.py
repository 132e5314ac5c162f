"""Where an encoder's first weights come from: a file of the user's, a folder of weights, or the Hugging Face hub."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from equipoise.errors import RunError
from equipoise.scenes.io.tensors import read_tensors
from equipoise.scenes.networks.encoders import find_encoder
from equipoise.scenes.networks.encoders.encoder import EncoderModule
from equipoise.scenes.networks.encoders.matching import expect_match, match
from equipoise.scenes.networks.encoders.timm_models import PREFIX
from equipoise.scenes.networks.settings import IMAGENET

ON_THE_HUB = "model.safetensors"
VARIABLE = "EQUIPOISE_WEIGHTS"


@dataclass(frozen=True, kw_only=True)
class EncoderFile:
    """The file that an encoder's first weights came from, as a run records it.

    Attributes:
        name: of the file; for one from the hub its repository, too.
        sha256: of its content.
        tensors: how many of the encoder's tensors it gave.
        missing: how many it lacks; they start from random values.
    """

    name: str
    sha256: str
    tensors: int
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class EncoderWeights:
    """The first weights of an encoder.

    Attributes:
        file: what to record.
        tensors: by the encoder's names.
        notice: a line for the user: which file, how much of it fits.
    """

    file: EncoderFile
    tensors: dict[str, Tensor]
    notice: str

    def load(self, encoder: EncoderModule) -> None:
        """Copy them into an encoder of the same kind."""
        encoder.load_state_dict(self.tensors, strict=False)


def encoder_weights(
    encoder_name: str, asked: str, encoder: EncoderModule, normalization: str = "batch"
) -> EncoderWeights:
    """Find and read the weights that ``model.encoder_weights`` asks for.

    Args:
        encoder_name: of the encoder.
        asked: ``"imagenet"``, or the path of a safetensors file.
        encoder: of that name, on any device; it is not changed.
        normalization: as the encoder was built.

    Raises:
        RunError: there is no such file, or it is not of this encoder.
    """
    path, name = imagenet_file(encoder_name) if asked == IMAGENET else (Path(asked), Path(asked).name)
    if not path.exists():
        raise RunError(
            f"model.encoder_weights: expected a safetensors file at {path}, found none: check the path, or make one "
            "from a .pth file with equipoise convert-weights"
        )
    found = match(read_tensors(path), encoder)
    expect_match(found, encoder, str(path), encoder_name, normalization)
    sha256 = digest(path)
    file = EncoderFile(name=name, sha256=sha256, tensors=len(found.tensors), missing=len(found.missing))
    notice = f"the encoder starts from {path} (SHA-256 {sha256[:12]}…): {found}"
    return EncoderWeights(file=file, tensors=found.tensors, notice=notice)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_folder() -> Path:
    """The user's folder of weights: ``$EQUIPOISE_WEIGHTS``, or ``equipoise/weights`` below ``$XDG_DATA_HOME``."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "equipoise" / "weights"


def imagenet_name(encoder_name: str) -> str:
    """The name of an encoder's file in the folder of weights."""
    return f"{encoder_name.removeprefix(PREFIX)}.safetensors"


def imagenet_file(encoder_name: str) -> tuple[Path, str]:
    """The file of ImageNet weights, and its name for the record.

    Looks in the folder of weights, then in the cache of the Hugging Face hub, then downloads from there.

    Raises:
        RunError: none of them has it; says where to put the file.
    """
    if (here := imagenet_file_here(encoder_name)) is not None:
        return here
    local = weights_folder() / imagenet_name(encoder_name)
    repository = find_encoder(encoder_name).weights.get(IMAGENET)
    if repository is None:
        raise RunError(
            f'model.encoder_weights: expected a file, found "imagenet": {encoder_name} has no published weights; put '
            f"your own at {local}, or leave the key out"
        )
    if (path := _downloaded(repository)) is not None:
        return path, f"{repository}/{ON_THE_HUB}"
    raise RunError(
        f"model.encoder_weights: expected the ImageNet weights of {encoder_name}, found none here and no way to "
        f"download https://huggingface.co/{repository}: put them at {local}; equipoise convert-weights FILE.pth makes "
        "such a file"
    )


def imagenet_file_here(encoder_name: str) -> tuple[Path, str] | None:
    """The same file and name where this machine has it; ``None`` where it would have to be downloaded."""
    local = weights_folder() / imagenet_name(encoder_name)
    if local.exists():
        return local, local.name
    repository = find_encoder(encoder_name).weights.get(IMAGENET)
    if repository is None or (cached := _cached(repository)) is None:
        return None
    return cached, f"{repository}/{ON_THE_HUB}"


def _cached(repository: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return None
    found = try_to_load_from_cache(repository, ON_THE_HUB)
    return Path(found) if isinstance(found, str) else None


def _downloaded(repository: str) -> Path | None:
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError:
        return None
    try:
        return Path(hf_hub_download(repository, ON_THE_HUB))
    except Exception:  # Of requests, httpx, the hub or the operating system, by version; all mean that it is not here.
        return None
