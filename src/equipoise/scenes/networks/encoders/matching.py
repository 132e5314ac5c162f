"""Published weights put into an encoder, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from equipoise.errors import RunError
from equipoise.scenes.networks.encoders.layouts import customary, same_spelling

COUNTER = "num_batches_tracked"
"""A counter of batch normalisation, which many files lack and nothing uses."""
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which tensors of a file fit an encoder.

    Attributes:
        tensors: those that fit, by the encoder's names.
        missing: the encoder's names for which the file has nothing.
        unused: the file's names for which the encoder has nothing, such as the classifier's.
        misshapen: the encoder's names for which the file has another shape, with what was expected and found.
    """

    tensors: dict[str, Tensor]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def wanted(self) -> int:
        """How many tensors the encoder has."""
        return len(self.tensors) + len(self.missing) + len(self.misshapen)

    @property
    def share(self) -> float:
        """The share of the encoder's tensors that the file has."""
        return len(self.tensors) / self.wanted

    def __str__(self) -> str:
        parts = [f"{len(self.tensors)} of the encoder's {self.wanted} tensors"]
        for word, names in (("missing", self.missing), ("not used", self.unused), ("other shapes", self.misshapen)):
            if names:
                parts.append(f"{word}: {listed(names)}")
        return "; ".join(parts)


def listed(names: tuple[str, ...], most: int = 3) -> str:
    """The number of names, and the first of them."""
    return f"{len(names)} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"


def match(tensors: Mapping[str, Tensor], encoder: nn.Module) -> Match:
    """Find each tensor of an encoder in a file, whatever wrappers stand before its names."""
    wanted = {name: tensor for name, tensor in encoder.state_dict().items() if not name.endswith(COUNTER)}
    given = {name: tensor for name, tensor in customary(tensors, wanted).items() if not name.endswith(COUNTER)}
    spelled = {same_spelling(name): name for name in given}
    source = {name: name if name in given else spelled.get(same_spelling(name), "") for name in wanted}
    fitting, misshapen = {}, []
    for name, tensor in wanted.items():
        found = given.get(source[name])
        if found is not None and found.shape == tensor.shape:
            fitting[name] = found
        elif found is not None:
            misshapen.append(f"{name} as {list(found.shape)} instead of {list(tensor.shape)}")
    return Match(
        tensors=fitting,
        missing=tuple(name for name in wanted if source[name] == ""),
        unused=tuple(sorted(given.keys() - set(source.values()))),
        misshapen=tuple(misshapen),
    )


def expect_match(found: Match, encoder: nn.Module, where: str, encoder_name: str, normalization: str = "batch") -> None:
    """Raise ``RunError`` for weights that are of another encoder, that are not finite, or that would be misread.

    Args:
        found: by ``match``.
        encoder: that the weights are for.
        where: the file, for the message.
        encoder_name: for the message.
        normalization: of the encoder; ``frozen`` needs the statistics of every layer.
    """
    if found.misshapen:
        raise RunError(
            f"{where}: expected the weights of {encoder_name}, found {listed(found.misshapen, 1)} with another shape: "
            "name the encoder that they were made for"
        )
    if 2 * len(found.tensors) < found.wanted:
        raise RunError(
            f"{where}: expected the weights of {encoder_name}, found {len(found.tensors)} of its {found.wanted} "
            f"tensors; it lacks {listed(found.missing)} and has {listed(found.unused) if found.unused else 'no others'}"
        )
    for name, tensor in found.tensors.items():
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise RunError(f"{where}: expected finite numbers, found others in {name}: the file is damaged")
    _expect_statistics(found, encoder, where, frozen=normalization == "frozen")


def _expect_statistics(found: Match, encoder: nn.Module, where: str, *, frozen: bool) -> None:
    """The weights of a network with batch normalisation mean nothing in one without, nor without its statistics."""
    lost = [name for name in found.unused if name.endswith(STATISTICS)]
    if lost and any(isinstance(module, nn.GroupNorm) for module in encoder.modules()):
        raise RunError(
            f"{where}: expected weights trained with group normalisation, found the statistics of batch normalisation "
            f"({lost[0]}): set model.normalization to 'batch' or 'frozen'"
        )
    for name in found.missing:
        layer, _, tensor = name.rpartition(".")
        if tensor in STATISTICS and (frozen or f"{layer}.weight" in found.tensors):
            raise RunError(f"{where}: expected the statistics of batch normalisation, found no {name}")
