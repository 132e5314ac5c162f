"""The scene system: predict several properties of a scene from one image (extra ``[scenes]``).

The tasks are semantic classes, object instances, inverse depth and surface normals.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.scenes.cameras.camera import Camera
    from equipoise.scenes.inference.predictor import ScenePredictor
    from equipoise.scenes.inference.scene import Scene
    from equipoise.scenes.runs.load import load

__all__ = ["Camera", "Scene", "ScenePredictor", "load"]

_MODULES = {
    "Camera": "equipoise.scenes.cameras.camera",
    "Scene": "equipoise.scenes.inference.scene",
    "ScenePredictor": "equipoise.scenes.inference.predictor",
    "load": "equipoise.scenes.runs.load",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that importing one module does not import the whole system."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
