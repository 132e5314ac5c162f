"""How far a computation of a model lies from PyTorch's in float32."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.errors import RunError
from equipoise.scenes.export.program import smallest_size
from equipoise.scenes.model.export_record import Agreement
from equipoise.scenes.model.joint import SceneModel

BOUND = 1e-3
"""The largest difference that an export may have, as a share of the spread of a task's output."""
LEAST_SPREAD = 1e-3
"""Of the size of an output that hardly varies."""


def check_images(model: SceneModel, multiple: int = 1) -> Iterator[Tensor]:
    """Images ``uint8`` of three sizes in batches of one, two and three: the size of training, half, and odd ones.

    Each height and width is rounded up to a ``multiple``.
    """
    generator, least = torch.Generator().manual_seed(0), smallest_size(model)
    height, width = model.description.input_size
    sizes = [(1, height, width), (2, height // 2, width // 2), (3, height // 3 | 1, width // 4 | 1)]
    for batch, *size in sizes:
        shape = [-(-max(each, least) // multiple) * multiple for each in size]
        coarse = torch.rand(batch, 3, 5, 7, generator=generator)
        smooth = functional.interpolate(coarse, size=shape, mode="bicubic", align_corners=False)
        noise = torch.rand(batch, 3, *shape, generator=generator) - 0.5
        yield ((smooth + 0.2 * noise).clamp(0, 1) * 255).round().to(torch.uint8)


def agreement(
    model: SceneModel, compute: Callable[[Tensor], Mapping[str, Tensor]], multiple: int = 1
) -> dict[str, Agreement]:
    """The largest difference of each task between ``compute`` and the model, over ``check_images``.

    Raises:
        RunError: one of the two gives numbers that are not finite, or other shapes.
    """
    differences: dict[str, float] = dict.fromkeys(model.tasks, 0.0)
    values: dict[str, list[Tensor]] = {name: [] for name in model.tasks}
    for images in check_images(model, multiple):
        expected, found = model.locations(images), compute(images)
        for name, value in expected.items():
            if found[name].shape != value.shape or not all(torch.isfinite(v).all() for v in (value, found[name])):
                raise RunError(
                    f"expected finite outputs {tuple(value.shape)} of {name}, found others {tuple(found[name].shape)}, "
                    "or infinite ones: train the run again"
                )
            differences[name] = max(differences[name], float((found[name] - value).abs().max()))
            values[name].append(value.flatten())
    return {name: _relative(difference, torch.cat(values[name])) for name, difference in differences.items()}


def _relative(difference: float, values: Tensor) -> Agreement:
    values = values.double()
    spread = max(float(values.std()), LEAST_SPREAD * float(values.square().mean().sqrt()), 1e-30)
    return Agreement(absolute=difference, relative=difference / spread, spread=spread)


def expect_agreement(found: Mapping[str, Agreement], what: str) -> None:
    """Raise ``RunError`` where a task's difference is above ``BOUND``."""
    for name, each in found.items():
        if not each.relative <= BOUND:
            raise RunError(
                f"{what}: expected differences from PyTorch of at most {BOUND:g} of the spread, found "
                f"{each.relative:.2g} for {name} ({each.absolute:.2g} with a spread of {each.spread:.2g}): nothing was "
                "written"
            )
