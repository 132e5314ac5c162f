"""``python -m equipoise.scenes.reference [FILE]``: write the reference page to a file, or to standard output."""

import sys
from pathlib import Path

from equipoise.scenes.reference.page import reference_page


def main() -> None:
    """Write the page, replacing the file if it exists."""
    if len(sys.argv) > 2:
        sys.exit(f"expected at most one FILE, found {len(sys.argv) - 1}: python -m equipoise.scenes.reference [FILE]")
    if len(sys.argv) == 2:
        Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
    else:
        sys.stdout.write(reference_page())


if __name__ == "__main__":
    main()
