"""The page of a run."""

from equipoise.scenes.report.page import build_report

__all__ = ["build_report"]
