"""Adam on PyTorch, with a state that can be saved as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ..errors import ModelError
from .protocol import Array, Net, Tensor
from .states import check_state

_MOMENTS = {"moment1": "exp_avg", "moment2": "exp_avg_sq"}


class Adam:
    """Adam (Kingma and Ba, 2015) on the trainable parameters of one network.

    Parameters
    ----------
    net : torch.nn.Module
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
        self._parameters = {name: p for name, p in net.named_parameters() if p.requires_grad}
        if not self._parameters:
            raise ModelError("No parameter of the network is trainable.", "Set requires_grad of those to train.")
        self._adam = torch.optim.Adam(self._parameters.values(), lr=learning_rate, weight_decay=weight_decay)
        self._steps = 0

    @property
    def learning_rate(self) -> float:
        """Step size of the steps to come; may be set."""
        return float(self._adam.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._adam.param_groups[0]["lr"] = value

    def step(self, loss: Tensor) -> None:
        """Differentiate the scalar loss, update the parameters, forget the gradients."""
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self._adam.zero_grad()
        self._steps += 1

    def state(self) -> dict[str, Array]:
        """Return ``step``, ``moment1.<name>`` and ``moment2.<name>``; nothing before the first step."""
        if not self._steps:
            return {}
        arrays: dict[str, Array] = {"step": np.array(self._steps, dtype=np.int64)}
        for name, parameter in self._parameters.items():
            state = self._adam.state.get(parameter, {})
            for moment, key in _MOMENTS.items():
                arrays[f"{moment}.{name}"] = state.get(key, torch.zeros_like(parameter)).detach().cpu().numpy().copy()
        return arrays

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Continue from what `state` returned, on either framework.

        Raises
        ------
        WeightsError
            If names or shapes do not belong to this network; nothing is changed then.
        """
        if not state:
            self._adam.state.clear()
            self._steps = 0
            return
        shapes = {f"{moment}.{name}": tuple(p.shape) for moment in _MOMENTS for name, p in self._parameters.items()}
        arrays = check_state({"step": (), **shapes}, state)
        self._steps = int(arrays["step"])
        for name, parameter in self._parameters.items():
            self._adam.state[parameter] = {
                "step": torch.tensor(float(self._steps)),
                **{
                    key: torch.from_numpy(arrays[f"{moment}.{name}"]).to(parameter, copy=True)
                    for moment, key in _MOMENTS.items()
                },
            }
