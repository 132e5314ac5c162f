"""Compare ways to weigh on the naval table (UCI): two regressions, and a regression beside a class.

python examples/compare_ship.py data.txt  (about a minute on one core; a second call finds the finished runs)

In the second problem the temperature can be learned almost perfectly. Look at the class: learned weights starve it,
damped ones do not. Each folder has a page with plots, after ``pip install 'equipoise[report]'``.
"""

import sys
from pathlib import Path

import torch

import equipoise as eq
from equipoise.comparison import Table, paragraph, rows, summarize, tables

TEMPERATURE, COMPRESSOR, TURBINE = 7, 16, 17  # Columns: the turbine's exit temperature, and two decay coefficients.


def problems(path: Path) -> list[Table]:
    """Both problems. The measured columns are the inputs; a table scales them itself."""
    lines = path.read_text(encoding="utf-8").splitlines()
    columns = torch.tensor([[float(value) for value in line.split()] for line in lines], dtype=torch.float64)
    others = [index for index in range(COMPRESSOR) if index != TEMPERATURE]
    is_worn = columns[:, COMPRESSOR] <= columns[:, COMPRESSOR].median()
    decay = Table(
        name="decay of compressor and turbine",
        inputs=columns[:, :COMPRESSOR].float(),
        targets={"compressor": columns[:, COMPRESSOR].float(), "turbine": columns[:, TURBINE].float()},
        kinds={"compressor": "regression", "turbine": "regression"},
    )
    mixed = Table(
        name="temperature, and whether the compressor is worn",
        inputs=columns[:, others].float(),
        targets={"temperature": columns[:, TEMPERATURE].float(), "worn": is_worn.long()},
        kinds={"temperature": "regression", "worn": "classification"},
    )
    return [decay, mixed]


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: python {sys.argv[0]} data.txt")
    for table, folder in zip(problems(Path(sys.argv[1])), ("comparison-decay", "comparison-mixed"), strict=True):
        alone = [rows.single(task) for task in table.tasks]
        joint = [rows.equal(table.tasks), rows.learned(table.tasks), rows.damped(table.tasks)]
        found = eq.compare(table, folder=folder, rows=[*alone, *joint], seeds=(0, 1, 2), lrs=(0.01,), steps=400)
        summary = summarize(found)
        print(f"# {summary.title}\n\n{tables.markdown(summary)}\n{paragraph(summary)}\n")


if __name__ == "__main__":
    main()
