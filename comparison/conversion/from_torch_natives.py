"""Which torch modules are a layer of Paddle's own, and which one."""

from __future__ import annotations

from typing import Any

from ...backends import get_backend
from ...errors import ModelError


class Natives:
    """Paddle's own layers for the modules of one network, each made once.

    Parameters
    ----------
    root : torch.nn.Module
    """

    def __init__(self, root: Any) -> None:
        self._layers: dict[int, Any] = {}
        self._kept: list[Any] = []
        self._tied = _stored_both_ways(root)

    def layer(self, module: Any) -> Any:
        """The layer; None where the module is to be rebuilt from what its forward calls.

        Raises
        ------
        ModelError
            With the reason as its cause, if the module can be neither.
        """
        if id(module) not in self._layers:
            self._layers[id(module)] = self._made(module)
        return self._layers[id(module)]

    def kind(self, layer: Any) -> str:
        """What a Paddle layer is."""
        return get_backend("paddle").kind(layer)

    def _made(self, module: Any) -> Any:
        from ...backends.torch_on_paddle.catalogue import MODULES

        if hasattr(module, "parametrizations"):
            raise ModelError(
                "its weights are parametrized; remove that with torch.nn.utils.parametrize.remove_parametrizations", ""
            )
        name = own_kind(module)
        if name is None or name not in MODULES or (name == "Linear" and id(module.weight) in self._tied):
            return None
        layer = MODULES[name](module)
        if layer is not None:
            _check_weights(module, layer)
        return layer


def own_kind(module: Any) -> str | None:
    """Name of the class of torch.nn whose forward a module has; None if the forward is another's."""
    for cls in type(module).__mro__:
        if {"forward", "_conv_forward"} & vars(cls).keys() and not cls.__module__.startswith("torch.nn."):
            return None
        if cls.__module__.startswith("torch.nn.") and cls.__name__ != "NonDynamicallyQuantizableLinear":
            return cls.__name__
    return None


def _check_weights(module: Any, layer: Any) -> None:
    """Make sure that the layer has the module's weights: wrappers such as weight_norm compute them from others."""
    wanted = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    found = set(get_backend("paddle").state(layer))
    if wanted != found:
        odd = ", ".join(sorted(wanted ^ found)[:3])
        raise ModelError(f"its weights are not those of such a layer ({odd}); undo weight_norm and the like first", "")


def _stored_both_ways(root: Any) -> set[int]:
    """Parameters that a linear layer shares with something else: Paddle stores the one transposed, not the other."""
    straight: set[int] = set()
    turned: set[int] = set()
    for module in root.modules():
        for name, parameter in module._parameters.items():
            linear = own_kind(module) == "Linear" and name == "weight"
            (turned if linear else straight).add(id(parameter))
    return straight & turned
