"""Votes → instances."""

from equipoise.scenes.grouping.classless import group_by_votes
from equipoise.scenes.grouping.group import Grouping, Instance, group, countable_groups

__all__ = ["Grouping", "Instance", "group", "group_by_votes", "countable_groups"]
