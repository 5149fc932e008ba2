"""What a layer returns, and whether the network can go on with a copy of it, at which a gradient is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LayerError
from .protocol import Array, Net, Tensor

if TYPE_CHECKING:
    from .model import Model


def no_tensor(model: Model, layer: str | Net, output: Any) -> LayerError:
    """The error for a layer that returns anything but one tensor."""
    inside = len(model.backend.modules(model.layer(layer))) > 1
    return LayerError(
        f"Layer '{layer}' returns a {type(output).__name__}, not one tensor.",
        "Choose a layer inside it." if inside else "Choose the layer that takes what you need out of it.",
    )


def check_real(dtype: str, layer: str | Net) -> None:
    """Raise `LayerError` unless a layer returns real numbers: others have no gradient, and nothing between them."""
    if "float" not in dtype:
        raise LayerError(
            f"Layer '{layer}' returns {dtype}, not floating-point numbers.", "Choose a layer that returns real numbers."
        )


def check_apart(model: Model, x: Tensor, layer: str | Net) -> None:
    """Raise `LayerError` if what a layer returns shares its memory with something that is overwritten later.

    An identity, as a shortcut may be, hands its input on. A ReLU in place on either of the two changes both, but not
    the copy that stands for the layer's output: the network would compute something else. Seen by a run with the copy
    and one without, once per model and layer: on the first of the samples, and on more where it is, or may be, written
    over with the numbers that are there already, as a ReLU does with positive ones.
    """
    model.layer(layer)
    make_up = (*model.make_up(model.backend.shape(x)[1:]), layer)
    if make_up in model.apart:
        return
    with model.unobserved():
        for tried, samples in enumerate((x[:1], x, -x)):
            try:
                plain = _scores(model, samples)
            except Exception:  # whatever is wrong is said of the user's own batch, by the run that follows
                if not tried:
                    return
                continue
            changed, written = _overwritten(model, samples, layer, plain)
            # The scores of a network that draws numbers which nobody can seed say nothing.
            if changed and _same(plain, _scores(model, samples)):
                raise LayerError(
                    f"Layer '{layer}' shares its output with another tensor, and the network overwrites one of them.",
                    "Build the network without operations in place (inplace=False), or choose the layer before.",
                )
            if not written:
                break
    model.apart.add(make_up)


def _overwritten(model: Model, x: Tensor, layer: str | Net, plain: Array) -> tuple[bool, bool]:
    """Whether a copy of the layer's output changes a score or its output changes, and if that may be written over."""
    backend = model.backend
    kept: list[tuple[Tensor, Array, int | None]] = []

    def swap(_layer: Net, _inputs: Any, output: Any) -> Any:
        if not backend.is_tensor(output):
            return None
        kept.append((output, backend.numpy(output), backend.writes(output)))
        return backend.asarray(output)

    handle = backend.on_exit(model.layer(layer), swap)
    try:
        scores = _scores(model, x)
    finally:
        handle.remove()
    changed = not (_same(plain, scores) and all(_same(then, backend.numpy(now)) for now, then, _ in kept))
    return changed, any(writes is None or backend.writes(output) != writes for output, _, writes in kept)


def _scores(model: Model, x: Tensor) -> Array:
    with model.backend.seeded(0):
        return model.backend.numpy(model.scores(x))


def _same(one: Array, other: Array) -> bool:
    """Equal but for rounding: a copy may lie in another order in memory, and be added up in another."""
    if one.shape != other.shape:
        return False
    close = float(np.sqrt(np.finfo(one.dtype).eps)) if one.dtype.kind in "fc" else 0.0
    size = float(np.abs(one[np.isfinite(one)]).max(initial=0))
    return np.allclose(one, other, rtol=close, atol=close * size, equal_nan=True)
