"""What the network says when one layer's output is replaced by others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.model import Model
from ...backends.protocol import Tensor
from ..explanation import Array


class AfterLayer:
    """Scores of one sample for other outputs of a layer, many at once.

    The sample itself goes through the network once for all of them: at the layer the one output is replaced by the
    batch of them, and from there on the network works on the batch, one sample's shortcuts being broadcast. Where the
    network does not take that (it concatenates across the layer, or remembers the number of samples), the sample is
    repeated, which costs whole runs. That is seen once for each number of outputs: then the last of the batch is the
    layer's own, and what the network makes of it has to be what it said before. The first is unlike it in every number:
    a network that remembers one sample would take that one's for all others.

    Parameters
    ----------
    model : Model
    layer : str
    """

    def __init__(self, model: Model, layer: str) -> None:
        self._model = model
        self._layer = layer
        # What the network returns is not what every model makes its scores of: a neuron's takes them from inside.
        self._broadcasts = type(model).scores is Model.scores
        self._agreed: set[int] = set()

    def scores(self, x: Array, own: Array, scores: Array, outputs: Array) -> Tensor:
        """Native scores (M, classes); call it with the network frozen and without gradient.

        Parameters
        ----------
        x : ndarray (1, ...)
        own : ndarray (1, ...)
            What the layer returns for it.
        scores : ndarray (1, classes)
            What the network makes of that.
        outputs : ndarray (M, ...)
        """
        count = len(outputs)
        if self._broadcasts and count in self._agreed:
            return self._broadcast(x, outputs)
        if self._broadcasts:
            found = self._tried(x, np.concatenate([2 * own + 1, outputs, own]))
            if found is not None and self._agrees(found, scores, count + 2):
                self._agreed.add(count)
                return found[1:-1]
            self._broadcasts = False
        with self._replaced(outputs):
            return self._model.scores(self._model.tensor(np.repeat(x, len(outputs), axis=0)))

    def _replaced(self, outputs: Array) -> Any:
        backend, device = self._model.backend, self._model.device

        def replace(_layer: Any, _inputs: Any, output: Tensor) -> Tensor:
            # A layer may compute in another type than the network's first one, and in one that NumPy lacks.
            kind = backend.dtype(output)
            return backend.asarray(outputs if hasattr(np, kind) else backend.asarray(outputs), kind, device)

        return self._model.hook(self._layer, post=replace)

    def _tried(self, x: Array, outputs: Array) -> Tensor | None:
        try:
            return self._broadcast(x, outputs)
        except Exception:  # a network may refuse a number of samples that it did not expect in any way it likes
            return None

    def _broadcast(self, x: Array, outputs: Array) -> Tensor:
        model = self._model
        found: list[Tensor] = []

        def keep(raw: Any) -> Any:
            found.append(raw if model.output is None else model.output(raw))
            return found[-1][:1]

        alone = Model(model.net, model.backend, model.preprocess, output=keep)
        with self._replaced(outputs):
            alone.scores(model.tensor(x))
        rows, *columns = model.backend.shape(found[-1])
        return model.backend.reshape(found[-1], (rows, *columns) if columns else (rows, 1))

    def _agrees(self, found: Tensor, scores: Array, rows: int) -> bool:
        made = self._model.backend.numpy(found)
        if made.shape != (rows, *scores.shape[1:]):
            return False
        close = np.abs(made[-1:] - scores).max() <= np.sqrt(np.finfo(scores.dtype).eps) * np.abs(scores).max()
        return bool(close)
