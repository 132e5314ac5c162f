"""Two gloo ranks on unequal shares of a batch find what one process finds on the whole of it."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from tests.core.ranks_cases import CASES, MAY_BREAK


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The results of both ranks: one pair of processes for all cases."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.core.ranks_worker", str(rank), str(folder)],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=400)[1] for process in processes]
    files = [folder / f"rank{rank}.pt" for rank in range(2)]
    assert all(file.exists() for file in files), said
    return [torch.load(file, weights_only=False) for file in files]


def compare(mine: object, wanted: object, where: str) -> None:
    if isinstance(wanted, torch.Tensor):
        assert torch.allclose(mine.double(), wanted.double(), atol=1e-8, rtol=1e-8), (where, mine, wanted)
    elif isinstance(wanted, list):
        assert len(mine) == len(wanted), where
        for i, (one, other) in enumerate(zip(mine, wanted, strict=True)):
            compare(one, other, f"{where}[{i}]")
    else:
        assert mine == pytest.approx(wanted, abs=1e-8, rel=1e-8), where


@pytest.mark.parametrize("case", [*CASES, *MAY_BREAK])
def test_as_one_process(case, found):
    if case.startswith(("UPGrad", "Mean")):
        pytest.importorskip("torchjd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = (CASES | MAY_BREAK)[case]()
    for rank in (0, 1):
        result = found[rank].get(case, "the process ended before")
        assert isinstance(result, dict), result
        assert result.keys() == wanted.keys()
        for name, value in wanted.items():
            compare(result[name], value, f"rank {rank}, {name}")


@pytest.mark.parametrize("case", ["unlabelled, DDP", "unlabelled, inside"])
def test_s_of_an_unlabelled_task_stays_put(case, found):
    assert found[0][case]["drift"] == found[1][case]["drift"] == 0.0


@pytest.mark.parametrize("case", [case for case in [*CASES, *MAY_BREAK] if case.startswith("Damped, one rank")])
def test_damping_factors_are_those_of_the_other_rank(case, found):
    one, other = (result[case]["factors"] for result in found)
    assert one == other
    assert one[0] < 0.5 < 2 < one[1]


def test_a_negative_loss_on_one_rank_is_an_error_on_both(found):
    for result in found:
        assert result["negative"]["error"].startswith("ValueError: Gibbs: expected losses of 0 or more")


def test_one_reduction_a_training_step(found):
    """One, whatever the tasks; a unit that is pending and a start that is iterated cost one more; none in eval mode."""
    assert found[0]["reductions"] == found[1]["reductions"]
    assert found[0]["reductions"] == {
        "nothing pending": [1, 1, 1, 0],
        "one unit": [2, 1, 1, 0],
        "exact start": [2, 1, 1, 0],
        "Student's start": [2, 1, 1, 0],
        "starts in closed form": [1, 1, 1, 0],
    }
