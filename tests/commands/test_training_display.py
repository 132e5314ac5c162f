"""What a terminal shows while a run validates: the count below the table, notices above it, on one console."""

import io

from rich.console import Console

from equipoise.commands.callbacks import run_callbacks
from equipoise.commands.display import TrainingDisplay

ENTRY = {
    "step": 4, "seconds": 1.0, "images_per_second": 8.0, "tasks": {"depth": {"loss": 2.0, "sigma": 1.0, "weight": 0.5}},
}  # fmt: skip


def rendered(display: TrainingDisplay) -> str:
    assert display.live is not None
    plain = Console(file=io.StringIO(), width=100)
    plain.print(display.live.renderable)
    return plain.file.getvalue()


def test_validation_is_counted_below_the_table():
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with TrainingDisplay(8, screen) as display:
        callbacks = run_callbacks(display)
        callbacks.on_log(ENTRY)
        before = rendered(display)
        assert "depth" in before
        with callbacks.counting("validating", 2) as advance:
            advance()
            assert rendered(display) == before + "validating 1/2\n"
            advance()
            assert rendered(display) == before + "validating 2/2\n"
        assert rendered(display) == before
        callbacks.on_notice("validated at step 4")
    assert "validated at step 4" in screen.file.getvalue()


def test_off_a_terminal_it_is_a_line():
    screen = Console(file=io.StringIO(), width=100)
    with TrainingDisplay(8, screen) as display, run_callbacks(display).counting("validating", 1) as advance:
        advance()
    (line,) = screen.file.getvalue().splitlines()
    assert line.startswith("validating")
