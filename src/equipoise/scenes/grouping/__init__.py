"""Votes → instances."""

from equipoise.scenes.grouping.group import Grouping, Instance, group

__all__ = ["Grouping", "Instance", "group"]
