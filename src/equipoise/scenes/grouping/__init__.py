"""Group pixels into object instances by their votes for centroids."""

from equipoise.scenes.grouping.classless import group_by_votes
from equipoise.scenes.grouping.group import Grouping, Instance, countable_groups, group

__all__ = ["Grouping", "Instance", "countable_groups", "group", "group_by_votes"]
