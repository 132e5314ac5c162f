"""The figures against scikit-learn, the official Cityscapes script, and values by hand that catch published bugs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    confusion_matrix,
    jaccard_score,
    mean_absolute_percentage_error,
    mean_squared_error,
    root_mean_squared_error,
)

from equipoise.scenes.metrics.confusion import ConfusionMatrix
from equipoise.scenes.metrics.depth import FARTHEST_M, InverseDepthErrors, Metres
from equipoise.scenes.metrics.offsets import OffsetErrors


def labels(seed: int, shape: tuple[int, ...] = (7, 9), classes: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.uint8)


class TestConfusion:
    @given(st.integers(0, 100))
    @settings(max_examples=25, deadline=None)
    def test_against_scikit_learn(self, seed):
        truth, found = labels(seed), labels(seed + 1000)
        truth[0] = 255
        matrix = ConfusionMatrix(4)
        matrix.update(found, truth)
        kept = truth != 255
        assert np.array_equal(matrix.counts, confusion_matrix(truth[kept], found[kept], labels=range(4)))
        assert matrix.iou() == pytest.approx(jaccard_score(truth[kept], found[kept], labels=range(4), average=None))

    def test_against_the_official_script(self):
        script = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
        matrix = ConfusionMatrix(19)
        truth, found = labels(1, (40, 50), 19), labels(2, (40, 50), 19)
        matrix.update(found, truth)
        by_id = {label.trainId: label.id for label in script.trainId2label.values() if 0 <= label.trainId < 19}
        size = max(by_id.values()) + 1
        official = np.zeros((size, size), np.ulonglong)
        for t in range(19):
            for f in range(19):
                official[by_id[t], by_id[f]] = matrix.counts[t, f]
        script.args.evalLabels = list(range(size))
        for index, value in enumerate(matrix.iou()):
            assert script.getIouScoreForLabel(by_id[index], official, script.args) == pytest.approx(value)

    def test_one_matrix_for_all_images_is_no_mean_of_images(self):
        """The published bug: the first image is right everywhere, the second nowhere; it has 3 times the pixels."""
        matrix = ConfusionMatrix(2)
        matrix.update(np.zeros(10, np.uint8), np.zeros(10, np.uint8))
        matrix.update(np.zeros(30, np.uint8), np.ones(30, np.uint8))
        assert matrix.iou().tolist() == [10 / 40, 0.0]
        assert matrix.mean_iou() == pytest.approx(0.125)  # per image it would be (1 + 0) / 2
        assert matrix.pixel_accuracy() == 0.25

    def test_a_class_that_occurs_nowhere_has_no_iou(self):
        matrix = ConfusionMatrix(3)
        matrix.update(np.array([0, 1]), np.array([0, 1]))
        assert np.isnan(matrix.iou()[2])
        assert matrix.mean_iou() == 1.0
        assert np.isnan(ConfusionMatrix(3).mean_iou())

    def test_what_raises(self):
        with pytest.raises(ValueError, match="equal shape"):
            ConfusionMatrix(2).update(np.zeros(3), np.zeros(4))
        with pytest.raises(ValueError, match=r"predictions 0 … 1, found 0 … 7"):
            ConfusionMatrix(2).update(np.array([0, 7]), np.array([1, 1]))


def by_pairs(d: np.ndarray) -> float:
    """SILog as Eigen et al. (2014) introduce it, over all pairs of pixels: √(Σᵢⱼ (dᵢ − dⱼ)² / 2n²)."""
    return float(np.sqrt(((d[:, None] - d) ** 2).sum() / (2 * d.size**2)))


def in_metres(guess: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """Figures of depths in metres, none of which is clipped."""
    errors = InverseDepthErrors(Metres(factor=1.0, farthest=1000.0))
    errors.update(1 / guess[None, None], 1 / z[None, None])
    return errors.compute()


class TestDepth:
    def test_the_sky_counts_in_the_mean(self):
        """The published bug: three pixels of sky, right; one near, wrong by 4: the mean is 1, not 4."""
        errors = InverseDepthErrors()
        errors.update(np.array([[[0.0, 0.0, 0.0, 6.0]]]), np.array([[[0.0, 0.0, 0.0, 10.0]]]))
        figures = errors.compute()
        assert figures["mae"] == 1.0
        assert figures["rmse"] == 2.0
        assert figures["mae_without_sky"] == 4.0

    def test_no_label(self):
        errors = InverseDepthErrors()
        errors.update(np.array([[[1.0, 9.0]]]), np.array([[[2.0, np.nan]]]))
        assert errors.compute()["mae"] == 1.0
        assert np.isnan(InverseDepthErrors().compute()["mae"])


class TestMetres:
    @given(st.integers(0, 100), st.floats(0.5, 5000))
    @settings(max_examples=25, deadline=None)
    def test_against_scikit_learn(self, seed, factor):
        """Far, near, wrong and missing pixels of two images, merged."""
        rng = np.random.default_rng(seed)
        truth, found = factor / rng.uniform(0.5, 79, (2, 1, 6, 7)), factor / rng.uniform(0.5, 79, (2, 1, 6, 7))
        truth[0, 0, 0], truth[1, 0, 0] = np.nan, 0.0
        total = InverseDepthErrors()
        for one, other in zip(found, truth, strict=True):
            image = InverseDepthErrors(Metres(factor=factor, farthest=FARTHEST_M))
            image.update(one, other)
            total.merge(image)
        kept = truth > 0
        z, guess = factor / truth[kept], factor / found[kept]
        figures = total.compute()
        assert figures["abs_rel"] == pytest.approx(mean_absolute_percentage_error(z, guess))
        assert figures["rmse_m"] == pytest.approx(root_mean_squared_error(z, guess))
        assert figures["rmse_log"] == pytest.approx(root_mean_squared_error(np.log(z), np.log(guess)))
        weights = 1 / z  # scikit-learn divides by their sum
        assert figures["sq_rel"] == pytest.approx(mean_squared_error(z, guess, sample_weight=weights) * weights.mean())
        assert figures["silog"] == pytest.approx(by_pairs(np.log(guess / z)))
        for power in (1, 2, 3):
            share = np.mean(np.maximum(z / guess, guess / z) < 1.25**power)
            assert figures[f"delta_{power}"] == pytest.approx(share)
        assert figures["share_in_metres"] == 1.0

    def test_infinity_and_what_is_beyond_the_range(self):
        """True 10, 50 and 200 m; predicted: infinitely far, 1 km, 20 m. From disparity the third does not count."""
        truth, found = np.array([[[1 / 10, 1 / 50, 1 / 200, 0.0]]]), np.array([[[0.0, 1 / 1000, 1 / 20, 0.0]]])
        ranged = InverseDepthErrors(Metres(factor=1.0, farthest=80.0))
        ranged.update(found, truth)
        assert ranged.compute()["abs_rel"] == pytest.approx((70 / 10 + 30 / 50) / 2)
        assert ranged.compute()["rmse_m"] == pytest.approx(((70**2 + 30**2) / 2) ** 0.5)
        assert ranged.compute()["share_in_metres"] == pytest.approx(2 / 3)
        metres = InverseDepthErrors(Metres(factor=1.0))
        metres.update(found, truth)
        assert metres.compute()["abs_rel"] == pytest.approx((190 / 10 + 150 / 50 + 180 / 200) / 3)

    def test_errors_of_scale_in_closed_form(self):
        """Depth of ``factor`` times the truth: SqRel is (factor − 1)² times the mean depth, and SILog is 0."""
        z = np.array([2.0, 5.0, 11.0, 22.0])
        for factor in (0.5, 0.9, 1.0, 3.0):
            figures = in_metres(factor * z, z)
            assert figures["sq_rel"] == pytest.approx((factor - 1) ** 2 * 10.0)
            assert figures["abs_rel"] == pytest.approx(abs(factor - 1))
            assert figures["rmse_log"] == pytest.approx(abs(np.log(factor)), abs=1e-12)
            assert figures["silog"] == pytest.approx(0.0, abs=1e-7)

    def test_silog_of_two_opposite_errors(self):
        """Half of the pixels twice as far, half of them at half the distance: d = ± ln 2, whose mean is 0."""
        z = np.array([3.0, 4.0, 5.0, 6.0])
        figures = in_metres(z * [2.0, 0.5, 2.0, 0.5], z)
        assert figures["silog"] == pytest.approx(np.log(2))
        assert figures["sq_rel"] == pytest.approx((3.0 + 4.0 / 4 + 5.0 + 6.0 / 4) / 4)

    @given(st.integers(0, 100), st.floats(0.3, 3.0))
    @settings(max_examples=25, deadline=None)
    def test_silog_ignores_one_scale_of_all_pixels(self, seed, factor):
        """Those of several images too, unlike KITTI's mean over images; other figures change."""
        rng = np.random.default_rng(seed)
        z, guess = rng.uniform(2, 20, (2, 50))
        one, other = in_metres(guess, z), in_metres(factor * guess, z)
        assert other["silog"] == pytest.approx(one["silog"])
        parts = [in_metres(guess[k::2] * (1.5 if k else 1.0), z[k::2])["silog"] for k in range(2)]
        whole = in_metres(np.where(np.arange(50) % 2, 1.5, 1.0) * guess, z)["silog"]
        d = np.log(guess / z) + np.where(np.arange(50) % 2, np.log(1.5), 0.0)
        assert whole == pytest.approx(by_pairs(d))
        assert whole >= np.sqrt(np.mean(np.square(parts))) - 1e-12

    def test_no_metres(self):
        blind = InverseDepthErrors()
        blind.update(np.ones((1, 2, 2)), np.ones((1, 2, 2)))
        assert "abs_rel" not in blind.compute()
        far = InverseDepthErrors(Metres(factor=1.0, farthest=80.0))
        far.update(np.full((1, 2, 2), 1 / 100), np.full((1, 2, 2), 1 / 100))
        assert far.compute()["share_in_metres"] == 0.0
        assert np.isnan(far.compute()["abs_rel"])


def test_offsets_by_hand():
    errors = OffsetErrors()
    truth = np.full((2, 1, 2), np.nan)
    truth[:, 0, 0] = [1.0, 2.0]
    errors.update(np.array([[[4.0, 99.0]], [[6.0, 99.0]]]), truth)
    assert errors.compute() == {"mae_px": 3.5, "euclidean_px": 5.0}
    assert np.isnan(OffsetErrors().compute()["mae_px"])


@pytest.mark.parametrize("kind", [InverseDepthErrors, OffsetErrors])
def test_merged_parts_are_the_whole(kind):
    """Unequal counts: a mean of means would differ."""
    rng = np.random.default_rng(0)
    found, truth = rng.random((2, 2, 6, 5)), rng.random((2, 2, 6, 5))
    truth[0, :, :4] = np.nan
    whole, parts = kind(), [kind(), kind()]
    for i in range(2):
        whole.update(found[i], truth[i])
        parts[i].update(found[i], truth[i])
    parts[0].merge(parts[1])
    assert parts[0].compute() == pytest.approx(whole.compute())
