"""What an object of TorchJD must be."""

import importlib


def expect_instance(value: object, module: str, kind: str) -> None:
    """Raise unless a value is an instance of a class of TorchJD."""
    try:
        expected = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "this method needs TorchJD, which is not installed: pip install 'equipoise[baselines]'"
        ) from None
    if not isinstance(value, expected):
        raise TypeError(f"expected an instance of {module}.{kind}, found {type(value).__name__}")
