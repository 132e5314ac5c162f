"""Votes → instances."""

from equipoise.scenes.grouping.classless import group_by_votes
from equipoise.scenes.grouping.group import Grouping, Instance, group, together

__all__ = ["Grouping", "Instance", "group", "group_by_votes", "together"]
