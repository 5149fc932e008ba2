"""Which token is which: the patches of the picture, and those before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ...errors import MethodError
from ..cams.upsampling import resized
from ..checks import positive_count
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution

Grid: TypeAlias = tuple[int, int] | None
Token: TypeAlias = int | Literal["mean"] | None

_CURE = "Pass grid=(rows, columns) of the patches, such as grid=(14, 14)."


@dataclass(frozen=True)
class Layout:
    """How the tokens of a network belong to its picture.

    Attributes
    ----------
    tokens : int
        All of them.
    rows, columns : int
        Of the patches, which are the last tokens, row by row.
    token : int or "mean"
        The token whose view is explained; ``"mean"`` for all patches alike.
    """

    tokens: int
    rows: int
    columns: int
    token: int | Literal["mean"]

    @property
    def leading(self) -> int:
        """How many tokens come before the patches: a class token, registers."""
        return self.tokens - self.rows * self.columns

    def carried(self, mixing: Sequence[Array]) -> Array:
        """Row (N, T) of the explained token in ``M_L ... M_2 M_1``.

        Parameters
        ----------
        mixing : sequence of ndarray (N, T, T)
            M, the first layer's first.
        """
        start = np.eye(self.tokens)[self.viewers].mean(axis=0, keepdims=True)
        return _through(start, mixing)[:, 0]

    @property
    def viewers(self) -> slice:
        """Which tokens' view is explained, or the mean of whose."""
        return slice(self.leading, None) if self.token == "mean" else slice(self.token, self.token + 1)

    def views(self, mixing: Sequence[Array]) -> Array:
        """Rows (N, viewers, T) of all explained tokens in ``M_L ... M_2 M_1``.

        Parameters
        ----------
        mixing : sequence of ndarray (N, T, T)
            M, the first layer's first.
        """
        return _through(np.eye(self.tokens)[self.viewers], mixing)

    def check_reached(self, reached: Array) -> None:
        """Raise `MethodError` if the explained number does not depend on what the explained tokens look at, but others.

        Parameters
        ----------
        reached : ndarray of bool (T,)
            Which tokens' rows of the last attention have a gradient.
        """
        if reached[self.viewers].any() or not reached.any():
            return
        whose = "the patches look" if self.token == "mean" else f"token {self.token} looks"
        other = '"mean"' if reached[self.leading :].any() else int(np.argmax(reached))
        raise MethodError(
            f"The explained score does not depend on what {whose} at in the last attention: no map of that is about "
            "the score.",
            f"Pass token={other}, which it does depend on.",
        )

    def attribution(
        self,
        x: Array,
        rows: Array,
        scores: Array,
        classes: npt.NDArray[np.int64] | None,
        upsample: bool,
        error: ErrorEstimate,
    ) -> Attribution:
        """Lay rows (N, T) out as maps: (N, 1, h, w), or enlarged to the pictures with the small maps an extra."""
        maps = rows[:, self.leading :].reshape(len(x), 1, self.rows, self.columns)
        extras = {"leading": np.array(self.leading)}
        if upsample:
            extras["map"] = maps.astype(x.dtype)
            maps = resized(maps, x.shape[2:])
        return Attribution(maps.astype(x.dtype), scores, classes, error, extras)


def _through(rows: Array, mixing: Sequence[Array]) -> Array:
    for matrix in reversed(mixing):
        rows = rows @ matrix
    return rows


def check_tokens(grid: Any, token: Any) -> tuple[Grid, Token]:
    """Return the two parameters, or raise `MethodError` if they cannot be what they are for in any network."""
    if grid is not None:
        if not isinstance(grid, (tuple, list)) or len(grid) != 2:
            raise MethodError(f"grid={grid!r} is not a number of rows and one of columns.", _CURE)
        grid = (positive_count("grid", grid[0]), positive_count("grid", grid[1]))
    if token is not None and token != "mean":
        whole = isinstance(token, (int, np.integer)) and not isinstance(token, bool)
        if not whole or token < 0:
            raise MethodError(f"token={token!r} is not a token.", 'Pass its number from 0, "mean", or None.')
        token = int(token)
    return grid, token


def layout_of(tokens: int, convolution: tuple[int, int] | None, grid: Grid, token: Token) -> Layout:
    """Which tokens are patches, and whose view is explained.

    Parameters
    ----------
    tokens : int
    convolution : (int, int) or None
        Rows and columns of what seems to have made the patches.
    grid : (int, int) or None
        As `check_tokens` returns it; None takes the convolution's.
    token : int, "mean" or None
        None is the first token if there is any before the patches, and the mean otherwise.

    Raises
    ------
    MethodError
        If there are fewer tokens than patches, or it cannot be known which are patches.
    """
    rows, columns = grid or convolution or (0, 0)
    patches = rows * columns
    if not patches:
        raise MethodError(
            f"No convolution makes patches of the picture: it is not known where its {tokens} tokens belong.", _CURE
        )
    leading = tokens - patches
    if leading < 0 and grid is not None:
        raise MethodError(f"grid={grid} is {patches} patches, and the network has {tokens} tokens.", _CURE)
    # One class token, or some registers too; as many as patches are no such tokens.
    if grid is None and not 0 <= leading < patches:
        raise MethodError(
            f"The last convolution before the first attention makes {rows} x {columns} places, and there are {tokens} "
            "tokens: it is not known which of them are patches of the picture.",
            _CURE,
        )
    if token is None:
        token = 0 if leading else "mean"
    if token != "mean" and token >= tokens:
        raise MethodError(f"There is no token {token}: the network has {tokens}.", f"Pass token=0 to {tokens - 1}.")
    return Layout(tokens, rows, columns, token)
