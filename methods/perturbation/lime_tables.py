"""The neighbours of a row of a table: the same with normal noise on its columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Of
from ...errors import MethodError
from ..evaluation import Scored, values_at
from ..explanation import Array
from .lime_neighbours import kernel
from .lime_regression import LocalFit, local_fit
from .shapley_game import Floats

# Of the kernel, per square root of a column, as in the ``lime`` package.
_WIDTH = 0.75


class NoisyRows:
    """Rows around a row, with normal noise as wide as the columns of a background.

    Parameters
    ----------
    model : Model
    x, background : ndarray (N, ...), (B, ...)
    scored : Scored
    of, batch_size
        As for `explain`.
    seed : int
    width : float, optional
        Of the kernel, in standard deviations.
    """

    def __init__(
        self,
        model: Model,
        x: Array,
        background: Array,
        scored: Scored,
        of: Of,
        batch_size: BatchSize,
        seed: int,
        width: float | None,
    ) -> None:
        rows = background.reshape(len(background), -1).astype(np.float64)
        self._mean, self._scale = rows.mean(axis=0), rows.std(axis=0)
        # The deviation of a constant column is not always 0 to the last digit.
        self._varies = rows.min(axis=0) < rows.max(axis=0)
        if not self._varies.any():
            raise MethodError("No column of the background varies.", "Pass several different rows as background.")
        self._x, self._scored, self._model = x, scored, model
        self._of, self._batch_size = of, batch_size
        self._generators = [np.random.default_rng([seed, i]) for i in range(len(x))]
        columns = int(self._varies.sum())
        self._width = _WIDTH * columns**0.5 if width is None else width
        self._noise = [np.zeros((1, columns)) for _ in x]
        self._worth = [np.array([explained], dtype=np.float64) for explained in scored.explained]
        self.evaluations = 0
        self._quick: Model | None = None

    def fit(self, samples: Sequence[int], total: int) -> dict[int, LocalFit]:
        for i in samples:
            missing = max(0, -(-(total - len(self._noise[i])) // 2))
            half = self._generators[i].standard_normal((missing, self._noise[i].shape[1]))
            pairs = np.stack([half, -half], axis=1).reshape(-1, half.shape[1])
            self._noise[i] = np.concatenate([self._noise[i], pairs])
        self._run(samples, total)
        return {i: self._line(i, total) for i in samples}

    def spread(self, values: Sequence[Floats]) -> Array:
        spread = np.zeros((len(self._x), len(self._varies)))
        spread[:, self._varies] = np.stack(values)
        return spread.reshape(self._x.shape).astype(self._x.dtype)

    def extras(self) -> dict[str, Array]:
        return {}

    def _run(self, samples: Sequence[int], total: int) -> None:
        known = {i: len(self._worth[i]) for i in samples}
        counts = [total - known[i] for i in samples]
        if self._quick is None:
            self._quick = self._model.streamlined(self._x, sum(counts))

        def points(sample: int, part: slice) -> Array:
            noise = np.zeros((part.stop - part.start, len(self._varies)))
            first = known[sample]
            noise[:, self._varies] = self._noise[sample][first + part.start : first + part.stop]
            moved = self._x[sample] + (noise * self._scale).reshape(-1, *self._x.shape[1:])
            return moved.astype(self._x.dtype)

        for sample, _, values in values_at(
            self._quick, points, samples, counts, self._x.shape[1:], self._scored.resolved, self._of, self._batch_size
        ):
            self._worth[sample] = np.concatenate([self._worth[sample], values])
        self.evaluations += sum(counts)

    def _line(self, sample: int, total: int) -> LocalFit:
        noise = self._noise[sample][:total]
        place = (self._x[sample].ravel() - self._mean)[self._varies] / self._scale[self._varies]
        nearness = kernel(np.sqrt((noise**2).sum(axis=1)), self._width)
        return local_fit(noise + place, self._worth[sample], nearness, drawn=True)
