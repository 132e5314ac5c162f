"""Compare ways to weigh two regressions on a table: fixed, tuned and learned weights, each with the same budget.

python examples/compare_table.py enb.arff  (about a minute on one core; a second call finds the finished runs)

After ``pip install 'equipoise[report]'``, comparison-enb/report.html is a page with the table and plots.
"""

from pathlib import Path

from tabular import path_from_command_line, read

import equipoise as eq
from equipoise.comparison import Table, paragraph, rows, summarize, tables


def main() -> None:
    inputs, targets = read(path_from_command_line())
    table = Table(
        name="energy efficiency of buildings",
        inputs=inputs,
        targets=targets,
        kinds={"heating": "regression", "cooling": "regression"},
    )
    chosen = [
        *(rows.single(task) for task in table.tasks),
        rows.equal(table.tasks),
        rows.equal(table.tasks, rate="grown"),
        rows.tuned(table.tasks, draws=3, rate="grown"),
        rows.damped(table.tasks),
        rows.learned(table.tasks),
        rows.control(rows.learned(table.tasks)),
    ]
    folder = Path("comparison-enb")
    comparison = eq.compare(table, folder=folder, rows=chosen, seeds=(0, 1, 2), lrs=(0.003, 0.01), steps=600)
    summary = summarize(comparison)
    print(tables.markdown(summary))
    print(paragraph(summary))
    page = folder / "report.html"
    print(f"Page: {page}" if page.exists() else "A page with plots needs: pip install 'equipoise[report]'")


if __name__ == "__main__":
    main()
