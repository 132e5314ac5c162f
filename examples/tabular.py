"""The table that the examples share: energy efficiency of buildings (two regressions), an ARFF file."""

import sys
from pathlib import Path

import torch
from torch import Tensor


def read(path: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Standardized inputs, and the two targets as they are: heating and cooling load, kWh/m²."""
    rows = path.read_text(encoding="utf-8").split("@data")[1].split()
    table = torch.tensor([[float(value) for value in row.split(",")] for row in rows])
    inputs, targets = table[:, :-2], table[:, -2:]
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    return inputs, {"heating": targets[:, :1], "cooling": targets[:, 1:]}


class Network(torch.nn.Module):
    """A shared layer and a head a task."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared = torch.nn.Sequential(torch.nn.Linear(inputs, 64), torch.nn.ReLU())
        self.heads = torch.nn.ModuleDict({name: torch.nn.Linear(64, 1) for name in ("heating", "cooling")})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        hidden = self.shared(inputs)
        return {name: head(hidden) for name, head in self.heads.items()}


def path_from_command_line() -> Path:
    """The file's path, which is the one argument."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: python {sys.argv[0]} enb.arff")
    return Path(sys.argv[1])
