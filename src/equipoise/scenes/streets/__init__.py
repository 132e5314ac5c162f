"""The generator of street scenes: world → camera → image and labels."""

from equipoise.scenes.streets.generate import generate
from equipoise.scenes.streets.render import Street, render

__all__ = ["Street", "generate", "render"]
