"""Several processes that train one model: who is who, and what they agree on. ``torchrun`` starts them."""

import gc
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from equipoise.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Team:
    """This process among ``world`` ones; alone, everything here does nothing."""

    rank: int = 0
    world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files and speaks."""
        return self.rank == 0

    def largest(self, number: int) -> int:
        """The largest of the numbers that all processes bring."""
        if self.world == 1:
            return number
        agreed = torch.tensor(number)
        dist.all_reduce(agreed, dist.ReduceOp.MAX)
        return int(agreed)

    def gathered(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values of all processes, one after the other."""
        if self.world == 1:
            return value
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return tuple(item for part in found for item in part)

    def wait(self) -> None:
        """Until all processes are here."""
        self.largest(0)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """The leader runs the block; then the others do, and find what it made."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()


ALONE = Team()


@contextmanager
def team() -> Iterator[Team]:
    """The processes that torchrun started, as its environment says.

    Raises:
        RunError: the environment tells half of it, or another process of the team ended on its own.
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
    dist.init_process_group("gloo")
    try:
        yield Team(rank=dist.get_rank(), world=dist.get_world_size())
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        if isinstance(error, RuntimeError) and _lost(error):
            raise RunError("another process of this training ended: its own message says why") from None
        raise
    finally:
        # DistributedDataParallel lies in cycles that keep gloo's threads, and a process that ends with them aborts.
        gc.collect()
        dist.destroy_process_group()


def _lost(error: RuntimeError) -> bool:
    """Whether an error only says that the connection to another process is gone."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)
