"""The devices that the core suite runs on."""

import pytest
import torch

from tests.core.settings import DEVICES


@pytest.fixture(params=DEVICES)
def device(request) -> torch.device:
    """Each device of this machine."""
    return torch.device(request.param)
