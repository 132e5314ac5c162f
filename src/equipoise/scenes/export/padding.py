"""Convolutions that pad as TensorFlow does, by amounts that depend on the image, made to pad by fixed ones.

PyTorch traces the sizes behind a chain of them for minutes, or without end.
"""

import copy
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def pads_by_size(model: nn.Module) -> bool:
    """Whether a model has such convolutions: timm's ``tf_…`` models do."""
    return any(_is_same(module) for module in model.modules())


def with_fixed_padding(model: Module) -> Module:
    """A copy that gives the same answers for images whose sizes are multiples of the model's strides.

    A convolution of kernel k, dilation d and stride s then pads max(d·(k − 1) + 1 − s, 0) pixels, an odd one at the
    end.
    """
    fixed = copy.deepcopy(model)
    for parent in list(fixed.modules()):
        for name, child in list(parent.named_children()):
            if _is_same(child):
                setattr(parent, name, _fixed(child))
    return fixed


def _is_same(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and type(module).__name__ == "Conv2dSame"


def _fixed(module: nn.Module) -> nn.Sequential:
    assert isinstance(module, nn.Conv2d)
    pads: list[int] = []
    for axis in (1, 0):  # Width first, as padding counts from the last axis.
        total = max(module.dilation[axis] * (module.kernel_size[axis] - 1) + 1 - module.stride[axis], 0)
        pads += [total // 2, total - total // 2]
    convolution = nn.Conv2d(
        module.in_channels,
        module.out_channels,
        (module.kernel_size[0], module.kernel_size[1]),
        (module.stride[0], module.stride[1]),
        0,
        (module.dilation[0], module.dilation[1]),
        module.groups,
    )
    convolution.weight, convolution.bias = module.weight, module.bias
    return nn.Sequential(nn.ZeroPad2d((pads[0], pads[1], pads[2], pads[3])), convolution)
