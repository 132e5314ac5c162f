"""The command's first step, outside the package: Ctrl-C while torch is being imported shows no traceback either."""

import sys


def main() -> None:
    """Import the commands, which takes a second, and run the one that is asked for."""
    try:
        from equipoise.commands.main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("equipoise: stopped\n")
        sys.exit(130)
