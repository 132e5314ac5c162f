"""The devices that the core suite runs on."""

import pytest
import torch

DEVICES = ["cpu"]
DEVICES += ["cuda"] if torch.cuda.is_available() else []
DEVICES += ["mps"] if torch.backends.mps.is_available() else []


@pytest.fixture(params=DEVICES)
def device(request) -> torch.device:
    """Each device of this machine."""
    return torch.device(request.param)
