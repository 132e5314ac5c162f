"""One of two ranks: trains a few steps on its share, and writes what came out. Run by test_distributed."""

import gc
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import equipoise as eq
from tests.core.distributed_case import STEPS, data, make_likelihood, make_model


def main(rank: int, world: int, folder: Path, inside: bool, update: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=world)
    torch.save(train(rank, inside, update), folder / f"rank{rank}.pt")
    # DistributedDataParallel lies in cycles that keep gloo's threads, and a process that ends with them aborts.
    gc.collect()
    dist.destroy_process_group()


def train(rank: int, inside: bool, update: str) -> dict[str, Any]:
    model, likelihood = make_model(), make_likelihood(update)
    both = torch.nn.ModuleDict({"model": model, "likelihood": likelihood}) if inside else None

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = both if inside else torch.nn.ModuleDict({"model": model})

        def forward(self, inputs, targets):
            outputs = self.parts["model"](inputs)
            outputs = {"a": outputs[:, :2], "b": outputs[:, 2:], "c": outputs[:, :2], "d": outputs[:, 2:5]}
            return self.parts["likelihood"](outputs, targets) if inside else outputs

    parallel = torch.nn.parallel.DistributedDataParallel(Whole())
    optimizer = torch.optim.SGD(eq.param_groups(model, likelihood, lr=0.05), lr=0.05)
    losses = []
    for step in range(STEPS):
        inputs, targets = data(step)
        # Unequal shares; the first rank alone has labels for some tasks in some steps.
        share = slice(0, 3) if rank == 0 else slice(3, None)
        optimizer.zero_grad()
        result = parallel(inputs[share], {k: v[share] for k, v in targets.items()})
        joint = result if inside else likelihood(result, {k: v[share] for k, v in targets.items()})
        joint.loss.backward()
        optimizer.step()
        losses.append(joint.loss.item())
    state = {"model." + k: v for k, v in model.state_dict().items()}
    state |= {"likelihood." + k: v for k, v in likelihood.state_dict().items()}
    return {"state": state, "losses": losses}


if __name__ == "__main__":
    number, count, where, within, how = sys.argv[1:]
    main(int(number), int(count), Path(where), within == "inside", how)
