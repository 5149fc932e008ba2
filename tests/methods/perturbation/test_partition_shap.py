"""Partition SHAP adds up, finds what counts, and sees the same network on both frameworks."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...nets import linear_net, pictures, segment_mean_net, small_net

pytest.importorskip("shap")
cv2 = pytest.importorskip("cv2")

QUADRANTS = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4), int))
FAST = {"max_evaluations": 40}


def test_base_value_and_attributions_add_up_to_the_probability(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    targets = np.array([3, 1])
    found = tl.explain(model, x, "partition_shap", targets, **FAST)
    probability = model.probabilities(x)[[0, 1], targets]
    np.testing.assert_allclose(found.extras["base_value"] + found.values.sum(axis=(1, 2, 3)), probability, rtol=1e-6)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-7)
    assert found.values.shape == x.shape


def test_the_base_value_is_the_probability_of_the_blurred_picture(backend: Backend) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(1)
    blurred = np.moveaxis(cv2.blur(np.ascontiguousarray(np.moveaxis(x[0], 0, -1)), (5, 3)), -1, 0)
    found = tl.explain(model, x, "partition_shap", 2, mask="blur(5,3)", **FAST)
    np.testing.assert_allclose(found.extras["base_value"], model.probabilities(blurred[None])[:, 2], rtol=1e-6)


@pytest.mark.parametrize("planted", [0, 3])
def test_the_only_region_that_counts_gets_everything(backend: Backend, planted: int) -> None:
    model = segment_mean_net(backend, QUADRANTS, planted)
    x = np.zeros((1, 3, 8, 8), np.float32)
    x[0][:, planted == QUADRANTS] = 1
    found = tl.explain(model, x, "partition_shap", 1, mask="blur(16,16)", **FAST)
    by_quadrant = [found.values[0][:, q == QUADRANTS].sum() for q in range(4)]
    assert by_quadrant[planted] > 0.1
    np.testing.assert_allclose(np.delete(by_quadrant, planted), 0, atol=1e-7)


def test_a_black_box_that_is_linear_in_regions_is_shared_out_exactly(
    backend: Backend, rng: np.random.Generator
) -> None:
    # Nearly linear: the softmax of small scores. Each quadrant is due its own change of probability.
    slopes = rng.normal(0, 1e-4, 4)
    weights = np.stack([np.zeros((3, 8, 8)), np.broadcast_to(slopes[QUADRANTS], (3, 8, 8))]).reshape(2, -1)
    model, x = linear_net(backend, weights), pictures(1)
    # The method hands pictures on in float32.
    blurred = np.moveaxis(cv2.blur(np.ascontiguousarray(np.moveaxis(x[0], 0, -1)), (8, 8)), -1, 0)
    found = tl.explain(model, x, "partition_shap", 1, mask="blur(8,8)", max_evaluations=200)
    change = (x[0] - blurred).astype(np.float64)
    expected = [0.25 * slopes[q] * change[:, q == QUADRANTS].sum() for q in range(4)]
    by_quadrant = [found.values[0][:, q == QUADRANTS].sum() for q in range(4)]
    np.testing.assert_allclose(by_quadrant, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_inpainting_leaves_the_visible_pixels_as_they_are(backend: Backend) -> None:
    for mask in ("inpaint_telea", "inpaint_ns"):
        model, x = small_net(backend, dtype="float64"), pictures(1)
        found = tl.explain(model, x, "partition_shap", 0, mask=mask, **FAST)
        np.testing.assert_allclose(found.error.values, 0, atol=1e-7)
        mean_colour = np.broadcast_to(x.mean(axis=(2, 3), keepdims=True), x.shape)
        np.testing.assert_allclose(found.extras["base_value"], model.probabilities(mean_colour)[:, 0], rtol=1e-6)


def test_both_frameworks_agree(both: tuple[Backend, Backend]) -> None:
    torch, paddle = (tl.explain(small_net(b, dtype="float64"), pictures(1), "partition_shap", 4, **FAST) for b in both)
    np.testing.assert_allclose(torch.values, paddle.values, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("evaluations", [1, 2, 3])
def test_however_few_the_evaluations_it_adds_up(backend: Backend, evaluations: int) -> None:
    found = tl.explain(small_net(backend), pictures(1), "partition_shap", 1, max_evaluations=evaluations)
    assert np.isfinite(found.values).all()
    np.testing.assert_allclose(found.error.values, 0, atol=1e-6)


@pytest.mark.parametrize(
    "mask", ["blur", "blur(16)", "blur(0,0)", "blur(a,b)", "blur(16,16", "inpaint", "grey", 0.5, None]
)
def test_an_unknown_mask_is_named(backend: Backend, mask: object) -> None:
    with pytest.raises(tl.errors.MethodError, match="mask="):
        tl.explain(small_net(backend), pictures(1), "partition_shap", 0, mask=mask)


@pytest.mark.parametrize(
    "mask", ["blur(2147483648,1)", "blur(99999,99999)", "blur(3,17)", "blur(" + "9" * 5000 + ",1)"]
)
def test_a_kernel_larger_than_the_picture_is_named(backend: Backend, mask: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"mask='blur\(.* Use blur\(16,16\) at most"):
        tl.explain(small_net(backend), pictures(1), "partition_shap", 0, mask=mask)


def test_one_output_has_no_probability(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match="one output"):
        tl.explain(linear_net(backend, np.ones((1, 192))), pictures(1), "partition_shap")


def test_it_explains_class_probabilities_of_colour_pictures_only(backend: Backend) -> None:
    grey = pictures(1, shape=(1, 8, 8))
    with pytest.raises(tl.errors.MethodError, match="3 channels"):
        tl.explain(small_net(backend, channels=1), grey, "partition_shap", 0)
    with pytest.raises(tl.errors.MethodError, match="class number"):
        tl.explain(small_net(backend), pictures(1), "partition_shap", lambda s: s[:, 0])
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(linear_net(backend, np.eye(4)), np.zeros((2, 4)), "partition_shap", 0)
    with pytest.raises(tl.errors.MethodError, match="max_evaluations=0"):
        tl.explain(small_net(backend), pictures(1), "partition_shap", 0, max_evaluations=0)
