"""Compare methods of weighing on any model and data: rows, runs, selection on validation, statistics, tables."""

from equipoise.comparison.records import Comparison, Metric, RowInfo, RunRecord

__all__ = ["Comparison", "Metric", "RowInfo", "RunRecord"]
