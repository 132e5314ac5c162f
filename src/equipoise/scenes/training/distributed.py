"""The processes that train one model together, started by ``torchrun``: their ranks, and how they agree on values."""

import gc
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from equipoise.errors import RunError
from equipoise.scenes.networks.network import SceneNetwork
from equipoise.scenes.training.compiling import as_it_is
from equipoise.scenes.training.device import CPU


@dataclass(frozen=True, kw_only=True)
class ProcessGroup:
    """This process's rank among ``world`` processes. With a single process no method communicates."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files and prints."""
        return self.rank == 0

    def largest(self, number: int) -> int:
        """The largest of the numbers that the processes pass."""
        if self.world == 1:
            return number
        agreed = torch.tensor(number)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return int(agreed)

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """For each flag, whether any process passes a true one; all pass equally many."""
        if self.world == 1:
            return list(flags)
        agreed = torch.tensor(flags, dtype=torch.int64)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return [flag > 0 for flag in agreed.tolist()]

    def total(self, values: Tensor) -> Tensor:
        """The sum of the tensors that the processes pass, on their device."""
        if self.world > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def gathered(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values of all processes, concatenated in the order of their ranks."""
        if self.world == 1:
            return value
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return tuple(item for part in found for item in part)

    def wait(self) -> None:
        """Block until all processes have called this."""
        self.largest(0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block in the leader first; the others run it afterwards and find what the leader made."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def parallel(
        self, network: nn.Module, device: torch.device = CPU, wrap: Callable[[nn.Module], nn.Module] = as_it_is
    ) -> nn.Module:
        """The network, wrapped, with its gradients averaged over the processes.

        On GPUs batch normalisation is over the images of all processes; see ``SceneNetwork.synchronize``.
        """
        if self.world == 1:
            return wrap(network)
        if device.type != "cuda":
            return nn.parallel.DistributedDataParallel(wrap(network))
        if isinstance(network, SceneNetwork):
            network.synchronize()
        return nn.parallel.DistributedDataParallel(wrap(network), device_ids=[device])


ALONE = ProcessGroup()


@contextmanager
def process_group(device: torch.device = CPU) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started, as its environment variables describe them.

    What lies on the CPU goes through gloo, and so do signals and counts, for which no GPU has to wait; gradients and
    sums on GPUs go through NCCL.

    Args:
        device: what this process trains on.

    Raises:
        RunError: some of torchrun's variables are missing, or another process ended with an error.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield ALONE
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise RunError(
            f"expected {', '.join(missing)} in the environment, as WORLD_SIZE={os.environ['WORLD_SIZE']}, found none: "
            "start the processes with torchrun"
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(rank=dist.get_rank(), world=dist.get_world_size())
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, RuntimeError) and _lost(error):
            raise RunError("another process of this training ended: its own message says why") from None
        raise
    finally:
        # Reference cycles of DistributedDataParallel keep gloo's threads alive; exiting with them would abort.
        gc.collect()
        dist.destroy_process_group()


def _lost(error: RuntimeError) -> bool:
    """Whether an error only says that the connection to another process is gone."""
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)
