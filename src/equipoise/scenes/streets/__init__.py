"""Generate street scenes: a random world, seen by a camera, gives an image and its labels."""

from equipoise.scenes.streets.generate import generate
from equipoise.scenes.streets.render import Street, render

__all__ = ["Street", "generate", "render"]
