"""A second opinion from pytorch-grad-cam, before it scales its maps to 0 to 1, on the same networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Model

from ...frameworks import need
from ...nets import pictures
from .nets import activation_of, curved_net, pooled_net

TARGETS = [3, 0, 1]


@pytest.fixture
def package() -> Any:
    need("torch")
    from twinlens.backends.torch_backend import import_torchvision

    try:
        import_torchvision()
    except tl.errors.MissingPackageError:
        pytest.skip("torchvision is not installed")
    return pytest.importorskip("pytorch_grad_cam")


def peers_map(
    package: Any, name: str, model: Model, x: np.ndarray, layer: str, targets: Any = None
) -> tuple[np.ndarray, Any]:
    """Its map of a layer before clipping, scaling and enlarging, and the scores."""
    import torch
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    native, module = model.tensor(x).requires_grad_(), model.layer(layer)
    cam = getattr(package, name)(model=model.net, target_layers=[module])
    targets = targets or [ClassifierOutputTarget(target) for target in TARGETS]
    outputs = cam.activations_and_grads(native)
    explained = sum(target(output) for target, output in zip(targets, outputs, strict=True))
    torch.autograd.grad(explained, native, create_graph=not cam.detach)
    seen = cam.activations_and_grads
    activation, gradient = (
        arrays[0].numpy() if cam.detach else arrays[0] for arrays in (seen.activations, seen.gradients)
    )
    return cam.get_cam_image(
        native, module, targets, activation, gradient, eigen_smooth=False
    ), outputs.detach().numpy()


@pytest.mark.parametrize(
    ("method", "peer", "tolerance"),
    [
        ("gradcam", "GradCAM", 1e-12),
        ("hirescam", "HiResCAM", 1e-12),
        ("layercam", "LayerCAM", 1e-12),
        ("gradcam_elementwise", "GradCAMElementWise", 1e-12),
        ("xgradcam", "XGradCAM", 1e-5),  # it adds 1e-7 to denominators
        ("gradcam++", "GradCAMPlusPlus", 1e-3),  # it adds 1e-6 to squared gradients
    ],
)
def test_gradient_maps_are_its_maps(package: Any, method: str, peer: str, tolerance: float) -> None:
    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    # Large gradients, beside which what it adds is small.
    model.load_state(model.state() | {"fc.weight": 100 * model.state()["fc.weight"]})
    expected, _ = peers_map(package, peer, model, x, "relu1")
    params = {} if method == "gradcam_elementwise" else {"relu": False}
    found = tl.explain(model, x, method, TARGETS, layer="relu1", upsample=False, **params)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("layer", ["4", "5", "6"])
def test_shapleycam_is_its_map(package: Any, layer: str) -> None:
    model, x = curved_net(need("torch")), pictures(3).astype(np.float64)
    expected, _ = peers_map(package, "ShapleyCAM", model, x, layer)
    found = tl.explain(model, x, "shapleycam", TARGETS, layer=layer, relu=False, upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_finercam_is_gradcam_of_its_target(package: Any, alpha: float) -> None:
    from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget

    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    found = tl.explain(model, x, "finercam", TARGETS, layer="relu1", alpha=alpha, relu=False, upsample=False)
    # It cannot be asked for another class of every sample, nor for one whose logit another class has, too.
    pairs = zip(TARGETS, found.extras["similar"].tolist(), strict=True)
    targets = [FinerWeightedTarget(target, similar, alpha) for target, similar in pairs]
    expected, _ = peers_map(package, "GradCAM", model, x, "relu1", targets)
    # It adds 1e-9 to the sum of the weights.
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())


def test_finercam_compares_the_classes_that_it_does(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_grad_cam import finer_cam

    model, x, asked = curved_net(need("torch")), pictures(3).astype(np.float64), []

    def target(*settings: Any) -> Any:
        asked.append(settings)
        return lambda output: output[settings[0]]

    monkeypatch.setattr(finer_cam, "FinerWeightedTarget", target)
    package.FinerCAM(model=model.net, target_layers=[model.layer("5")])(model.tensor(x))
    found = tl.explain(model, x, "finercam", layer="5")
    pairs = zip(found.target.tolist(), found.extras["similar"].tolist(), strict=True)
    assert asked == [(target, similar, 1) for target, similar in pairs]


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear", "cosine"])
def test_kpcacam_is_its_map_but_for_the_sign(package: Any, kernel: str) -> None:
    pytest.importorskip("sklearn")
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_kernel

    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    expected = get_2d_projection_kernel(activation_of(model, x, "relu1"), kernel)
    found = tl.explain(model, x, "kpcacam", layer="relu1", kernel=kernel, upsample=False)
    for one, other in zip(found.values[:, 0], expected, strict=True):
        # It returns single precision.
        np.testing.assert_allclose(one, np.sign((one * other).sum()) * other, rtol=0, atol=1e-6 * np.abs(one).max())


def test_scorecam_is_its_map(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    # It puts the corners of the map on the corners of the picture, unlike the paper's authors.
    def halves(size: Any) -> Any:
        return torch.nn.Upsample(size=size, mode="bilinear", align_corners=False)

    monkeypatch.setattr(torch.nn, "UpsamplingBilinear2d", halves)
    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    expected, _ = peers_map(package, "ScoreCAM", model, x, "relu2")
    found = tl.explain(model, x, "scorecam", TARGETS, layer="relu2", upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_ablationcam_is_its_map_times_the_score(package: Any) -> None:
    model, x = pooled_net(need("torch"), dtype="float32"), pictures(3)
    expected, scores = peers_map(package, "AblationCAM", model, x, "relu2")
    expected = expected * scores[range(3), TARGETS][:, None, None]
    found = tl.explain(model, x, "ablationcam", TARGETS, layer="relu2", relu=False, upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("layer", ["conv1", "relu1", "conv2", "relu2"])
def test_segeigencam_is_its_map(package: Any, layer: str) -> None:
    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    expected, _ = peers_map(package, "SegEigenCAM", model, x, layer)
    found = tl.explain(model, x, "segeigencam", TARGETS, layer=layer, upsample=False)
    # It returns single precision.
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_randomcam_is_its_map_for_the_same_weights(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = pooled_net(need("torch")), pictures(3).astype(np.float64)
    drawn = np.stack([np.random.default_rng([5, i]).uniform(-1, 1, 4) for i in range(3)])
    asked = []

    def uniform(low: float, high: float, size: tuple[int, ...]) -> np.ndarray:
        asked.append((low, high, size))
        return drawn

    monkeypatch.setattr(np.random, "uniform", uniform)
    expected, _ = peers_map(package, "RandomCAM", model, x, "relu1")
    assert asked == [(-1, 1, drawn.shape)]
    found = tl.explain(model, x, "randomcam", layer="relu1", seed=5, upsample=False)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(("inner", "peer"), [("gradcam", "GradCAM"), ("hirescam", "HiResCAM")])
def test_refinecam_is_its_map_but_for_the_range(package: Any, inner: str, peer: str) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, x, layers = pooled_net(need("torch"), seed=1), pictures(3, shape=(3, 16, 16)), ["relu1", "conv2"]
    model.load_state(model.state() | {"fc.weight": 100 * model.state()["fc.weight"]})
    cam = package.RefineCAM(model.net, [model.layer(name) for name in layers], base_method=getattr(package, peer))
    expected = cam(model.tensor(x), [ClassifierOutputTarget(target) for target in TARGETS])
    found = tl.explain(model, x, "refinecam", TARGETS, layers=layers, inner=inner)
    # It takes the smallest value off each layer's map.
    assert not any(
        tl.explain(model, x, inner, TARGETS, layer=name, relu=True).values.min(axis=(1, 2, 3)).any() for name in layers
    )
    # It scales the product to 0 to 1 once more, and adds 1e-7 to what it divides by; it returns single precision.
    highest = found.values.max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose((found.values / highest)[:, 0], expected, rtol=0, atol=2e-6)
