"""The point cloud, parsed back from its bytes."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import UsageError
from equipoise.scenes.cameras.camera import Camera
from tests.support.predicted import CAMERA, predicted_scene


def parsed(path: Path) -> list[tuple[float, ...]]:
    """The vertices, by a reader that knows the header's words."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    (count,) = (int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    kinds = {"float": "f", "uchar": "B"}
    form = "<" + "".join(kinds[line.split()[1]] for line in lines if line.startswith("property"))
    assert len(body) == count * struct.calcsize(form)
    return list(struct.iter_unpack(form, body))


def test_points_against_depth(tmp_path):
    scene = predicted_scene()
    scene.save(tmp_path, name="a", write=["ply"], farthest_m=5.0)
    depth = scene.depth_m(CAMERA)
    expected = []
    for v, u in np.ndindex(40, 56):
        z = float(depth[v, u])
        if scene.semantic[v, u] != 2 and z <= 5.0:
            expected.append(((u - 27.0) * z / 50.0, (v - 19.0) * z / 60.0, z, *scene.image[v, u].tolist()))
    found = parsed(tmp_path / "a.ply")
    assert 0 < len(found) == len(expected) < 40 * 56
    assert np.allclose(found, expected, rtol=1e-5)


def test_a_camera_of_one_number_and_depth_in_metres(tmp_path):
    """The principal point is in the middle, pixels are square; 1/m needs no baseline."""
    vocabulary = replace(predicted_scene().vocabulary, inverse_depth_unit="1/m", sky=None)
    outputs = {"depth": np.full((40, 56), 0.5, np.float32)}
    predicted_scene(vocabulary=vocabulary, outputs=outputs, camera=Camera(fx=50.0)).save(tmp_path, write=["ply"])
    found = np.array(parsed(tmp_path / "scene.ply"))
    assert len(found) == 40 * 56
    assert (found[:, 2] == 2.0).all()
    assert np.allclose(found[0, :2], [-27.5 * 2 / 50, -19.5 * 2 / 50])
    assert np.allclose(found[:, :2].mean(0), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"camera": None, "camera_doubt": "the reason"},
            r"expected a camera, found none \(the reason\): give --camera",
        ),
        ({"camera": Camera(fx=50.0)}, "expected a camera with a baseline"),
        ({"outputs": {}}, "expected a model trained on depth"),
        (
            {"vocabulary": replace(predicted_scene().vocabulary, inverse_depth_unit="relative")},
            "expected depth with a unit, found relative depth",
        ),
    ],
)
def test_what_is_missing(tmp_path, changes, words):
    with pytest.raises(UsageError, match=f"write: ply: {words}"):
        predicted_scene(**changes).save(tmp_path, write=["ply"])
