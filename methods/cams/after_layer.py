"""What the network says when one layer's output is replaced by others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...backends.model import Model
from ...backends.protocol import Tensor
from ..explanation import Array


class AfterLayer:
    """Scores of one picture for other outputs of a layer, many at once.

    The picture itself goes through the network once for all of them: at the layer the one output is replaced by the
    batch of them, and from there on the network works on the batch, one sample's shortcuts being broadcast. Where the
    network does not take that (it concatenates across the layer, or remembers the number of samples), the picture is
    repeated, which costs whole runs. The first output of every batch is the layer's own, and what the network makes
    of it has to be what it said before.

    Parameters
    ----------
    model : Model
    layer : str
    """

    def __init__(self, model: Model, layer: str) -> None:
        self._model = model
        self._layer = layer
        self._broadcasts = True

    def scores(self, x: Array, own: Array, scores: Array, outputs: Array) -> Tensor:
        """Native scores (M, classes); call it with the network frozen and without gradient.

        Parameters
        ----------
        x : ndarray (1, C, H, W)
        own : ndarray (1, K, h, w)
            What the layer returns for it.
        scores : ndarray (1, classes)
            What the network makes of that.
        outputs : ndarray (M, K, h, w)
        """
        if self._broadcasts:
            found = self._broadcast(x, np.concatenate([own, outputs]))
            if found is not None and self._agrees(found, scores, len(outputs) + 1):
                return found[1:]
            self._broadcasts = False
        with self._replaced(outputs):
            return self._model.scores(self._model.tensor(np.repeat(x, len(outputs), axis=0)))

    def _replaced(self, outputs: Array) -> Any:
        return self._model.hook(self._layer, post=lambda _layer, _inputs, _output: self._model.tensor(outputs))

    def _broadcast(self, x: Array, outputs: Array) -> Tensor | None:
        model = self._model
        found: list[Tensor] = []

        def keep(raw: Any) -> Any:
            found.append(raw if model.output is None else model.output(raw))
            return found[-1][:1]

        alone = Model(model.net, model.backend, model.preprocess, output=keep)
        try:
            with self._replaced(outputs):
                alone.scores(model.tensor(x))
        except Exception:  # a network may refuse a number of samples that it did not expect in any way it likes
            return None
        rows, *columns = model.backend.shape(found[-1])
        return model.backend.reshape(found[-1], (rows, *columns) if columns else (rows, 1))

    def _agrees(self, found: Tensor, scores: Array, rows: int) -> bool:
        made = self._model.backend.numpy(found)
        if made.shape != (rows, *scores.shape[1:]):
            return False
        close = np.abs(made[:1] - scores).max() <= np.sqrt(np.finfo(scores.dtype).eps) * np.abs(scores).max()
        return bool(close)
