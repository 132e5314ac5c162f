"""The scene system: predict several properties of a scene from one image (extra ``[scenes]``).

The tasks are semantic classes, object instances and inverse depth.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.scenes.data.sample import Camera
    from equipoise.scenes.inference.predictor import ScenePredictor, load
    from equipoise.scenes.inference.scene import Scene

__all__ = ["Camera", "Scene", "ScenePredictor", "load"]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that importing one module does not import the whole system."""
    if name in ("ScenePredictor", "load"):
        from equipoise.scenes.inference import predictor

        return getattr(predictor, name)
    if name == "Camera":
        from equipoise.scenes.data.sample import Camera

        return Camera
    if name == "Scene":
        from equipoise.scenes.inference.scene import Scene

        return Scene
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
