"""The methods that other libraries have too, called for the same work: what the benchmarks and the table of parity use.

Each entry makes a function of no arguments, which returns the other library's attribution as NumPy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinlens.backends import Model

Array = np.ndarray
Call = Callable[[], Array]


@dataclass(frozen=True)
class Peer:
    """A method in another library.

    Attributes
    ----------
    library : str
    make : callable
        ``make(model, x, targets)`` returns the call; it may use `params`.
    params : dict
        What `twinlens.explain` is given for the same work.
    compared : {"values", "scaled", "none"}
        Whether both should give the same numbers, the same after scaling each map to 0 to 1, or draw different noise.
    net : {"resnet", "plain"}
        What it is run on: some libraries fail on a ResNet, which is then replaced by a network without reused layers.
    batch : int
        Pictures at once.
    """

    library: str
    make: Callable[[Model, Array, list[int]], Call]
    params: dict[str, Any] = field(default_factory=dict)
    compared: str = "values"
    net: str = "resnet"
    batch: int = 8


def _captum(name: str, *construct: Any, **options: Any) -> Callable[[Model, Array, list[int]], Call]:
    def make(model: Model, x: Array, targets: list[int]) -> Call:
        import torch
        from captum import attr

        net = model.net.eval()
        arguments = [part(net) if callable(part) else part for part in construct]
        method = getattr(attr, name)(net, *arguments)
        native, chosen = torch.tensor(x), torch.tensor(targets)
        given = {key: value(x) if callable(value) else value for key, value in options.items()}

        def run() -> Array:
            found = method.attribute(native.clone().requires_grad_(), target=chosen, **given)
            return found.detach().numpy()

        return run

    return make


def _noise_tunnel(model: Model, x: Array, targets: list[int]) -> Call:
    import torch
    from captum import attr

    method = attr.NoiseTunnel(attr.Saliency(model.net.eval()))
    native, chosen = torch.tensor(x), torch.tensor(targets)
    return lambda: method.attribute(native, target=chosen, nt_samples=_SAMPLES, stdevs=0.15, abs=False).numpy()


def _grad_cam(name: str) -> Callable[[Model, Array, list[int]], Call]:
    def make(model: Model, x: Array, targets: list[int]) -> Call:
        import pytorch_grad_cam as library
        import torch
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        # A copy: the library leaves its hooks on the network, and a network with hooks is not streamlined.
        net = copy.deepcopy(model.net)
        cam = getattr(library, name)(model=net, target_layers=[net.get_submodule(_LAYER)])
        native, chosen = torch.tensor(x), [ClassifierOutputTarget(target) for target in targets]
        return lambda: cam(input_tensor=native, targets=chosen)[:, None]

    return make


def _full_grad(model: Model, x: Array, targets: list[int]) -> Call:
    import pytorch_grad_cam as library
    import torch
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = library.FullGrad(copy.deepcopy(model.net), [])
    native, chosen = torch.tensor(x), [ClassifierOutputTarget(target) for target in targets]
    return lambda: cam(input_tensor=native, targets=chosen)[:, None]


def _finer_cam(model: Model, x: Array, targets: list[int]) -> Call:
    import pytorch_grad_cam as library
    import torch

    net = copy.deepcopy(model.net)
    cam = library.FinerCAM(model=net, target_layers=[net.get_submodule(_LAYER)])
    pictures = list(zip(torch.tensor(x).split(1), targets, strict=True))
    return lambda: np.stack([cam(input_tensor=picture, target_idx=target) for picture, target in pictures])


def _sess(model: Model, x: Array, targets: list[int]) -> Call:
    import torch
    from pytorch_grad_cam.sess import SESS
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = copy.deepcopy(model.net)
    # Their mean is over what is above a threshold, which rounding decides at the edges of maps.
    cam = SESS(net, [net.get_submodule(_LAYER)], num_scales=_SCALES, scale_step_ratio=_GROWTH, pool="max")
    native, chosen = torch.tensor(x), [ClassifierOutputTarget(target) for target in targets]
    return lambda: cam(native, chosen)[:, None]


def _factorisation(model: Model, x: Array, targets: list[int]) -> Call:
    import torch
    from pytorch_grad_cam.feature_factorization.deep_feature_factorization import DeepFeatureFactorization

    net = copy.deepcopy(model.net).eval()
    factorisation, native = DeepFeatureFactorization(net, net.get_submodule(_LAYER)), torch.tensor(x)
    return lambda: np.stack(factorisation(native, _CONCEPTS)[1])


def _refine_cam(model: Model, x: Array, targets: list[int]) -> Call:
    import pytorch_grad_cam as library
    import torch
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = copy.deepcopy(model.net)
    cam = library.RefineCAM(model=net, target_layers=[net.get_submodule(layer) for layer in _LAYERS])
    native, chosen = torch.tensor(x), [ClassifierOutputTarget(target) for target in targets]
    return lambda: cam(input_tensor=native, targets=chosen)[:, None]


def _layer_permutation(model: Model, x: Array, targets: list[int]) -> Call:
    import torch
    from captum import attr

    net, rows, chosen = model.net.eval(), torch.arange(len(x)), torch.tensor(targets)
    # Given a target, the library picks its column twice, and fails.
    method = attr.LayerFeaturePermutation(lambda native: net(native)[rows, chosen], model.layer(_FIRST))
    native, mask = torch.tensor(x), _channels(x)
    return lambda: method.attribute(native, layer_mask=mask).numpy()


def _layer(
    name: str, neuron: Any = None, at: str | None = None, **options: Any
) -> Callable[[Model, Array, list[int]], Call]:
    def make(model: Model, x: Array, targets: list[int]) -> Call:
        import torch
        from captum import attr

        method = getattr(attr, name)(model.net.eval(), model.layer(at or _LAYER))
        native, chosen = torch.tensor(x), torch.tensor(targets)
        given = {key: value(x) if callable(value) else value for key, value in options.items()}

        def run() -> Array:
            if neuron is not None and name == "NeuronConductance":
                found = method.attribute(native, neuron, target=chosen, **given)
            elif neuron is not None:
                found = method.attribute(native, neuron, **given)
            elif name == "LayerActivation":
                found = method.attribute(native)
            else:
                found = method.attribute(native, target=chosen, **given)
            return found.detach().numpy()

        return run

    return make


def _saliency_package(name: str, **options: Any) -> Callable[[Model, Array, list[int]], Call]:
    def make(model: Model, x: Array, targets: list[int]) -> Call:
        import saliency.core as library
        import torch

        net = model.net.eval()

        def gradients(images: Array, call_model_args: dict[str, Any], expected_keys: Any) -> dict[str, Array]:
            native = torch.tensor(np.moveaxis(np.asarray(images, np.float32), -1, 1)).requires_grad_()
            (gradient,) = torch.autograd.grad(net(native)[:, call_model_args["target"]].sum(), native)
            return {library.base.INPUT_OUTPUT_GRADIENTS: np.moveaxis(gradient.numpy(), 1, -1)}

        method = getattr(library, name)()

        def run() -> Array:
            maps = [
                method.GetMask(np.moveaxis(picture, 0, -1), gradients, {"target": target}, **options)
                for picture, target in zip(x, targets, strict=True)
            ]
            made = np.stack(maps)
            return made[:, None] if made.ndim == 3 else np.moveaxis(made, -1, 1)

        return run

    return make


def _lime(model: Model, x: Array, targets: list[int]) -> Call:
    from lime import lime_image

    def classify(batch: Array) -> Array:
        return model.probabilities(np.moveaxis(batch, -1, 1))

    def run() -> Array:
        for picture, target in zip(x, targets, strict=True):
            lime_image.LimeImageExplainer(random_state=0).explain_instance(
                np.moveaxis(picture, 0, -1).astype(np.float64),
                classify,
                labels=(target,),
                top_labels=None,
                num_samples=_PERTURBED,
                segmentation_fn=lambda image: _grid(image.shape[0]),
                random_seed=0,
            )
        return x

    return run


def _grid(size: int, cells: int = 4) -> Array:
    index = np.arange(size) * cells // size
    return index[:, None] * cells + index[None]


def _mask(x: Array) -> Any:
    import torch

    return torch.tensor(_grid(x.shape[-1]))[None, None]


def _channels(_x: Array) -> Any:
    """The first layer's channels, each one part."""
    import torch

    return torch.arange(32).reshape(1, -1, 1, 1)


def _background(x: Array) -> Any:
    import torch

    return torch.tensor(background(x))


def background(x: Array) -> Array:
    """Four pictures that stand for "nothing there"."""
    return np.random.default_rng(1).random((4, *x.shape[1:]), dtype=np.float32)


_LAYER = "layer4"
_LAYERS = ["layer2", "layer3", "layer4"]
_SCALES, _GROWTH = 4, 0.25
_CONCEPTS = 5
_SAMPLES = 10
_STEPS = 20
_PERTURBED = 64
_PLAYERS: dict[str, Any] = {"segments": "grid", "segment_options": {"cells": 4}}
_ON_LAYER: dict[str, Any] = {"layer": _LAYER}
_ON_NEURON: dict[str, Any] = {"layer": _LAYER, "neuron": (3, 1, 1)}
_WINDOW = {"window": 28, "stride": 14}
_CAM = {"layer": _LAYER}
# Of the plain network, whose layers are used once.
_FIRST = "features.0"

PEERS: dict[str, Peer] = {
    "saliency": Peer("captum", _captum("Saliency", abs=False)),
    "input_x_gradient": Peer("captum", _captum("InputXGradient")),
    "integrated_gradients": Peer("captum", _captum("IntegratedGradients", n_steps=_STEPS), {"steps": _STEPS}),
    "smoothgrad": Peer("captum", _noise_tunnel, {"samples": _SAMPLES}, "none"),
    "gradient_shap": Peer(
        "captum",
        _captum("GradientShap", baselines=_background, n_samples=_SAMPLES),
        {"samples": _SAMPLES, "background": background},
        "none",
    ),
    "noise_tunnel": Peer(
        "captum",
        _noise_tunnel,
        {"inner": "saliency", "samples": _SAMPLES},
        "none",
    ),
    "fullgrad": Peer("grad-cam", _full_grad, {}, "none"),
    "guided_backprop": Peer("captum", _captum("GuidedBackprop")),
    "deconvnet": Peer("captum", _captum("Deconvolution")),
    "guided_gradcam": Peer("captum", _captum("GuidedGradCam", lambda net: net.layer4), _CAM),
    "deeplift": Peer("captum", _captum("DeepLift"), net="plain"),
    "lrp": Peer("captum", _captum("LRP"), {"composite": "epsilon", "epsilon": 1e-9}, net="plain"),
    "gradcam": Peer("grad-cam", _grad_cam("GradCAM"), _CAM, "scaled"),
    "gradcam++": Peer("grad-cam", _grad_cam("GradCAMPlusPlus"), _CAM, "scaled"),
    "xgradcam": Peer("grad-cam", _grad_cam("XGradCAM"), _CAM | {"relu": True}, "scaled"),
    "hirescam": Peer("grad-cam", _grad_cam("HiResCAM"), _CAM | {"relu": True}, "scaled"),
    "layercam": Peer("grad-cam", _grad_cam("LayerCAM"), _CAM, "scaled"),
    "gradcam_elementwise": Peer("grad-cam", _grad_cam("GradCAMElementWise"), _CAM, "scaled"),
    "shapleycam": Peer("grad-cam", _grad_cam("ShapleyCAM"), _CAM, "scaled"),
    "finercam": Peer("grad-cam", _finer_cam, _CAM, "scaled"),
    "segeigencam": Peer("grad-cam", _grad_cam("SegEigenCAM"), _CAM | {"relu": True}, "scaled"),
    "randomcam": Peer("grad-cam", _grad_cam("RandomCAM"), _CAM | {"relu": True}, "none"),
    "refinecam": Peer("grad-cam", _refine_cam, {"layers": _LAYERS}, "none"),
    "sess": Peer(
        "grad-cam",
        _sess,
        {"inner_params": _CAM, "scales": _SCALES, "growth": _GROWTH, "pool": "max"},
        "scaled",
        batch=1,
    ),
    # Theirs ends after so many steps, converged or not.
    "feature_factorisation": Peer("grad-cam", _factorisation, _CAM | {"components": _CONCEPTS, "steps": 200}, "none"),
    "kpcacam": Peer("grad-cam", _grad_cam("KPCA_CAM"), _CAM, "none"),
    "fem": Peer("grad-cam", _grad_cam("FEM"), _CAM, "none"),
    "eigencam": Peer("grad-cam", _grad_cam("EigenCAM"), _CAM | {"relu": True}, "scaled"),
    "eigengradcam": Peer("grad-cam", _grad_cam("EigenGradCAM"), _CAM | {"relu": True}, "scaled"),
    "scorecam": Peer("grad-cam", _grad_cam("ScoreCAM"), _CAM, "none", batch=1),
    "ablationcam": Peer("grad-cam", _grad_cam("AblationCAM"), _CAM, "none", batch=1),
    "occlusion": Peer(
        "captum", _captum("Occlusion", sliding_window_shapes=(3, 28, 28), strides=(3, 14, 14)), _WINDOW, batch=2
    ),
    "feature_ablation": Peer("captum", _captum("FeatureAblation", feature_mask=_mask), _PLAYERS, batch=2),
    "feature_permutation": Peer(
        "captum", _captum("FeaturePermutation", feature_mask=_mask), _PLAYERS | {"samples": 1}, "none", batch=4
    ),
    "shapley_sampling": Peer(
        "captum",
        _captum("ShapleyValueSampling", feature_mask=_mask, n_samples=4),
        _PLAYERS | {"samples": 4},
        "none",
        batch=1,
    ),
    "kernelshap": Peer(
        "captum",
        _captum("KernelShap", feature_mask=_mask, n_samples=_PERTURBED),
        _PLAYERS | {"samples": _PERTURBED},
        "none",
        batch=1,
    ),
    "lime": Peer("lime", _lime, _PLAYERS | {"samples": _PERTURBED}, "none", batch=1),
    "lime_package": Peer("lime", _lime, _PLAYERS | {"samples": _PERTURBED}, "none", batch=1),
    # The package's guided integrated gradients do not run on NumPy 2.4.
    "blur_integrated_gradients": Peer(
        "saliency", _saliency_package("BlurIG", steps=_STEPS), {"steps": _STEPS}, "none", batch=2
    ),
    "xrai": Peer("saliency", _saliency_package("XRAI"), {}, "none", batch=1),
    "layer_activation": Peer("captum", _layer("LayerActivation"), _ON_LAYER),
    "layer_gradient_x_activation": Peer("captum", _layer("LayerGradientXActivation"), _ON_LAYER),
    "layer_integrated_gradients": Peer(
        "captum", _layer("LayerIntegratedGradients", n_steps=_STEPS), _ON_LAYER | {"steps": _STEPS}
    ),
    "layer_conductance": Peer(
        "captum", _layer("LayerConductance", n_steps=_STEPS), _ON_LAYER | {"steps": _STEPS}, "none"
    ),
    "layer_deeplift": Peer("captum", _layer("LayerDeepLift", at=_FIRST), {"layer": _FIRST}, net="plain"),
    "layer_deepshap": Peer(
        "captum",
        _layer("LayerDeepLiftShap", at=_FIRST, baselines=_background),
        {"layer": _FIRST, "background": background},
        net="plain",
        batch=2,
    ),
    "layer_feature_ablation": Peer(
        "captum",
        _layer("LayerFeatureAblation", at=_FIRST, layer_mask=_channels),
        {"layer": _FIRST},
        net="plain",
        batch=2,
    ),
    # Of two samples one permutation moves both: the two draw the same.
    "layer_feature_permutation": Peer(
        "captum", _layer_permutation, {"layer": _FIRST, "samples": 1}, net="plain", batch=2
    ),
    "layer_lrp": Peer(
        "captum",
        _layer("LayerLRP", at=_FIRST),
        {"layer": _FIRST, "composite": "epsilon", "epsilon": 1e-9},
        net="plain",
    ),
    "layer_expected_gradients": Peer(
        "captum",
        _layer("LayerGradientShap", baselines=_background, n_samples=_SAMPLES),
        _ON_LAYER | {"samples": _SAMPLES, "background": background},
        "none",
    ),
    "internal_influence": Peer("captum", _layer("InternalInfluence", n_steps=_STEPS), _ON_LAYER | {"steps": _STEPS}),
    "neuron_gradient": Peer("captum", _layer("NeuronGradient", (3, 1, 1)), _ON_NEURON),
    "neuron_integrated_gradients": Peer(
        "captum", _layer("NeuronIntegratedGradients", (3, 1, 1), n_steps=_STEPS), _ON_NEURON | {"steps": _STEPS}
    ),
    "neuron_conductance": Peer(
        "captum", _layer("NeuronConductance", (3, 1, 1), n_steps=_STEPS), _ON_NEURON | {"steps": _STEPS}
    ),
    "neuron_guided_backprop": Peer("captum", _layer("NeuronGuidedBackprop", (3, 1, 1)), _ON_NEURON),
}
