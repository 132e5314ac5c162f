"""One of two ranks: runs every case of ``ranks_cases`` on its share. Run by test_ranks."""

import gc
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

import equipoise as eq
from tests.core import ranks_cases
from tests.core.ranks_data import KINDS, share, task


def reductions(of: Callable[[], object]) -> int:
    """How many all-reduces Python code asks for: DistributedDataParallel's own are not among them."""
    calls, original = [0], dist.all_reduce

    def counted(*args: object, **kwargs: object) -> object:
        calls[0] += 1
        return original(*args, **kwargs)

    dist.all_reduce = counted
    try:
        of()
    finally:
        dist.all_reduce = original
    return calls[0]


def count_reductions() -> dict[str, list[int]]:
    """Of each of three training batches, then of one in eval mode."""
    found = {}
    kinds = KINDS
    regressions = ("gaussian", "channels", "student", "multivariate")
    whole = {
        "nothing pending": {
            k: make(**({"standardize": False} if k in regressions else {})) for k, make in kinds.items()
        },
        "one unit": {"gaussian": eq.Gaussian(), "classes": eq.Categorical()},
        "exact start": {"exact": eq.Categorical(exact=True, init="first_batch"), "classes": eq.Categorical()},
        "Student's start": {"student": eq.StudentT(3.0, init="first_batch", standardize=False)},
        "starts in closed form": {
            "gaussian": eq.Gaussian(init="first_batch", standardize=False),
            "classes": eq.Categorical(init="first_batch"),
        },
    }
    for name, members in whole.items():
        likelihood = eq.MultiTaskLikelihood(members).double()
        batch = {k: task(k) for k in members}
        outputs = {k: share(o) for k, (o, _) in batch.items()}
        targets = {k: share(t) for k, (_, t) in batch.items()}
        found[name] = [reductions(lambda: likelihood(outputs, targets)) for _ in range(3)]  # noqa: B023
        likelihood.eval()
        found[name].append(reductions(lambda: likelihood(outputs, targets)))  # noqa: B023
    return found


def result_of(case: Callable[[], object]) -> object:
    """What a case gives, or the text of its error."""
    try:
        return case()
    except Exception:
        return traceback.format_exc()


def main(rank: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    warnings.simplefilter("ignore")
    results: dict[str, object] = {"negative": ranks_cases.negative_on_one_rank(), "reductions": count_reductions()}
    for name, case in ranks_cases.CASES.items():
        results[name] = result_of(case)
        dist.barrier()
    torch.save(results, folder / f"rank{rank}.pt")
    dist.barrier()
    for name, case in ranks_cases.MAY_BREAK.items():
        results[name] = result_of(case)
        torch.save(results, folder / f"rank{rank}.pt")
    # DistributedDataParallel lies in cycles that keep gloo's threads, and a process that ends with them aborts.
    gc.collect()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
