"""The names of tensors in published files, brought to those of an encoder."""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

Tensors = dict[str, Tensor]

WRAPPERS = ("module.", "model.", "network.")
"""What stands before every name where a model was wrapped: by DataParallel, say."""
PARTS = ("encoder_q.", "base_encoder.", "network.encoder.", "backbone.", "encoder.")
"""What stands before the names of the encoder in files that hold more: of MoCo, of segmentation models, of our runs."""


def unwrapped(tensors: Mapping[str, Tensor]) -> Tensors:
    """The tensors without the prefixes of wrappers; of a file that holds other parts, too, the encoder alone.

    >>> from torch import zeros
    >>> list(unwrapped({"module.encoder_q.conv1.weight": zeros(1), "module.encoder_k.conv1.weight": zeros(1)}))
    ['conv1.weight']
    """
    found = dict(tensors)
    while found:
        if (wrapper := _common(found, WRAPPERS)) is not None:
            found = {name.removeprefix(wrapper): tensor for name, tensor in found.items()}
        elif (part := next((p for p in PARTS if any(name.startswith(p) for name in found)), None)) is not None:
            found = {name.removeprefix(part): tensor for name, tensor in found.items() if name.startswith(part)}
        else:
            break
    return found


def customary(tensors: Mapping[str, Tensor], wanted: Iterable[str]) -> Tensors:
    """The tensors by the names that torchvision and timm give them, unwrapped.

    Args:
        tensors: of a file.
        wanted: the names of the encoder that they are for.
    """
    found = unwrapped(tensors)
    return from_efficientnet_pytorch(found, wanted) if is_efficientnet_pytorch(found) else found


def _common(names: Iterable[str], prefixes: tuple[str, ...]) -> str | None:
    return next((prefix for prefix in prefixes if all(name.startswith(prefix) for name in names)), None)


def same_spelling(name: str) -> str:
    """A name as both timm's models and their ``features_only`` forms have it, which turn some dots into underscores.

    >>> same_spelling("body.stages_0.blocks.0.norm.weight") == same_spelling("stages.0.blocks.0.norm.weight")
    True
    """
    return re.sub(r"^(body\.)?(model\.)?", "", name).replace(".", "_")


def is_efficientnet_pytorch(names: Iterable[str]) -> bool:
    """Whether names are those of the package EfficientNet-PyTorch, or of efficientnet_lite_pytorch."""
    return {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight"} <= set(names)


def from_efficientnet_pytorch(tensors: Mapping[str, Tensor], wanted: Iterable[str]) -> Tensors:
    """EfficientNet-PyTorch's names turned into timm's.

    That package numbers its blocks through; timm numbers them stage by stage, and names the layers of a block without
    expansion otherwise.

    Args:
        tensors: by the package's names.
        wanted: timm's names of the same network, which say how many blocks each stage has.
    """
    places = sorted({(int(s), int(b)) for s, b in (found.groups() for found in map(BLOCK.search, wanted) if found)})
    expanded = {int(n[8:].split(".")[0]) for n in tensors if "._expand_conv." in n}
    renamed = {}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name)
        if found is None:
            layer, _, rest = name.partition(".")
            renamed[f"{OUTSIDE.get(layer, layer)}.{rest}"] = tensor
        elif (number := int(found[1])) < len(places):
            stage, block = places[number]
            layers = EXPANDED if number in expanded else UNEXPANDED
            renamed[f"blocks.{stage}.{block}.{layers.get(found[2], found[2])}.{found[3]}"] = tensor
        else:
            renamed[name] = tensor
    return renamed


BLOCK = re.compile(r"\bblocks\.(\d+)\.(\d+)\.")
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
EXPANDED = SQUEEZE | {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
UNEXPANDED = SQUEEZE | {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
