"""Time of a training step with ``MultiTaskLikelihood``, relative to the same step with a hand-written weighted sum."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

import equipoise as eq
from benchmarks.measure import side_by_side
from equipoise.scenes.networks.network import SceneNetwork

HEADS = {"semantic": 19, "instance": 2, "depth": 1}


def hand_written(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    """The usual hand-written loss: fixed weights; only the ignored class and NaN count as missing labels."""
    instance, depth = (~targets[name].isnan() for name in ("instance", "depth"))
    cross_entropy = functional.cross_entropy(outputs["semantic"].float(), targets["semantic"], ignore_index=255)
    offsets = functional.l1_loss(outputs["instance"].float()[instance], targets["instance"][instance])
    disparity = functional.l1_loss(outputs["depth"].float()[depth], targets["depth"][depth])
    return 1.5 * cross_entropy + 0.3 * offsets + 1.9 * disparity


def likelihoods(**noise: object) -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood(
        {
            "semantic": eq.Categorical(ignore_index=255, **noise),
            "instance": eq.Laplace(**noise),
            "depth": eq.Laplace(**noise),
        }
    )


def scene_batch(size: tuple[int, int], count: int) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    images = torch.randint(0, 255, (count, 3, *size), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    targets = {
        "semantic": torch.randint(0, 19, (count, *size)),
        "instance": torch.randn(count, 2, *size),
        "depth": torch.randn(count, 1, *size),
    }
    targets["semantic"][:, :6] = 255
    targets["instance"][torch.rand(count, 1, *size).expand(-1, 2, -1, -1) < 0.8] = float("nan")
    targets["depth"][torch.rand(count, 1, *size) < 0.1] = float("nan")
    return images, targets


def step(network: torch.nn.Module, loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()


def on_the_scene_network(noise: dict[str, object]) -> str:
    size, count = (128, 256), 4
    images, targets = scene_batch(size, count)
    steps = []
    for ours in (True, False):
        network = SceneNetwork(
            encoder_name="small",
            output_stride=8,
            aspp_channels=128,
            decoder_channels=None,
            normalization="batch",
            heads=HEADS,
            input_size=size,
        ).to(memory_format=torch.channels_last)
        likelihood = likelihoods(**noise)
        optimizer = torch.optim.AdamW(eq.param_groups(network, likelihood, lr=1e-4), foreach=True)

        def loss(network=network, likelihood=likelihood, ours=ours) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                outputs = network(images)
            return likelihood(outputs, targets).loss if ours else hand_written(outputs, targets)

        steps.append(lambda network=network, loss=loss, optimizer=optimizer: step(network, loss, optimizer))
    ratio = side_by_side(*steps, rounds=31)
    return f"scene network, {noise}: {ratio} of the hand-written sum (aim: at most 1.02)"


def run() -> list[str]:
    return [on_the_scene_network(noise) for noise in ({"update": "gradient"}, {"update": "closed_form"})]
