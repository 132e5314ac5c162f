"""SIGINT (Ctrl-C), SIGTERM and SIGHUP ask training to finish its step, save and stop; a second one ends it at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)
ENDING = (signal.SIGINT, signal.SIGTERM, HANGUP)


class StopRequest:
    """The signal that asked training to stop, if one came."""

    signal: int | None = None

    @property
    def exit_status(self) -> int:
        """The customary exit status after a signal, 128 + its number: 130 for SIGINT, 143 for SIGTERM; 0 for none."""
        return 0 if self.signal is None else 128 + self.signal


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP into a ``StopRequest`` while the block runs."""
    request = StopRequest()
    previous = {number: signal.getsignal(number) for number in ENDING}
    if previous.get(HANGUP) == signal.SIG_IGN:
        del previous[HANGUP]

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = number
        for each, handler in previous.items():
            signal.signal(each, handler)

    for number in previous:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
