"""The joint scene system: semantic classes, instances and inverse depth from one image (extra ``[scenes]``)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipoise.scenes.data.sample import Camera
    from equipoise.scenes.inference.predictor import ScenePredictor
    from equipoise.scenes.inference.scene import Scene
    from equipoise.scenes.runs.load import load

__all__ = ["Camera", "Scene", "ScenePredictor", "load"]


def __getattr__(name: str) -> Any:
    """Public names are loaded when they are first used, so that a part of the system loads no other."""
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
