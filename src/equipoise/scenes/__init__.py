"""The scene system: predict several properties of a scene from one image (extra ``[scenes]``).

The tasks are semantic classes, object instances, inverse depth and surface normals.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.scenes.data.sample import Camera
    from equipoise.scenes.inference.predictor import ScenePredictor
    from equipoise.scenes.inference.scene import Scene
    from equipoise.scenes.runs.load import load

__all__ = ["Camera", "Scene", "ScenePredictor", "load"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that importing one module does not import the whole system."""
    if name == "load":
        from equipoise.scenes.runs.load import load

        return load
    if name == "ScenePredictor":
        from equipoise.scenes.inference.predictor import ScenePredictor

        return ScenePredictor
    if name == "Camera":
        from equipoise.scenes.data.sample import Camera

        return Camera
    if name == "Scene":
        from equipoise.scenes.inference.scene import Scene

        return Scene
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
