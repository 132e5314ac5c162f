"""Encoders of timm, by name: any whose ``features_only`` form takes images of every size.

timm is imported when a name that is not ours is used. Names are those of timm's own list of models, with or without the
tag of their weights (``resnet50``, ``resnet50.a1_in1k``); addresses of hubs and folders are not accepted.
"""

import difflib
import importlib.util
import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from equipoise.errors import RecipeError
from equipoise.scenes.networks.encoders.encoder import IMAGENET, Encoder, EncoderModule, Preprocessing
from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators

PREFIX = "timm/"
STRIDES = (8, 16, 32)
USUAL = 32
"""The output stride of most families; some take no other."""
NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")
PROBE = (64, 96)
"""Height and width of the image whose features are looked at before an encoder is used."""


def may_be_timm(encoder_name: str) -> bool:
    """Whether a name is spelled as timm's are, with or without ``timm/``."""
    return NAME.fullmatch(encoder_name.removeprefix(PREFIX)) is not None


def has_timm() -> bool:
    """Whether timm is installed."""
    return "timm" in sys.modules or importlib.util.find_spec("timm") is not None


def import_timm() -> Any:
    """The package ``timm``, whichever torchvision lies beside it."""
    declare_missing_operators()
    import timm

    return timm


def find_timm(encoder_name: str) -> Encoder | None:
    """The entry for a name of timm's, with or without ``timm/``; ``None`` where timm has no such model."""
    name = encoder_name.removeprefix(PREFIX)
    if not may_be_timm(encoder_name) or not (timm := import_timm()).is_model(name):
        return None
    try:
        published = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # A tag that timm does not know.
        return None
    return Encoder(
        build=partial(TimmEncoder, encoder_name),
        strides=STRIDES,
        preprocessing=_preprocessing(published),
        weights={"imagenet": published.hf_hub_id} if published is not None and published.hf_hub_id else {},
    )


def similar_names(encoder_name: str) -> list[str]:
    """The name of timm's that is spelled most alike, if one is near; none where timm is not installed."""
    if not has_timm():
        return []
    known = import_timm().list_models()
    return difflib.get_close_matches(encoder_name.removeprefix(PREFIX).partition(".")[0], known, n=1, cutoff=0.6)


def _preprocessing(published: Any) -> Preprocessing:
    """Mean and standard deviation of timm's description, which are fractions of white."""
    if published is None:
        return IMAGENET
    return Preprocessing(mean=tuple(published.mean), std=tuple(published.std), input_max=1.0)


class TimmEncoder(EncoderModule):
    """A model of timm, without its classifier.

    Its normalisation is its own: ``batch`` leaves it as it is, ``frozen`` keeps the stored statistics of its batch
    normalisation, and ``group`` is for families that have none.

    Raises:
        RecipeError: the family has no such output stride, or none at all for images of any size; or batch
            normalisation and ``normalization`` do not go together.
    """

    def __init__(self, encoder_name: str, output_stride: int, normalization: str) -> None:
        super().__init__()
        self.encoder_name = encoder_name
        self.places, self.channels = _expect_stride(encoder_name, output_stride)
        self.body = _make(encoder_name, output_stride)
        self.frozen = normalization == "frozen"
        has_batch = any(isinstance(module, _BatchNorm) for module in self.body.modules())
        if has_batch and normalization == "group":
            raise RecipeError(
                f"model.normalization: expected 'batch' or 'frozen', found 'group': {encoder_name} has batch "
                "normalisation of its own"
            )
        if self.frozen and not has_batch:
            raise RecipeError(
                f"model.normalization: expected 'batch' or 'group', found 'frozen': {encoder_name} has no batch "
                "normalisation whose statistics could be kept"
            )
        self.train(self.training)

    def initialize(self) -> None:
        """Leave the first weights as timm draws them."""

    def synchronize(self) -> None:
        """By timm's own function, as its layers of normalisation may hold an activation that PyTorch's would drop."""
        if not self.frozen:
            self.body = import_timm().layers.convert_sync_batchnorm(self.body)

    def train(self, mode: bool = True) -> "TimmEncoder":
        """As any module's, but frozen statistics stay as they are."""
        super().train(mode)
        for module in self.body.modules():
            if self.frozen and isinstance(module, _BatchNorm):
                module.training = False
        return self

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Preprocessed images to features."""
        found = self.body(images)
        return {stride: found[index] for stride, index in self.places.items()}

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """One for each of timm's feature maps: what takes part in it, and not in the map before."""
        own = dict(self.body.named_parameters())
        return [[own[name] for name in names] for names in _names_by_stage(self.encoder_name, self.output_stride)]


def _make(encoder_name: str, output_stride: int) -> nn.Module:
    """A module of timm with random weights; raises whatever timm does where the family cannot."""
    asked = {} if output_stride == USUAL else {"output_stride": output_stride}
    name = encoder_name.removeprefix(PREFIX)
    made: nn.Module = import_timm().create_model(name, pretrained=False, features_only=True, **asked)
    return made


ByStride = dict[int, int]


def _probe(encoder_name: str, output_stride: int) -> tuple[ByStride, ByStride]:
    """By stride, the place of the deepest features among timm's, and their channels.

    Runs on the meta device, where nothing is computed; raises whatever timm does where the family cannot.
    """
    with torch.device("meta"), torch.no_grad():
        found = _make(encoder_name, output_stride).eval()(torch.zeros(1, 3, *PROBE))
    places = {PROBE[0] // each.shape[2]: index for index, each in enumerate(found)}
    fits = all(each.dim() == 4 and PROBE[1] // each.shape[3] == PROBE[0] // each.shape[2] for each in found)
    if not fits or list(places) != sorted(places) or max(places) != output_stride:
        raise ValueError("expected features as (B, C, H/stride, W/stride), from fine to coarse")
    return places, {stride: found[index].shape[1] for stride, index in places.items()}


def _names_by_stage(encoder_name: str, output_stride: int) -> list[list[str]]:
    """The names of parameters by the first feature map whose gradient reaches them, on the meta device.

    Raises:
        RecipeError: a map is not made from the map before it, as in HRNet, whose branches run side by side.
    """
    with torch.device("meta"), torch.enable_grad():
        body = _make(encoder_name, output_stride).eval()
        found = body(torch.zeros(1, 3, *PROBE))
    names, parameters = zip(*body.named_parameters(), strict=True)
    stages: list[list[str]] = []
    earlier: set[str] = set()
    for each in found:
        gradients = torch.autograd.grad(each.sum(), parameters, retain_graph=True, allow_unused=True)
        reached = [name for name, gradient in zip(names, gradients, strict=True) if gradient is not None]
        if not earlier <= set(reached):
            raise RecipeError(
                f"optimizer.encoder_lr_decay: expected 1 for {encoder_name}, which has no stages that follow one "
                "another: leave the key out, or choose another encoder"
            )
        stages.append([name for name in reached if name not in earlier])
        earlier |= set(reached)
    stages[-1] += [name for name in names if name not in earlier]
    return [stage for stage in stages if stage]


def _works(encoder_name: str, output_stride: int) -> bool:
    try:
        _probe(encoder_name, output_stride)
    except Exception:  # A family that cannot raises anything: TypeError, AssertionError, RuntimeError …
        return False
    return True


def _expect_stride(encoder_name: str, output_stride: int) -> tuple[ByStride, ByStride]:
    """What ``_probe`` finds; raises ``RecipeError`` with the strides that the family has instead."""
    if _works(encoder_name, output_stride):
        return _probe(encoder_name, output_stride)
    others = [stride for stride in STRIDES if stride != output_stride and _works(encoder_name, stride)]
    if others:
        raise RecipeError(
            f"model.output_stride: expected {' or '.join(map(str, others))} for {encoder_name}, found {output_stride}"
        )
    raise RecipeError(
        f"model.encoder_name: {encoder_name} gives no feature maps for images of any size (vision transformers have a "
        "fixed one): choose another, such as convnext_tiny, efficientnet_b0 or regnety_016"
    )
