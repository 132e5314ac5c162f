"""Benchmarks: most compare two alternatives side by side in one run and report the ratio of their times."""
