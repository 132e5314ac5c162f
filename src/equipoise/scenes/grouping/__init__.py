"""Group pixels into object instances by their votes for centroids."""

from equipoise.scenes.grouping.classless import group_by_votes
from equipoise.scenes.grouping.group import DEFAULT, METHODS, checked_method, countable_groups, group
from equipoise.scenes.grouping.instances import Grouping, Instance

__all__ = [
    "DEFAULT",
    "METHODS",
    "Grouping",
    "Instance",
    "checked_method",
    "countable_groups",
    "group",
    "group_by_votes",
]
