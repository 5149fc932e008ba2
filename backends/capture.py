"""Look at what layers compute while the network runs, through forward hooks that are gone afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LayerError, NoGradientError
from .layer_outputs import no_tensor
from .protocol import Array, Handle, Net, Tensor

if TYPE_CHECKING:
    from .model import Model


class Capture:
    """Activations by layer name, collected over every run of the network inside a ``with`` block.

    Parameters
    ----------
    model : Model
    layers : sequence of str
    gradients : bool
        Also collect the gradients that arrive at the layers' outputs, for calls to ``model.gradient``.

    Examples
    --------
    >>> with model.capture(["conv3"], gradients=True) as seen:
    ...     model.gradient(pictures, target=3)
    >>> seen["conv3"].shape, seen.gradients["conv3"].shape

    Notes
    -----
    Values are copied to NumPy at once: an in-place activation that follows cannot change them.
    """

    def __init__(self, model: Model, layers: Sequence[str], gradients: bool = False) -> None:
        self._model = model
        self._layers = {name: model.layer(name) for name in layers}
        self._wants_gradients = gradients
        self._activations: dict[str, list[Array]] = {name: [] for name in layers}
        self._gradients: dict[str, list[Array]] = {name: [] for name in layers}
        self._run = 0
        self._runs_seen: dict[str, list[int]] = {name: [] for name in layers}
        self._handles: list[Handle] = []

    def __enter__(self) -> Capture:
        backend = self._model.backend
        try:
            self._handles.append(backend.on_enter(self._model.net, self._count_run))
            for name, layer in self._layers.items():
                self._handles.append(backend.on_exit(layer, self._collector(name)))
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def __getitem__(self, layer: str) -> Array:
        """Activations of all runs, joined along the sample axis."""
        return self._joined(layer, self._activations)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def gradients(self) -> dict[str, Array]:
        """Gradients at the layers' outputs, joined along the sample axis."""
        if not self._wants_gradients:
            raise LayerError("No gradients were captured.", "Use model.capture(layers, gradients=True).")
        return {name: self._joined(name, self._gradients) for name in self._layers}

    def calls(self, layer: str) -> list[Array]:
        """What the layer returned at each of its calls: the way to read a layer that the network uses twice."""
        self._known(layer)
        return list(self._activations[layer])

    def _count_run(self, _net: Net, _inputs: Any) -> None:
        self._run += not self._model.measuring

    def _collector(self, name: str) -> Any:
        backend = self._model.backend

        def collect(_layer: Net, _inputs: Any, output: Tensor) -> None:
            if self._model.measuring:
                return
            if not backend.is_tensor(output):
                raise no_tensor(self._model, name, output)
            self._activations[name].append(backend.numpy(output))
            self._runs_seen[name].append(self._run)
            if self._wants_gradients:
                with suppress(NoGradientError):
                    backend.on_grad(output, lambda gradient: self._gradients[name].append(backend.numpy(gradient)))

        return collect

    def _known(self, layer: str) -> None:
        if layer not in self._layers:
            raise LayerError(f"Layer '{layer}' was not captured.", f"Captured: {', '.join(self._layers)}.")

    def _joined(self, layer: str, found: dict[str, list[Array]]) -> Array:
        self._known(layer)
        arrays = found[layer]
        if not arrays:
            raise LayerError(
                f"Layer '{layer}' was not reached{'' if self._run else ': the network did not run'}.",
                "Run model.forward (or model.gradient, for gradients) inside the with block.",
            )
        times = max(Counter(self._runs_seen[layer]).values())
        if times > 1 and self._run:
            raise LayerError(
                f"Layer '{layer}' is used {times} times in one run of the network.",
                f"Read its calls one by one: capture.calls('{layer}').",
            )
        return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]

    def _remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
