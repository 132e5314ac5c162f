"""``python -m equipoise``, which is what torchrun starts."""

from equipoise.commands.main import main

main()
