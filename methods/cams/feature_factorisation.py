"""Deep feature factorisation: the concepts that a layer's activations over a batch of pictures are made of."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ...errors import LayerError, MethodError, MissingPackageError
from ..budget import Budget
from ..checks import channel_axis, check_flags, finite, pictures, positive_count, random_seed
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .running import look, parts
from .target_layer import check_layer
from .upsampling import resized

_CURE = "a ReLU, a pooling behind one, or the block that ends with one"


class Factors(NamedTuple):
    """Activations (P, K) as a product of factors without negative numbers.

    Attributes
    ----------
    strengths : ndarray (P, components)
        How much of each concept a place holds, in the units of the activations.
    concepts : ndarray (components, K)
        Of length 1, or 0 where fewer say everything; those that hold most of the activations first.
    sweeps : int
        Over all numbers, until they no longer moved.
    """

    strengths: Array
    concepts: Array
    sweeps: int


def factorised(activations: Array, components: int, steps: int, tolerance: float, seed: int) -> Factors:
    """Factors of activations (P, K) of 0 or more, by coordinate descent from their singular vectors."""
    decomposition, exceptions = _package()
    size = activations.max()
    if size == 0:
        return Factors(np.zeros((len(activations), components)), np.zeros((components, activations.shape[1])), 0)
    # The package takes what is below 1e-6 at its start for 0, whatever the units.
    solver = decomposition.NMF(components, init="nndsvda", tol=tolerance, max_iter=steps, random_state=seed)
    with warnings.catch_warnings():
        # That the last step came first is told by the number of steps.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        strengths = solver.fit_transform(activations / size)
    lengths = np.linalg.norm(solver.components_, axis=1)
    strengths = strengths * lengths
    concepts = np.divide(
        solver.components_, lengths[:, None], out=np.zeros_like(solver.components_), where=lengths[:, None] > 0
    )
    order = np.argsort(-(strengths**2).sum(axis=0), kind="stable")
    return Factors(size * strengths[:, order], concepts[order], int(solver.n_iter_))


def _package() -> tuple[Any, Any]:
    try:
        from sklearn import decomposition, exceptions
    except ImportError as error:
        raise MissingPackageError(
            "The package 'scikit-learn' is not installed.", "Install it with: pip install scikit-learn."
        ) from error
    return decomposition, exceptions


def rectified_layer(model: Model, x: Array, layer: str | None) -> str:
    """The layer asked for, or the last that runs once and returns maps of the first picture without negative numbers.

    Maps have the height and width of what a convolution, a batch norm or a pooling has returned by then: the weights of
    an attention are 0 or more, too, and have four axes, but no place in the picture.

    Raises
    ------
    LayerError
        If the layer does not exist, or there is no such layer.
    """
    check_layer(model, layer)
    if layer is not None:
        return layer
    backend = model.backend
    ran: list[tuple[str, bool]] = []
    sizes: set[tuple[int, ...]] = set()

    def watcher(name: str) -> Callable[[Any, Any, Any], None]:
        return lambda native, _inputs, output: ran.append((name, backend.is_tensor(output) and fits(native, output)))

    def fits(native: Any, output: Any) -> bool:
        shape = backend.shape(output)
        if channel_axis(model, native, shape) == 1:
            sizes.add(shape[2:])
        several = shape[2:] in sizes and shape[0] == 1 and shape[2] * shape[3] > 1
        return several and bool(backend.numpy(output).min() >= 0)

    model.measure(x[:1], {module: watcher(name) for name, module in backend.modules(model.net).items() if name})
    times = Counter(name for name, _ in ran)
    found = [name for name, fits in ran if fits and times[name] == 1]
    if not found:
        raise LayerError(
            "On this input the network runs no layer once that returns maps of more than one position without "
            "negative numbers, which alone have non-negative factors, and lies behind a convolution or pooling.",
            f"Name one that does on your pictures, layer=...: {_CURE}. Behind GELU or SiLU there is none.",
        )
    return found[-1]


@register(
    "feature_factorisation",
    family="cams",
    paper="Deep Feature Factorization For Concept Discovery (Collins et al., 2018, arXiv:1806.10206)",
    needs="activations",
    error="factorisation residual: the part of a sample's activations, by L2 norm, that the concepts do not make up",
    scope="global",
    targeted=False,
)
def feature_factorisation(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    components: int = 5,
    steps: int = 1000,
    tolerance: float = 1e-4,
    upsample: bool = True,
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``A ≈ H W``: the activations (N h w, K) of all pictures as strengths H of few concepts W, both of 0 or more.

    Places of all pictures are factorised together, so that a concept is the same in each of them: what is found
    depends on the whole batch. There is no target. The values are maps (N, components, H, W), one per concept, neither
    shifted nor scaled. ``extras["concepts"]`` are W (components, K), of length 1: the strengths have the units of the
    activations, and concepts are ordered by the sum of their squares. ``extras["steps"]`` says how many were made.

    Non-negative factors are not unique, and what is found is one of several local optima; the start is a fixed one,
    from singular vectors ("nndsvda" in scikit-learn).

    Parameters
    ----------
    layer : str or None
        Whose output is A, nowhere below 0. None chooses the last layer that returns such maps of the first picture, of
        the size of a convolution's or pooling's before it; ``extras["layer"]`` says which that is.
    components : int
        How many concepts.
    steps : int
        At most so many sweeps of coordinate descent.
    tolerance : float
        The descent ends when the factors violate the conditions of an optimum by so small a share of what they did at
        the first step. Then ``stopped`` is "tolerance", and None where the steps came to an end before.
    upsample : bool
        Enlarge the maps bilinearly to the size of the input and keep the small ones in ``extras["map"]``; False returns
        the small ones, (N, components, h, w).
    seed : int
        Of the random vectors that the singular vectors are found from.
    batch_size : int or "auto"
        How many samples run through the network at once; all their activations are held.
    """
    pictures(x, "feature_factorisation")
    check_flags(upsample=upsample)
    components, steps, seed = (
        positive_count("components", components),
        positive_count("steps", steps),
        random_seed(seed),
    )
    if finite("tolerance", tolerance) <= 0:
        raise MethodError(f"tolerance={tolerance!r} is not above 0.", "Pass tolerance=1e-4, for example.")
    name = rectified_layer(model, x, layer)
    seen = [look(model, x[part], name) for part in parts(model, x, batch_size, held=1)]
    # In the precision of the model: the descent takes as long as the network, and twice as long in double precision.
    activation = np.concatenate([each.activation for each in seen]).astype(x.dtype)
    rows = _rows(activation, name, components)
    factors = factorised(rows, components, steps, float(tolerance), seed)
    samples, _, height, width = activation.shape
    maps = factors.strengths.reshape(samples, height, width, components).transpose(0, 3, 1, 2)
    extras = {
        "layer": np.array(name),
        "concepts": factors.concepts.astype(x.dtype),
        "steps": np.array(factors.sweeps),
    }
    if upsample:
        extras["map"] = maps.astype(x.dtype)
        maps = resized(maps, x.shape[2:])
    budget = Budget(len(x))
    budget.evaluations, budget.stopped = len(x), "tolerance" if factors.sweeps < steps else None
    scores = np.concatenate([each.scores for each in seen])
    return Attribution(maps.astype(x.dtype), scores, None, _residual(rows, factors, samples), extras, budget)


def _rows(activation: Array, layer: str, components: int) -> Array:
    """The activations (N, K, h, w) as places and channels (N h w, K)."""
    lowest = activation.min()
    if lowest < 0:
        raise LayerError(
            f"Layer '{layer}' returns numbers below 0, down to {lowest:.3g}, which no non-negative factors make.",
            f"Choose a layer that returns none: {_CURE}; layer=None looks for one.",
        )
    rows = activation.transpose(0, 2, 3, 1).reshape(-1, activation.shape[1])
    if components > min(rows.shape):
        raise MethodError(
            f"components={components} is more than the {rows.shape[0]} places and {rows.shape[1]} channels of layer "
            f"'{layer}' allow.",
            f"Pass components={min(rows.shape)} or fewer, or explain more pictures at once.",
        )
    return rows


def _residual(rows: Array, factors: Factors, samples: int) -> ErrorEstimate:
    # Squares of what is very large or small would leave the range of a float.
    size = rows.max() or 1.0
    missing, whole = (
        size * np.linalg.norm(each.reshape(samples, -1) / size, axis=1)
        for each in (rows - factors.strengths @ factors.concepts, rows)
    )
    return ErrorEstimate(
        "factorisation residual",
        missing,
        "L2 norm of the sample's activations minus what the concepts make of them; the scale is the L2 norm of the "
        "activations. It is 0 when the concepts tell everything.",
        whole,
    )
