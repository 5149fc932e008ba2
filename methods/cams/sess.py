"""SESS: another method's maps of many patches of the enlarged picture, put back in their places and fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Of, Target
from ...errors import InputError, MethodError, suggest
from ..budget import Budget
from ..checks import finite, non_negative, pictures, positive_count
from ..evaluation import Scored, score, values_at
from ..explanation import Array
from ..inner_method import InnerMethod
from ..registry import Attribution, register
from .upsampling import interpolation, resized

Pool: TypeAlias = Literal["mean", "max"]

_OF = ("probability", "logit")
# What an inner method may be told of the places of the whole picture, where a patch shows others.
_OF_PLACES = ("baseline", "low", "high", "segments")
# More windows of one picture are taken for a slip: they would fill the memory, or run for days.
_MOST = 100_000


@dataclass(frozen=True)
class Place:
    """Where a patch lies: its first row and column in the picture enlarged to a size."""

    size: tuple[int, int]
    top: int
    left: int


def places(picture: tuple[int, ...], scales: int, growth: float, stride: Sequence[int]) -> list[Place]:
    """All patches of the picture's own size (H, W), from the picture itself to those of the largest scale.

    Raises
    ------
    MethodError
        If there are more than `_MOST`.
    """
    found: list[Place] = []
    for scale in range(scales):
        lengths = [length * (1 + growth * scale) + 0.5 for length in picture]
        windows = [(large - own) / step + 1 for large, own, step in zip(lengths, picture, stride, strict=True)]
        if len(found) + windows[0] * windows[1] > _MOST:
            raise MethodError(
                f"scales={scales}, growth={growth:.3g} and a stride of {tuple(stride)} cut a picture into more than "
                f"{_MOST} windows, each of which the network has to look at.",
                "Pass fewer scales, a smaller growth or a larger stride; the defaults make about 120 windows.",
            )
        height, width = int(lengths[0]), int(lengths[1])
        found += [
            Place((height, width), top, left)
            for top in _starts(height, picture[0], stride[0])
            for left in _starts(width, picture[1], stride[1])
        ]
    return found


def _starts(length: int, window: int, stride: int) -> list[int]:
    """Where windows begin, the last of them moved back into the picture."""
    return [*range(0, length - window, stride), length - window]


def cut(picture: Array, which: Sequence[Place]) -> Array:
    """What the enlarged picture (C, H, W) shows at the places (M, C, H, W); it is never held as a whole."""
    height, width = picture.shape[1:]
    found = np.empty((len(which), *picture.shape), dtype=picture.dtype)
    for patch, place in zip(found, which, strict=True):
        rows = interpolation(height, place.size[0])[place.top : place.top + height]
        columns = interpolation(width, place.size[1])[place.left : place.left + width]
        patch[:] = rows @ picture @ columns.T
    return found


def put_back(patch: Array, place: Place) -> Array:
    """A patch's map (H, W) where it lies in the whole picture (H, W), 0 elsewhere."""
    height, width = patch.shape
    rows = interpolation(place.size[0], height)[:, place.top : place.top + height]
    columns = interpolation(place.size[1], width)[:, place.left : place.left + width]
    found: Array = rows @ patch @ columns.T
    return found


def calibrated(values: Array, size: tuple[int, ...]) -> Array:
    """One map (H, W) from 0 to 1 of a method's values (C, h, w): what speaks for the class, summed over the channels.

    A map that is the same everywhere says nothing of places, and becomes 0.
    """
    total = np.maximum(values.astype(np.float64).sum(axis=0), 0)
    large = total if total.shape == size else resized(total, size)
    above, high = large - large.min(), large.max()
    # Rounding makes an even map uneven, too: its traces would count in a mean, or be enlarged to the whole range.
    above[above <= 64 * np.finfo(values.dtype).eps * high] = 0
    found: Array = above / (above.max() or 1)
    return found


class Fusion:
    """Maps (H, W) of patches made one, so that the memory does not grow with their number.

    Parameters
    ----------
    size : tuple of int
    pool : {"mean", "max"}
    threshold : float
    """

    def __init__(self, size: tuple[int, ...], pool: Pool, threshold: float) -> None:
        self._pool = pool
        self._threshold = threshold
        self._total = np.zeros(size)
        self._count = np.zeros(size)

    def add(self, patch: Array) -> None:
        """Take in one patch's map, already in its place."""
        if self._pool == "max":
            self._total = np.maximum(self._total, patch)
            return
        counts = patch > self._threshold
        self._total += np.where(counts, patch, 0)
        self._count += counts

    def fused(self) -> Array:
        """The map of all patches so far."""
        return self._total / np.maximum(self._count, 1)


@register(
    "sess",
    family="cams",
    paper="SESS: Saliency Enhancing with Scaling and Sliding (Tursun et al., 2022, arXiv:2207.01769)",
    needs="gradient",
    error="none: every patch that is kept is explained, nothing is sampled, and the map promises no sum",
)
def sess(
    model: Model,
    x: Array,
    target: Target,
    *,
    inner: str = "gradcam",
    inner_params: Mapping[str, Any] | None = None,
    scales: int = 12,
    growth: float = 2 / 7,
    stride: int | Sequence[int] | None = None,
    prefilter: float = 0.0,
    of: Of = "probability",
    pool: Pool = "mean",
    threshold: float = 0.0,
    blur: float = 5.0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``mean_i w_i M_i`` over the patches i that say something of a place, ``w_i = score_i / max_j score_j``.

    The picture is enlarged to several scales, and windows of its own size slide over each. Another method explains what
    they show, the same class in all of them: that of the whole picture. Its values are summed over the channels, what
    is below 0 is set to 0, and each patch's map ``M_i`` is brought to 0 to 1 by itself and put back in its place. The
    values are maps (N, 1, H, W) from 0 to 1. Where no patch's score is above 0 they are 0.

    ``extras["boxes"]`` are the patches (P, 4) in pixels of the picture: top, left, height and width;
    ``extras["weights"]`` are ``w_i`` (N, P), and ``extras["kept"]`` says which of them are explained. ``evaluations``
    counts each patch that is scored, and each that is explained.

    An inner method that draws random numbers draws others for each patch: its seed for patch j of sample i is
    ``numpy.random.SeedSequence([seed, i, j]).generate_state(1)[0]``, where `seed` is its own. So does a method
    that is inside of the inner one.

    Parameters
    ----------
    inner : str
        The other method: any that explains a class and returns a map, or values of the shape of the input.
    inner_params : dict, optional
        Its parameters; none may belong to a place of the picture, as a baseline picture does.
    scales : int
        How many, with the picture itself.
    growth : float
        From one scale to the next, as a share of the picture's own height and width. The paper's is 64 / 224.
    stride : int or tuple of int, optional
        Pixels from one window to the next, at all scales. None is the picture's own size; the last window is moved back
        into the picture, and so overlaps.
    prefilter : float
        Share of each sample's patches, those of the lowest score, that are left out. The paper goes as far as 0.99.
    of : {"probability", "logit"}
        Which score of the class weighs a patch; of a target function its own number does.
    pool : {"mean", "max"}
        How the maps are fused at each place.
    threshold : float
        A patch counts in the mean where its weighted map is above this.
    blur : float
        Standard deviation, in pixels, of a Gaussian over the fused map, cut off there; 0 for none. The paper's is 5 for
        224 pixels.
    batch_size : int or "auto"
        How many patches are scored at once; also the inner method's, unless `inner_params` say otherwise.
    """
    size = pictures(x, "sess").shape[2:]
    sharing = finite("prefilter", prefilter)
    if not 0 <= sharing < 1:
        raise MethodError(f"prefilter={prefilter!r} is not from 0 to below 1.", "Pass prefilter=0.9, for example.")
    if not isinstance(pool, str) or pool not in get_args(Pool):
        raise MethodError(f"pool={pool!r} is not known.", suggest(pool, get_args(Pool)))
    if not isinstance(of, str) or of not in _OF:
        raise InputError(f"of={of!r} is no weight of a patch.", f"Choose one of: {', '.join(_OF)}.")
    threshold, blur = non_negative("threshold", threshold), non_negative("blur", blur)
    slid = places(size, positive_count("scales", scales), _growth(growth, size), _stride(stride, size))
    _check_params(inner_params)
    within = InnerMethod(inner, inner_params, x, "sess", batch_size)
    if not within.method.targeted:
        raise MethodError(
            f"{inner} explains no class, by whose score sess weighs the patches.", "Choose inner='gradcam', or another."
        )
    scored = score(model, x, target, "logit", batch_size)
    budget = Budget(len(x))
    numbers = _numbers(model, x, slid, scored, of, batch_size)
    weights = _weights(numbers, logarithmic=of == "probability" and scored.target is not None)
    budget.evaluations += numbers.size
    ranks = np.argsort(np.argsort(numbers, axis=1, kind="stable"), axis=1)
    kept = ranks >= int(len(slid) * sharing)
    maps = []
    for sample, chosen in enumerate(map(np.flatnonzero, kept)):
        explained = target if scored.target is None else int(scored.target[sample])
        fusion = Fusion(size, pool, threshold)
        for part in chunks(len(chosen), within.at_once):
            which = chosen[part].tolist()
            patches = cut(x[sample], [slid[number] for number in which])
            found = within.explain(model, patches, sample, which[0], explained)
            _check_values(found.values, x, inner)
            budget.evaluations += len(which)
            for number, values in zip(which, found.values, strict=True):
                fusion.add(put_back(weights[sample, number] * calibrated(values, size), slid[number]))
        maps.append(_blurred(fusion.fused(), blur))
    extras = {"boxes": np.array([_box(place, size) for place in slid]), "weights": weights, "kept": kept}
    return Attribution(
        np.stack(maps)[:, None].astype(x.dtype), scored.scores, scored.target, extras=extras, budget=budget
    )


def _numbers(model: Model, x: Array, slid: Sequence[Place], scored: Scored, of: Of, batch_size: BatchSize) -> Array:
    """The score (N, P) of every patch, of probabilities the logarithm: all of them may be below what a float holds."""
    found: list[list[Array]] = [[] for _ in x]
    for sample, _, values in values_at(
        model.streamlined(x, len(x) * len(slid)),
        lambda sample, part: cut(x[sample], slid[part]),
        range(len(x)),
        len(slid),
        x.shape[1:],
        scored.resolved,
        "log_probability" if of == "probability" else of,
        batch_size,
    ):
        found[sample].append(values.astype(np.float64))
    return np.stack([np.concatenate(values) for values in found])


def _weights(numbers: Array, logarithmic: bool) -> Array:
    largest = numbers.max(axis=1, keepdims=True)
    shares: Array = np.exp(numbers - largest) if logarithmic else np.maximum(numbers, 0)
    return shares if logarithmic else np.divide(shares, largest, out=np.zeros_like(shares), where=largest > 0)


def _growth(growth: Any, size: tuple[int, ...]) -> float:
    number = finite("growth", growth)
    if number * min(size) < 1:
        raise MethodError(
            f"growth={growth!r} enlarges pictures of {size} by less than a pixel.",
            f"Pass growth={1 / min(size):.3g} or more.",
        )
    return number


def _stride(stride: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    if stride is None:
        return size
    given = stride if isinstance(stride, (tuple, list, np.ndarray)) and np.ndim(stride) else [stride] * 2
    steps = tuple(positive_count("stride", step) for step in given)
    if len(steps) != 2:
        raise MethodError(f"stride={stride!r} has {len(steps)} numbers for pictures.", "Pass one number, two, or none.")
    if steps[0] > size[0] or steps[1] > size[1]:
        raise MethodError(
            f"stride={stride!r} leaves gaps between windows of {size}.", "Pass a stride of at most the picture's size."
        )
    return steps


def _check_params(inner_params: Any) -> None:
    """Raise `MethodError` if a parameter of the inner method differs from place to place of the picture."""
    if not isinstance(inner_params, Mapping):
        return
    _check_params(inner_params.get("inner_params"))
    for name in _OF_PLACES:
        value = inner_params.get(name)
        # A list may be an array, or several of them of different shapes.
        for each in [value, *(value if isinstance(value, (list, tuple)) else [])]:
            if _differs(each):
                raise MethodError(
                    f"inner_params: {name} belongs to the places of the whole picture, which a patch shows others of.",
                    f"Pass a {name} that is the same everywhere, such as a number, or one by its name.",
                )


def _differs(value: Any) -> bool:
    """Whether an array (..., H, W) is not the same at all places."""
    try:
        given = np.asarray(value)
    except ValueError:  # a ragged list, whose parts are looked at one by one
        return False
    return given.ndim >= 2 and given.size > 0 and bool((given != given[..., :1, :1]).any())


def _check_values(values: Array, x: Array, inner: str) -> None:
    if values.ndim != 4 or (values.shape[1] != 1 and values.shape[1:] != x.shape[1:]):
        raise MethodError(
            f"{inner} returns values of shape {values.shape}, not maps of the pictures.",
            "Choose an inner method that explains the input, such as gradcam.",
        )


def _blurred(fused: Array, blur: float) -> Array:
    if blur == 0:
        return fused
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(fused, blur, mode="mirror", radius=max(1, round(blur))))


def _box(place: Place, size: tuple[int, ...]) -> tuple[float, ...]:
    tall, wide = (length / large for length, large in zip(size, place.size, strict=True))
    return place.top * tall, place.left * wide, size[0] * tall, size[1] * wide
