"""Make torchvision importable where its compiled operators do not fit the installed torch.

timm imports torchvision, whose import fails with "operator torchvision::nms does not exist" where its binary was built
for another torch: with a CPU build of torch from another index, say. No encoder calls these operators, so declaring
their names is enough. Code that calls one gets PyTorch's error that it is not implemented.
"""

import contextlib
import importlib
import importlib.util
import sys

import torch

_FORWARD = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
OPERATORS = ("nms", "qnms", "qroi_align", *_FORWARD, *(f"_{name}_backward" for name in _FORWARD))

_declared: list[torch.library.Library] = []  # A library that is garbage collected takes its operators with it.


def declare_missing_operators() -> None:
    """Declare torchvision's operators where torchvision is installed but cannot be imported without them."""
    if _declared or "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        _declared.append(library)
        for name in OPERATORS:
            with contextlib.suppress(RuntimeError):  # A build may bring some of them.
                library.define(f"{name}(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
