"""Callbacks through which a run reports its progress."""

from collections.abc import Callable
from dataclasses import dataclass

from equipoise.scenes.data.sources import Progress
from equipoise.scenes.training.log import Entry


@dataclass(frozen=True, kw_only=True)
class RunCallbacks:
    """Functions that are called while a run trains or is evaluated.

    Attributes:
        on_log: gets each log entry.
        on_notice: gets a line that the user should see, such as why an image was skipped.
        counting: opens a context that shows the progress of a long task; see ``Progress``.
    """

    on_log: Callable[[Entry], None]
    on_notice: Callable[[str], None]
    counting: Progress
