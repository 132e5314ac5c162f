"""Streets in memory: the same from the same numbers, labels that agree, surfaces where they should be."""

import functools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from equipoise.scenes.labels.cityscapes_classes import CLASSES, train_ids
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.streets import Street, render
from equipoise.scenes.streets.camera import StreetCamera
from equipoise.scenes.streets.canvas import Canvas, Panel, Wall
from equipoise.scenes.streets.cars import Car
from equipoise.scenes.streets.labels import SKY
from equipoise.scenes.streets.pose import Pose
from equipoise.scenes.streets.stereo import hidden_from_the_right
from equipoise.scenes.streets.weather import random_weather

COUNTABLE = {24, 25, 26, 27, 28, 31, 32, 33}


@functools.cache
def streets(count: int = 12) -> list[Street]:
    return [render(5, 0, index, (128, 256)) for index in range(count)]


class TestRender:
    def test_the_same_numbers_give_the_same_street(self):
        one, other = render(1, 2, 3, (64, 128)), render(1, 2, 3, (64, 128))
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.disparity, other.disparity)
        assert not np.array_equal(one.image, render(1, 2, 4, (64, 128)).image)
        assert not np.array_equal(one.image, render(2, 2, 3, (64, 128)).image)

    def test_labels_and_instances_agree(self):
        for street in streets():
            ids = street.instance.astype(int)
            kind = np.where(ids >= 1000, ids // 1000, ids)
            assert np.array_equal(kind, street.label)
            countable = np.isin(street.label, list(COUNTABLE))
            assert np.array_equal(countable, ids >= 1000)
            for label in set((ids[countable] // 1000).tolist()):
                own = np.unique(ids[ids // 1000 == label])
                assert own.tolist() == [label * 1000 + k for k in range(len(own))]

    def test_every_pixel_is_labelled_with_an_evaluated_class(self):
        table = train_ids()
        assert all((table[street.label] != IGNORE).all() for street in streets())

    def test_disparity_follows_from_depth_and_the_written_camera(self):
        for street in streets():
            table = street.camera.as_table()
            exact = table["extrinsic"]["baseline"] * table["intrinsic"]["fx"] / street.depth_m
            stored = street.disparity > 0
            assert np.abs((street.disparity[stored] - 1) / 256 - exact[stored]).max() <= 0.5 / 256 + 1e-4
            assert (street.disparity[street.label == SKY] == 0).all()
            assert np.array_equal(np.isinf(street.depth_m), street.label == SKY)

    def test_holes_are_some_but_not_most(self):
        for street in streets():
            scene = street.label != SKY
            assert 0.02 < (street.disparity[scene] == 0).mean() < 0.45

    def test_the_ground_lies_where_the_camera_says(self):
        for street in streets():
            c = street.camera
            rows, columns = np.nonzero(np.isin(street.label, [7, 8, 22]))
            depth = street.depth_m[rows, columns]
            height = c.height_m + (c.v0 - rows) / c.fx * depth
            assert np.abs(height).max() < 1e-3 * depth.max()

    def test_all_evaluated_classes_occur_in_a_few_hundred(self):
        seen = np.zeros(256, int)
        for index in range(200):
            present = np.unique(render(0, 0, index, (64, 128)).label)
            seen[present] += 1
        evaluated = np.flatnonzero(train_ids() != IGNORE)
        assert len(evaluated) == len(CLASSES) == 19
        assert (seen[evaluated] >= 5).all(), dict(zip(evaluated.tolist(), seen[evaluated].tolist(), strict=True))


class TestCanvas:
    def test_the_nearer_surface_hides_the_other_in_any_order(self):
        camera = StreetCamera(size=(32, 64), fx=60.0, baseline_m=0.2, height_m=1.5, u0=31.5, v0=15.5)
        near, far = Wall(-1.0, 5.0, 1.0, 5.0, 0.0, 1.0), Wall(-3.0, 9.0, 3.0, 12.0, 0.0, 4.0)

        def paint(a, y, pixel):
            return np.zeros((*np.broadcast_shapes(a.shape, y.shape), 3)), None

        canvases = []
        for order in ((near, far), (far, near)):
            canvas = Canvas(camera, np.ones(3))
            for wall in order:
                canvas.wall(wall, paint, 26 if wall is near else 11, 26000 if wall is near else 0)
            canvases.append(canvas)
        one, other = canvases
        for name in ("label", "instance", "depth_m"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        assert (one.label == 26).sum() > 50
        assert np.allclose(one.depth_m[one.label == 26], 5.0)
        slanted = one.depth_m[one.label == 11]
        assert 9 <= slanted.min() < slanted.max() <= 12

    @hypothesis.given(
        corner=arrays(float, 3, elements=st.floats(-3, 3)),
        edges=arrays(float, (2, 3), elements=st.floats(-6, 6)),
    )
    def test_a_panel_is_where_its_own_points_are(self, corner, edges):
        """Against the other direction: a pixel's place on the panel, put through the camera, is that pixel again."""
        along, up = edges
        corner = corner + np.array([0.0, 1.0, 9.0])
        hypothesis.assume(np.linalg.norm(np.cross(along, up)) > 0.5)
        camera = StreetCamera(size=(32, 64), fx=60.0, baseline_m=0.2, height_m=1.5, u0=31.5, v0=15.5)
        hypothesis.assume(abs(np.cross(along, up) @ (corner - [0, 1.5, 0])) > 0.5)  # not edge-on
        canvas = Canvas(camera, np.ones(3))

        def paint(a, b, pixel):
            return np.stack([a, b, 0 * a], -1), None

        canvas.panel(Panel(corner, along, up), paint, 26)
        rows, columns = np.nonzero(canvas.label)
        a, b, _ = canvas.color[rows, columns].T.astype(float)
        x, y, z = corner[:, None] + np.outer(along, a / np.linalg.norm(along)) + np.outer(up, b / np.linalg.norm(up))
        assert np.allclose(canvas.depth_m[rows, columns], z, rtol=1e-3, atol=1e-3)
        assert np.allclose(camera.u0 + camera.fx * x / z, columns, atol=0.05)
        assert np.allclose([camera.row(*point) for point in zip(y, z, strict=True)], rows, atol=0.05)

    @pytest.mark.parametrize("oncoming", [False, True])
    @pytest.mark.parametrize(("x", "heading"), [(0.0, 0.0), (-3.0, 0.05), (3.0, 0.3), (2.0, -0.6)])
    def test_one_cannot_see_through_a_car(self, x, heading, oncoming):
        """Its outline, from waist to roof, is filled in each row: windows, pillars and panels meet."""
        for seed in range(8):
            rng = np.random.default_rng(seed)
            camera = StreetCamera(size=(128, 256), fx=280.0, baseline_m=0.2, height_m=1.3, u0=127.5, v0=60.0)
            canvas, car = Canvas(camera, np.ones(3)), Car(np.ones(3), random_weather(rng), rng)
            car.paint_on(canvas, Pose(x=x, z=8.0, heading=heading, oncoming=oncoming), 26000)
            above = canvas.label[: int(camera.row(0.35 * car.height, 8.0))] == 26
            runs = np.diff(above.astype(int), axis=1, prepend=0, append=0) == 1
            assert above.sum() > 200
            assert runs.sum(1).max() == 1

    def test_what_the_other_camera_cannot_see(self):
        disparity = np.full((1, 20), 1.0)
        disparity[0, 10:14] = 5.0  # a near object: it lands 4 px further left than what is around it
        hidden = hidden_from_the_right(disparity)
        assert np.flatnonzero(hidden[0]).tolist() == [0, 6, 7, 8, 9]
