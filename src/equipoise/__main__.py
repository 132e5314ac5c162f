"""``python -m equipoise``, which is what torchrun starts."""

from equipoise_command import main

main()
