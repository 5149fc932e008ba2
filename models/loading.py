"""One call that finds, builds and fills a network, whatever it is called and wherever its weights are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..backends import Backend, Model, available_backends, default_backend, get_backend, wrap
from ..backends.protocol import Net
from ..backends.weights import read_weights
from ..errors import BackendError, DeviceError, ModelError, TwinlensError, suggest
from .canonical import canonical
from .colours import IMAGENET_NORMALISATION
from .initialise import initialise
from .labels import installed_imagenet_labels
from .libraries import LIBRARIES, picture_size
from .registry import architecture
from .user_file import described, function_of, module_of, takes_layers
from .user_settings import settings_of

PRETRAINED = "pretrained"
_IMAGENET_CLASSES = 1000

WeightsPath = str | os.PathLike[str]


@dataclass(frozen=True)
class _Request:
    weights: WeightsPath | None
    backend: str | None
    classes: int | None
    seed: int
    options: Mapping[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        return {**self.options, **({} if self.classes is None else {"classes": self.classes})}


@dataclass
class _Built:
    net: Net
    backend: Backend
    name: str
    weights: WeightsPath | None
    input_shape: tuple[int, ...] | None = None
    preprocess: Callable[[Any], Any] | None = None
    labels: tuple[str, ...] | None = None


def load_model(
    spec: str,
    weights: WeightsPath | None = None,
    backend: str | None = None,
    classes: int | None = None,
    seed: int = 0,
    device: str = "auto",
    **options: Any,
) -> Model:
    """Build a network by name and wrap it.

    Parameters
    ----------
    spec : str
        A name of `models` such as ``"small_cnn"``; ``"torchvision:resnet18"`` or ``"paddle:resnet18"`` for a
        constructor of ``torchvision.models`` or ``paddle.vision.models``; or ``"file.py:function"`` for a function of
        your own that returns a network, or an architecture function that takes the layers as its first argument
        ``nn``. The file may say more of the network, see `settings_of`.
    weights : str or path, optional
        A ``.safetensors``, ``.pth``, ``.pt`` or ``.pdparams`` file, or ``"pretrained"`` for the network's published
        ImageNet weights. Without it the network starts at random, from `seed`.
    backend : {"torch", "paddle"}, optional
        The framework to build on. When not given, and `spec` does not settle it: torch where it is installed, else
        Paddle.
    classes : int, optional
        Number of outputs; the network's own default when not given.
    seed : int
        Networks of the zoo start from the same numbers on both frameworks.
    device : str
        ``"cpu"``, ``"cuda:0"``, or ``"auto"`` for the first graphics card, if there is one.
    **options
        Further arguments of the architecture or constructor, such as ``size=128``.

    Returns
    -------
    Model
        Takes pictures of 0..1 (``mlp`` takes rows of a table). ``efficientnet_lite0``, and networks of the libraries
        that were given weights, normalise the colours inside as ImageNet networks expect it.

    Raises
    ------
    ModelError
        If the name, an option or the user's function is wrong.
    BackendError
        If the network belongs to another framework than the one asked for.
    CheckpointError, WeightsError
        If the weights cannot be read or do not fit.
    DeviceError
        If the device does not exist.
    """
    if classes is not None and classes < 1:
        raise ModelError(f"classes={classes} is not a number of outputs.", "Use 2 or more.")
    request = _Request(weights, backend, classes, seed, options)
    kind, separator, name = spec.rpartition(":")
    if not separator:
        built = _from_zoo(name, request)
    elif kind in LIBRARIES:
        built = _from_library(kind, name, request)
    elif kind.endswith(".py"):
        built = _from_file(kind, name, request)
    else:
        raise ModelError(
            f"'{kind}' in '{spec}' is neither a library nor a Python file.",
            f"{suggest(kind, LIBRARIES)} A model in a file is written file.py:function.",
        )
    native = built.backend
    if built.weights is not None:
        native.load(built.net, canonical(read_weights(built.weights), native, built.net))
    native.to(built.net, on_device(native, device))
    model = wrap(built.net, preprocess=built.preprocess, labels=built.labels, input_shape=built.input_shape)
    model.name = built.name
    model.origin = {"spec": spec, "classes": classes, **options}
    return model


def _from_zoo(name: str, request: _Request) -> _Built:
    if name.endswith(".py"):
        raise ModelError(f"'{name}' does not say which function builds the network.", "Write file.py:function.")
    found = architecture(name)
    for option in request.options:
        if option not in found.options:
            raise ModelError(f"'{name}' has no option '{option}'.", suggest(option, found.options))
    weights, labels = request.weights, None
    if weights == PRETRAINED:
        if found.pretrained is None:
            raise ModelError(
                f"There are no pretrained weights for '{name}'.",
                "Train it with fit, pass a weights file, or use efficientnet_lite0.",
            )
        if request.classes not in (None, found.classes):
            raise ModelError(
                f"The pretrained weights of '{name}' have {found.classes} outputs, not {request.classes}.",
                "Leave classes out.",
            )
        weights, labels = found.pretrained(), installed_imagenet_labels()
    backend = get_backend(request.backend) if request.backend else default_backend()
    try:
        net = _initialised(backend, found.build, request)
    except TwinlensError:
        raise
    except Exception as error:
        raise ModelError(
            f"'{name}' cannot be built with {dict(request.options)} ({described(error)}).", "Check its options."
        ) from error
    return _Built(net, backend, name, weights, found.shape_with(request.options), found.preprocess, labels)


def _from_library(kind: str, name: str, request: _Request) -> _Built:
    library = LIBRARIES[kind]
    _check_backend(f"{kind}:{name}", library.backend, request)
    backend = get_backend(library.backend)
    pretrained = request.weights == PRETRAINED
    with backend.seeded(request.seed):
        net = library.build(name, request.classes, pretrained, request.options)
    size = picture_size(name)
    built = _Built(net, backend, f"{kind}:{name}", None if pretrained else request.weights, (3, size, size))
    if request.weights is not None:
        built.preprocess = IMAGENET_NORMALISATION
        if request.classes in (None, _IMAGENET_CLASSES):
            built.labels = installed_imagenet_labels()
    return built


def _from_file(path: str, name: str, request: _Request) -> _Built:
    title = f"{path}:{name}"
    if request.weights == PRETRAINED:
        raise ModelError(f"There are no pretrained weights for '{title}'.", "Pass the path of a weights file.")
    module = module_of(path)
    function, said = function_of(module, path, name), settings_of(module, path)
    try:
        if takes_layers(function):
            backend = get_backend(request.backend) if request.backend else default_backend()
            net = _initialised(backend, function, request)
            return _Built(net, backend, title, request.weights, said.input_shape, said.preprocess, said.labels)
        # Only a framework that the file imports can make the network.
        frameworks = [get_backend(name) for name in available_backends() if name in sys.modules]
        with ExitStack() as random_states:
            for framework in frameworks:
                random_states.enter_context(framework.seeded(request.seed))
            net = function(**request.arguments)
    except TwinlensError:
        raise
    except Exception as error:
        raise ModelError(f"'{title}' raised {described(error)}.", "Call it in Python alone first.") from error
    owner = next((b for b in frameworks if b.owns(net) and not b.is_tensor(net)), None)
    if owner is None:
        raise ModelError(
            f"'{title}' returned a {type(net).__name__}, not a network.",
            "Return a torch.nn.Module or a paddle.nn.Layer.",
        )
    _check_backend(title, owner.name, request)
    return _Built(net, owner, title, request.weights, said.input_shape, said.preprocess, said.labels)


def _check_backend(title: str, found: str, request: _Request) -> None:
    if request.backend not in (None, found):
        raise BackendError(
            f"'{title}' is a network of {found}, not of {request.backend}.",
            "Leave backend out; twinlens.twin makes the counterpart in the other framework.",
        )


def _initialised(backend: Backend, build: Callable[..., Net], request: _Request) -> Net:
    with backend.seeded(request.seed):
        net = build(backend.nn, **request.arguments)
    if not backend.owns(net) or backend.is_tensor(net):
        raise ModelError(
            f"'{build.__name__}' returned a {type(net).__name__}, not a network.",
            "Return what nn.Sequential or nn.Module makes.",
        )
    initialise(backend, net, request.seed)
    return net


def on_device(backend: Backend, device: str) -> str:
    """The device of a framework that is meant by a name or ``"auto"``; `DeviceError` where it has none of that name."""
    available = backend.devices()
    if device == "auto":
        return available[1] if len(available) > 1 else available[0]
    if device not in available:
        raise DeviceError(f"{backend.name} has no device '{device}' here.", f"Choose one of: {', '.join(available)}.")
    return device
