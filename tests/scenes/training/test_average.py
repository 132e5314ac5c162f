"""The moving average of a model: the formula by hand, and what it does to the model it averages."""

from contextlib import suppress

import pytest
import torch
from torch import nn

from equipoise.errors import RunError
from equipoise.scenes.training.average import Average, tensors_of


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))


def change(model: nn.Module) -> None:
    """A training step's worth of changes, statistics included."""
    with torch.no_grad():
        model(torch.randn(2, 3, 4, 4))
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_the_formula_by_hand():
    model = small_model()
    average, expected = Average(model, 0.9), {n: v.clone() for n, v in tensors_of(model).items()}
    for step in range(1, 200):
        change(model)
        average.update(step)
        keep = min(0.9, (1 + step) / (10 + step))
        for name, value in tensors_of(model).items():
            counts = not value.is_floating_point()
            expected[name] = value.clone() if counts else keep * expected[name] + (1 - keep) * value
    assert expected.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"} | {
        f"1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    for name, value in expected.items():
        assert torch.allclose(average.values[name].float(), value.detach().float(), rtol=1e-4, atol=1e-5), name


def test_the_model_gets_its_own_values_back_to_the_bit():
    model = small_model()
    average = Average(model, 0.5)
    change(model)
    average.update(1)
    own = {name: value.clone() for name, value in tensors_of(model).items()}
    with suppress(KeyboardInterrupt), average.applied():
        for name, value in tensors_of(model).items():
            assert torch.equal(value, average.values[name])
        raise KeyboardInterrupt
    assert all(torch.equal(value, own[name]) for name, value in tensors_of(model).items())
    assert not torch.equal(own["0.weight"], average.values["0.weight"])


def test_another_model_s_average_is_refused():
    average = Average(small_model(), 0.5)
    with pytest.raises(RunError, match="expected the average of this model"):
        average.load({"0.weight": torch.zeros(2, 3, 1, 1)}, "average.safetensors")


def test_an_update_reads_nothing_back():
    with torch.device("meta"):
        model = small_model()
        average = Average(model, 0.9)
        average.update(3)
        with average.applied():
            pass
    assert {value.device.type for value in average.values.values()} == {"meta"}
