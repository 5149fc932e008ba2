"""Adam on Paddle, with a state that can be saved as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle

from ..errors import ModelError
from .protocol import Array, Net, Tensor
from .states import check_state

_MOMENTS = ("moment1", "moment2")
_DECAY_RATES = {"beta1_pow_acc_0": 0.9, "beta2_pow_acc_0": 0.999}


class Adam:
    """Adam (Kingma and Ba, 2015) on the trainable parameters of one network.

    Parameters
    ----------
    net : paddle.nn.Layer
        The network that is trained.
    learning_rate : float
        Step size.
    weight_decay : float
        Factor of the squared norm of all parameters, added to the loss as half of it (L2 penalty).

    Raises
    ------
    ModelError
        If no parameter is trainable.
    """

    def __init__(self, net: Net, learning_rate: float, weight_decay: float = 0.0) -> None:
        self._parameters = {name: p for name, p in net.named_parameters() if not p.stop_gradient}
        if not self._parameters:
            raise ModelError("No parameter of the network is trainable.", "Set stop_gradient of those to False.")
        linear = {id(layer.weight) for layer in net.sublayers(include_self=True) if isinstance(layer, paddle.nn.Linear)}
        self._transposed = {name for name, p in self._parameters.items() if id(p) in linear}
        self._settings: dict[str, Any] = {"learning_rate": learning_rate, "weight_decay": weight_decay or None}
        self._adam = self._fresh()
        self._steps = 0

    def _fresh(self) -> paddle.optimizer.Adam:
        return paddle.optimizer.Adam(parameters=list(self._parameters.values()), **self._settings)

    def _canonical(self, name: str, array: Array) -> Array:
        return np.ascontiguousarray(array.T) if name in self._transposed else array

    @property
    def learning_rate(self) -> float:
        """Step size of the steps to come; may be set."""
        return float(self._settings["learning_rate"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._settings["learning_rate"] = value
        self._adam.set_lr(value)

    def step(self, loss: Tensor) -> None:
        """Differentiate the scalar loss, update the parameters, forget the gradients."""
        self._adam.clear_grad(set_to_zero=False)
        loss.backward()
        # The moments are made by the first step; without the guard their names would depend on earlier optimizers.
        with paddle.utils.unique_name.guard():
            self._adam.step()
        self._adam.clear_grad(set_to_zero=False)
        self._steps += 1

    def state(self) -> dict[str, Array]:
        """Return ``step``, ``moment1.<name>`` and ``moment2.<name>``; nothing before the first step."""
        if not self._steps:
            return {}
        accumulators = self._adam.state_dict()
        arrays: dict[str, Array] = {"step": np.array(self._steps, dtype="int64")}
        for name, parameter in self._parameters.items():
            for moment in _MOMENTS:
                accumulator = accumulators.get(f"{parameter.name}_{moment}_0", paddle.zeros_like(parameter))
                arrays[f"{moment}.{name}"] = self._canonical(name, accumulator.numpy())
        return arrays

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Continue from what `state` returned, on either framework.

        Raises
        ------
        WeightsError
            If names or shapes do not belong to this network; nothing is changed then.
        """
        if not state:
            self._adam, self._steps = self._fresh(), 0
            return
        shapes = {
            f"{moment}.{name}": tuple(p.shape[::-1] if name in self._transposed else p.shape)
            for moment in _MOMENTS
            for name, p in self._parameters.items()
        }
        arrays = check_state({"step": (), **shapes}, state)
        steps = int(arrays["step"])
        accumulators = {}
        for name, parameter in self._parameters.items():
            for moment in _MOMENTS:
                array = self._canonical(name, arrays[f"{moment}.{name}"])
                accumulators[f"{parameter.name}_{moment}_0"] = paddle.to_tensor(array, dtype=parameter.dtype)
            for key, rate in _DECAY_RATES.items():
                power = _power(rate, steps + 1, arrays[f"moment1.{name}"].dtype)
                accumulators[f"{parameter.name}_{key}"] = paddle.to_tensor(power, dtype=parameter.dtype)
        self._adam, self._steps = self._fresh(), steps
        self._adam.set_state_dict(accumulators)


def _power(rate: float, exponent: int, dtype: np.dtype) -> Array:
    # Paddle multiplies step by step in the parameters' type: only the same products give the same bits.
    return np.cumprod(np.full(exponent, rate, dtype=dtype))[-1:]
