"""A second opinion from captum and from the unmodified lime package, on the same networks."""

from __future__ import annotations

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.segments import superpixels

from ..frameworks import need
from ..nets import pictures, small_net

TARGETS = [3, 0, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saliency_is_captums(dtype: str) -> None:
    attr = pytest.importorskip("captum.attr")
    model, x = small_net(need("torch"), dtype=dtype), pictures(3)
    native = model.tensor(x.astype(dtype)).requires_grad_()
    expected = attr.Saliency(model.net.eval()).attribute(native, target=TARGETS, abs=False)
    found = tl.explain(model, x, "saliency", TARGETS)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=tolerance, atol=tolerance / 100)


@pytest.mark.parametrize(
    ("rule", "captums"),
    [
        ("gauss_legendre", "gausslegendre"),
        ("midpoint", "riemann_middle"),
        ("left", "riemann_left"),
        ("right", "riemann_right"),
    ],
)
def test_integrated_gradients_are_captums(rule: str, captums: str) -> None:
    attr = pytest.importorskip("captum.attr")
    model, x, start = small_net(need("torch"), dtype="float64"), pictures(3), pictures(3, seed=1)
    expected, delta = attr.IntegratedGradients(model.net.eval()).attribute(
        model.tensor(x.astype(np.float64)),
        model.tensor(start.astype(np.float64)),
        target=TARGETS,
        n_steps=13,
        method=captums,
        return_convergence_delta=True,
    )
    found = tl.explain(model, x, "integrated_gradients", TARGETS, steps=13, rule=rule, baseline=start)
    # captum keeps points and weights in float32 whatever the precision of the network.
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(found.error.values, delta.detach().numpy(), atol=1e-6)


def test_lime_is_the_packages_own_result_at_the_speed_of_whole_batches(backend: Backend) -> None:
    lime_image = pytest.importorskip("lime.lime_image")
    model, x = small_net(backend, dtype="float64"), pictures(1)
    cut = superpixels(x[0], "grid", cells=4)
    state = np.random.get_state()  # noqa: NPY002
    peer = lime_image.LimeImageExplainer(random_state=9).explain_instance(
        np.moveaxis(x[0], 0, -1).astype(np.float64),
        lambda batch: model.probabilities(np.moveaxis(batch, -1, 1)),
        labels=(2,),
        top_labels=None,
        num_features=16,
        num_samples=60,
        segmentation_fn=lambda _: cut,
        random_seed=0,  # left out, it would be drawn and move the masks' random numbers on
    )
    np.random.set_state(state)  # noqa: NPY002
    found = tl.explain(model, x, "lime_package", 2, samples=60, seed=9, segments="grid", segment_options={"cells": 4})
    for segment, weight in peer.local_exp[2]:
        np.testing.assert_allclose(found.values[0, 0][cut == segment], weight, rtol=1e-9)
    np.testing.assert_allclose(found.error.values[0], peer.score, rtol=1e-9)
