"""Modules that save named tensors which need not be parameters or buffers of their own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, device, nn


class NamedTensors(nn.Module, ABC):
    """A module whose state is what ``tensors`` returns; ``put`` sets one of them."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What is saved, by name."""

    @abstractmethod
    def put(self, name: str, value: Tensor) -> None:
        """Set one of ``tensors``."""

    @abstractmethod
    def materialize(self, where: device) -> None:
        """Move from the meta device to one with memory, in the initial state."""

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination |= {prefix + name: tensor for name, tensor in self.tensors().items()}

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        tensors = self.tensors()
        for name, own in tensors.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
            elif state_dict[key].shape != own.shape:
                error_msgs.append(f"{key}: expected shape {tuple(own.shape)}, found {tuple(state_dict[key].shape)}")
            elif own.is_meta and not local_metadata.get("assign_to_params_buffers"):
                error_msgs.append(f"{key}: this module is on the meta device: call to_empty, or load with assign=True")
            else:
                if self.tensors()[name].is_meta:
                    self.materialize(state_dict[key].device)
                self.put(name, state_dict[key])
        if strict:
            known = {prefix + name for name in tensors}
            unexpected_keys += [key for key in state_dict if key.startswith(prefix) and key not in known]
