"""Votes → instances."""

from equipoise.scenes.grouping.group import Grouping, Instance, group, together

__all__ = ["Grouping", "Instance", "group", "together"]
