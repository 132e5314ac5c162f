"""Colours: each change alone against what it says, and nothing else of a sample changes."""

import colorsys
import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageFilter

from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.color import blurred, gamma, hue_rotation, jitter, recolored
from equipoise.scenes.data.transforms import augment
from tests.support.tiny import VOCABULARY, scene

IMAGE = scene(0).image
GREY = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 3, 2)
SETTINGS = [{"color": 0.3}, {"brightness": 0.3}, {"contrast": 0.3}, {"saturation": 0.5}]
SETTINGS += [{"hue": 0.2}, {"gamma": 0.5}, {"blur": 1.5}]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_changes_the_image_alone_and_only_by_the_generator(settings):
    augmentation = Augmentation(flip=False, **settings)
    sample = scene(1)
    one, other, third = (
        augment(sample, augmentation, sample.size, VOCABULARY, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert np.array_equal(one.image, other.image)
    assert not np.array_equal(one.image, third.image)
    assert not np.array_equal(one.image, sample.image)
    assert one.image.dtype == np.uint8
    for name, array in sample.labels.items():
        assert np.array_equal(one.labels[name], array, equal_nan=name == "inverse_depth"), name


def test_without_settings_nothing_is_drawn():
    rng = np.random.default_rng(0)
    assert recolored(IMAGE, Augmentation(), rng) is IMAGE
    assert rng.random() == np.random.default_rng(0).random()


def test_the_own_strength_replaces_the_common_one():
    only = Augmentation(color=0.4, contrast=0.0, saturation=0.0)
    assert np.array_equal(
        recolored(GREY, only, np.random.default_rng(3)),
        recolored(GREY, Augmentation(brightness=0.4), np.random.default_rng(3)),
    )


def test_brightness_contrast_and_saturation_by_their_definitions():
    pixels = IMAGE.astype(np.float32)
    assert jitter(pixels, 1, 1, 1) == pytest.approx(pixels, abs=1e-3)
    assert jitter(pixels, 0.5, 1, 1) == pytest.approx(pixels * 0.5, abs=1e-3)
    assert jitter(pixels, 1, 0, 1) == pytest.approx(np.full_like(pixels, pixels.mean()), abs=1e-3)
    assert jitter(pixels, 1, 1, 0) == pytest.approx(pixels.mean(2, keepdims=True).repeat(3, 2), abs=1e-3)


@pytest.mark.parametrize("turns", [-0.5, -1 / 6, 1 / 12, 0.25, 1 / 3])
def test_hue_turns_colours_and_keeps_greys(turns):
    matrix = hue_rotation(turns)
    assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-6)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-6)
    turned = matrix @ np.array([0.6, 0.5, 0.5])  # Near grey, where all definitions of hue agree at sixths of a turn.
    if (turns * 6) % 1 in (0, 1):
        assert colorsys.rgb_to_hsv(*map(float, turned))[0] == pytest.approx(turns % 1, abs=1e-4)
    assert hue_rotation(turns) @ hue_rotation(-turns) == pytest.approx(np.eye(3), abs=1e-6)


def test_gamma_keeps_black_and_white():
    pixels = np.array([0.0, 64.0, 255.0], np.float32)
    assert gamma(pixels, 2.0) == pytest.approx([0, 64**2 / 255, 255], rel=1e-5)
    drawn = [recolored(GREY, Augmentation(gamma=1.0), np.random.default_rng(i))[0, 12, 0] for i in range(50)]
    assert 255 * (120 / 255) ** 2 - 1 < min(drawn) < 120 < max(drawn) < 255 * (120 / 255) ** 0.5 + 1


def test_blur_against_pillow():
    assert blurred(IMAGE.astype(np.float32), 0.0) == pytest.approx(IMAGE.astype(np.float32))
    found = blurred(IMAGE.astype(np.float32), 2.0)
    known = np.asarray(Image.fromarray(IMAGE).filter(ImageFilter.GaussianBlur(2.0)), np.float32)
    assert np.abs(found - known)[8:-8, 8:-8].mean() < 1.0  # Pillow approximates by boxes.
    assert found.var() < 0.9 * IMAGE.var()


def test_colour_changes_do_not_move_the_crop():
    plain = Augmentation(scale=(0.7, 2.0), crop=(32, 40))
    colored = dataclasses.replace(plain, color=0.5, hue=0.1, gamma=0.3, blur=1.0)
    one, other = (augment(scene(2), a, (40, 56), VOCABULARY, np.random.default_rng(9)) for a in (plain, colored))
    assert np.array_equal(one.labels["semantic"], other.labels["semantic"])
