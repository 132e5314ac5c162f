"""A toy table and its runs, for tests of runs."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn

from equipoise.comparison import Budget, Table, rows
from equipoise.comparison.run import Run

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(200, 4, generator=GENERATOR)
TARGETS = {
    "sum": 1000.0 * INPUTS.sum(1),
    "square": INPUTS[:, :2].square(),
    "sign": (INPUTS[:, 0] + INPUTS[:, 1] > 0).long(),
}
KINDS = {"sum": "regression", "square": "regression", "sign": "classification"}
BUDGET = Budget(steps=12, validations=3)


def table(**changes: Any) -> Table:
    return Table(**({"name": "toy", "inputs": INPUTS, "targets": TARGETS, "kinds": KINDS, "hidden": (16,)} | changes))


def run_of(row: rows.Row, *, lr: float = 0.01, seed: int = 0) -> Run:
    method = row.candidates[-1].method
    return Run(row=row.name, candidate="c", tasks=row.info.tasks, method=method, lr=lr, seed=seed)


needs_torchjd = pytest.mark.skipif(find_spec("torchjd") is None, reason="torchjd is not installed")


class Recorder(Table):
    """A table that keeps the batches it gave, and the models it built as they were."""

    def start(self) -> "Recorder":
        self.__dict__["batches"], self.__dict__["first"] = [], {}
        return self

    def batch(self, seed: int, step: int) -> tuple[Any, Mapping[str, torch.Tensor]]:
        found = super().batch(seed, step)
        self.__dict__["batches"].append(found[0].clone())
        return found

    def model(self, tasks: Iterable[str], seed: int) -> nn.Module:
        built = super().model(tuple(tasks), seed)
        heads = dict(zip(built.names, built.heads, strict=True))
        self.__dict__["first"] = {
            name: value.clone()
            for name, value in [
                *built.trunk.state_dict().items(),
                *((f"{task}.{key}", value) for task, head in heads.items() for key, value in head.state_dict().items()),
            ]
        }
        return built
