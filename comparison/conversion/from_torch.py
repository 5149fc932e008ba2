"""Build the Paddle network that does what a torch network does, with the same layers under the same names."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...backends import get_backend
from ...errors import ModelError
from .from_torch_recording import Recordings
from .program import BothModes


def paddle_network(net: Any, example: Any) -> Any:
    """Build the Paddle network of a torch network; its weights are still to be loaded.

    Parameters
    ----------
    net : torch.nn.Module
    example : torch.Tensor (N, ...)
        An input. It decides conditions on shapes, which are then guarded.

    Returns
    -------
    paddle.nn.Layer
        With the same sublayers under the same names, flags and buffers as `net`.

    Raises
    ------
    ModelError
        Listing every layer and function that has no counterpart, with its place.
    """
    shadow = _without_weights(net)
    with get_backend("torch").seeded(0), get_backend("paddle").seeded(0), _precision_of(net):
        # Two samples, because batch norm in training refuses one.
        recordings = Recordings(shadow, example if len(example) > 1 else example.repeat(2, *[1] * (example.ndim - 1)))
        recordings.check()
        builder = _Builder(dict(zip(shadow.modules(), net.modules(), strict=True)), recordings)
        built = builder.layer(shadow)
        builder.share()
        builder.flags()
    return built


def _without_weights(net: Any) -> Any:
    """A copy that shares the parameters, so that following it can change nothing of the user's."""
    if any("Uninitialized" in type(parameter).__name__ for parameter in net.parameters()):
        raise ModelError("The network has weights that have no shape yet.", "Run it once.")
    try:
        shadow = copy.deepcopy(net, {id(parameter): parameter for parameter in net.parameters()})
    except Exception as error:
        raise ModelError(
            f"The network cannot be copied ({type(error).__name__}: {error}).",
            "Keep tensors that are computed, open files and the like out of its attributes.",
        ) from error
    for module in shadow.modules():  # the user's hooks are to see the user's runs only
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return shadow


@contextmanager
def _precision_of(net: Any) -> Iterator[None]:
    import paddle

    kinds = {_dtype(parameter) for parameter in net.parameters() if parameter.is_floating_point()}
    if len(kinds) > 1:
        raise ModelError(f"The network mixes {' and '.join(sorted(kinds))}.", "Convert it to one type: net.float().")
    before = paddle.get_default_dtype()
    try:
        if kinds:
            paddle.set_default_dtype(*kinds)
        yield
    finally:
        paddle.set_default_dtype(before)


class _Builder:
    """Makes each module's Paddle layer once, also where it has several names.

    Parameters
    ----------
    sources : mapping of torch.nn.Module to torch.nn.Module
        The user's module of each module of the copy that was followed.
    recordings : Recordings
    """

    def __init__(self, sources: Mapping[Any, Any], recordings: Recordings) -> None:
        self.sources, self.recordings = sources, recordings
        self.layers: dict[Any, Any] = {}

    def layer(self, module: Any) -> Any:
        """The Paddle layer of a module with everything in it."""
        if module not in self.layers:
            native = self.recordings.native(module)
            self.layers[module] = self._container(module) if native is None else native
            if native is not None:
                self.layers |= {child: getattr(native, name) for name, child in module.named_children()}
        return self.layers[module]

    def _container(self, module: Any) -> Any:
        from paddle import nn
        from torch.nn import Sequential

        from ...backends.torch_on_paddle.catalogue import Recorded

        children = {name: self.layer(child) for name, child in module._modules.items() if child is not None}
        cls = type(module)
        title = "Linear_" if cls.__name__ == "Linear" else cls.__name__  # Paddle's own would be transposed
        if cls.forward is Sequential.forward:
            built = nn.Sequential() if cls is Sequential else type(title, (nn.Sequential,), {})()
        elif cls.__name__ in _HOLDERS and cls.__module__.startswith("torch.nn."):
            built = getattr(nn, _HOLDERS[cls.__name__])()
        else:
            built = type(title, (Recorded,), {"__module__": __name__})(self._program(module))
        for name, child in children.items():
            built.add_sublayer(name, child)
        for name, parameter in module._parameters.items():
            if parameter is not None:
                built.add_parameter(name, _parameter(built, parameter))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                lasting = name not in module._non_persistent_buffers_set and name != "num_batches_tracked"
                built.register_buffer(name, _tensor(self.sources[module]._buffers[name]), persistable=lasting)
        for name in self.recordings.constants.get(id(module), ()):
            built.register_buffer(name, _tensor(getattr(module, name)), persistable=False)
        return built

    def _program(self, module: Any) -> Callable[..., Any]:
        found = [self.recordings.recorded(module, training) for training in (False, True)]
        if found[0] is None or found[1] is None:
            return _never_called
        evaluation, training = (recorded.program for recorded in found if recorded is not None)
        return BothModes(evaluation, training)

    def _parameters(self) -> Iterator[tuple[Any, Any, str]]:
        """Each parameter of the source with the layer that has it and its name there."""
        for module, layer in self.layers.items():
            for name, parameter in self.sources[module]._parameters.items():
                if parameter is not None:
                    yield parameter, layer, self.recordings.stored(module, layer, name)[0]

    def share(self) -> None:
        """Make one parameter of those that are one in the source."""
        first: dict[int, Any] = {}
        for parameter, layer, name in self._parameters():
            layer._parameters[name] = first.setdefault(id(parameter), layer._parameters[name])

    def flags(self) -> None:
        """Carry over which layers train and which parameters take a gradient."""
        for module, layer in self.layers.items():
            for each in layer.sublayers(include_self=True) if self.recordings.native(module) else [layer]:
                each.training = self.sources[module].training
        for parameter, layer, name in self._parameters():
            layer._parameters[name].stop_gradient = not parameter.requires_grad


_HOLDERS = {"ModuleList": "LayerList", "ModuleDict": "LayerDict", "ParameterList": "ParameterList"}


def _never_called(layer: Any, *inputs: Any) -> Any:
    raise ModelError(
        f"This {type(layer).__name__} was not converted: the network does not call it.",
        "Call the layers inside it, or the network.",
    )


def _parameter(layer: Any, parameter: Any) -> Any:
    from paddle.nn.initializer import Constant

    return layer.create_parameter(list(parameter.shape), dtype=_dtype(parameter), default_initializer=Constant(0.0))


def _dtype(t: Any) -> str:
    return str(t.dtype).removeprefix("torch.")


def _tensor(t: Any) -> Any:
    return get_backend("paddle").asarray(get_backend("torch").numpy(t))
