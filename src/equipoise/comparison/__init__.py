"""Compare methods of weighing on any model and data: rows, runs, selection on validation, statistics, tables."""

from equipoise.comparison import rows, tables
from equipoise.comparison.methods import Fixed, Form, Learned, Method, TorchJD
from equipoise.comparison.page import write_page
from equipoise.comparison.plan import Plan, compare
from equipoise.comparison.problem import Problem
from equipoise.comparison.records import Comparison, Metric, RowInfo, RunRecord
from equipoise.comparison.rows import Candidate, Row
from equipoise.comparison.run import Budget
from equipoise.comparison.summary import Summary, summarize
from equipoise.comparison.tabular import Table
from equipoise.comparison.words import paragraph

__all__ = [
    "Budget",
    "Candidate",
    "Comparison",
    "Fixed",
    "Form",
    "Learned",
    "Method",
    "Metric",
    "Plan",
    "Problem",
    "Row",
    "RowInfo",
    "RunRecord",
    "Summary",
    "Table",
    "TorchJD",
    "compare",
    "paragraph",
    "rows",
    "summarize",
    "tables",
    "write_page",
]
