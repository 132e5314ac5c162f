"""TorchJD's FAMO in a training run: it learns its weights from the losses before and after each step."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Adam

from equipoise import JointLoss
from equipoise.errors import RunError
from equipoise.scenes.training.optimizer import FUSED
from equipoise.scenes.training.update import step_if
from equipoise.weighting import Scalarized

if TYPE_CHECKING:
    from torchjd.scalarization import FAMO

MOMENTS = ("exp_avg", "exp_avg_sq")


class Famo(Scalarized):
    r"""FAMO, given the new losses of the same batch after each step.

    Its logits w_k move along δ_k = log L_k − log L_k′, L′ being the losses after the step, by an Adam of its own. See
    Liu, Feng, Stone & Liu, "FAMO: Fast Adaptive Multitask Optimization" (NeurIPS 2023).

    Args:
        scalarizer: TorchJD's, on the device of the losses.
    """

    def __init__(self, scalarizer: "FAMO") -> None:
        super().__init__(scalarizer)
        self._own_step = None  # Training calls ``update`` itself, so no warning need ask for it.
        self._update: Callable[[Tensor], None] = scalarizer.update
        self.logits: torch.nn.Parameter = scalarizer._w
        # TorchJD would make the same one at its first step, not fused, so that a GPU could not leave a step out.
        fused = True if self.logits.device.type in FUSED else None
        self.adam = Adam([self.logits], lr=scalarizer.lr, weight_decay=scalarizer.weight_decay, fused=fused)
        scalarizer._optimizer = self.adam

    @torch.no_grad()
    def update(self, joint: JointLoss, new: Mapping[str, Tensor], is_taken: Tensor) -> None:
        """Move the logits; reads nothing back off the CPU.

        They stay as they are where the step was not taken, and where a new loss is not finite: if the network is
        broken, the next batch's loss says so.

        Args:
            joint: the losses of the batch before the step. A task without labels in it has not changed.
            new: each task's standardized loss after the step.
            is_taken: whether the optimizer changed the weights, a Boolean scalar.
        """
        values = self.values_after(joint, new)
        is_wanted = is_taken & values.isfinite().all()
        if is_wanted.device.type != "cpu":
            step_if(self.adam, is_wanted, lambda: self._update(values))
        elif is_wanted:
            self._update(values)

    def state_dict(self) -> dict[str, float]:
        """The logits, the state of their Adam, and each task's last loss, as numbers."""
        moved = self.adam.state.get(self.logits, {})
        vectors = {"logits": self.logits, **{key: moved[key] for key in MOMENTS if key in moved}}
        found = {f"{key}.{i}": value for key, v in vectors.items() for i, value in enumerate(v.tolist())}
        losses = {f"loss.{name}": float(loss) for name, loss in self._last.items()}
        return found | losses | {"steps": float(moved.get("step", 0.0))}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, float], device: torch.device) -> None:
        """Continue from what ``state_dict`` returned.

        Raises:
            RunError: it is not the state of so many tasks.
        """

        def vector(key: str) -> Tensor:
            values = [state[f"{key}.{i}"] for i in range(len(self.logits))]
            return torch.tensor(values, dtype=self.logits.dtype, device=device)

        try:
            self.logits.copy_(vector("logits"))
            packed = self.adam.state_dict()
            if steps := state["steps"]:
                packed["state"] = {0: {"step": torch.tensor(steps), **{key: vector(key) for key in MOMENTS}}}
        except KeyError as error:
            raise RunError(
                f"--resume: expected the state of FAMO in the checkpoint, found no {error}: start again with "
                "--overwrite"
            ) from None
        self.adam.load_state_dict(packed)
        losses = {key.removeprefix("loss."): value for key, value in state.items() if key.startswith("loss.")}
        self._last = {
            name: torch.tensor(value, dtype=self.logits.dtype, device=device) for name, value in losses.items()
        }
