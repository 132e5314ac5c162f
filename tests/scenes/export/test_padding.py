"""Convolutions that pad as TensorFlow does are the same with fixed padding; sizes that do not fit are refused."""

import pytest
import torch
from torch import nn

from equipoise.errors import RunError
from equipoise.scenes.export.export import _expect_size
from equipoise.scenes.export.padding import pads_by_size, with_fixed_padding
from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators
from tests.support.models import trained


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, (3, 5)])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)])
def test_the_same_at_multiples_of_the_stride(kernel, stride, dilation):
    pytest.importorskip("timm")
    declare_missing_operators()
    from timm.layers import Conv2dSame

    torch.manual_seed(0)
    model = nn.Sequential(Conv2dSame(4, 6, kernel, stride, dilation=dilation, groups=2), nn.ReLU())
    fixed = with_fixed_padding(model)
    assert (pads_by_size(model), pads_by_size(fixed)) == (True, False)
    for size in ((16, 24), (32, 16)):
        images = torch.randn(2, 4, *size)
        torch.testing.assert_close(fixed(images), model(images))


def test_other_convolutions_stay():
    assert not pads_by_size(nn.Sequential(nn.Conv2d(3, 4, 3, padding="same")))


def test_a_model_for_another_size_than_the_multiples():
    model = trained(tasks=("depth",), size=(40, 64))
    with pytest.raises(RunError, match=r"sizes that are multiples of 32.*found one for 40x64"):
        _expect_size(model, 32)
    _expect_size(model, 8)
