"""What a caller learns of a run while it works."""

from collections.abc import Callable
from dataclasses import dataclass

from equipoise.scenes.data.sources import Progress
from equipoise.scenes.training.log import Entry


@dataclass(frozen=True, kw_only=True)
class RunCallbacks:
    """Called while a run trains or is evaluated.

    Attributes:
        on_log: takes each log entry.
        on_notice: takes a line that is worth keeping, such as why an image was skipped.
        counting: opens a context that shows the progress of long work; see ``Progress``.
    """

    on_log: Callable[[Entry], None]
    on_notice: Callable[[str], None]
    counting: Progress
