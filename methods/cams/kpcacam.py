"""KPCA-CAM: what a convolution's places have most in common by a kernel, whatever the class."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target
from ...errors import LayerError, MethodError, MissingPackageError, suggest
from ..checks import finite
from ..explanation import Array
from ..registry import Attribution, register
from .running import map_by_activation

Kernel: TypeAlias = Literal["sigmoid", "rbf", "linear", "poly", "cosine"]

_WITHOUT_GAMMA = ("linear", "cosine")
# A kernel has a number for every two places: 0.8 GB for so many, twice or three times at once.
_MOST_PLACES = 10_000


def first_component(activation: Array, kernel: Kernel, gamma: float | None) -> tuple[Array, float]:
    """The places' projections (h, w) on the first principal component of a kernel, and the share that it leaves out.

    The channels' means are taken off before the kernel is computed, and its own afterwards. A component's sign is
    arbitrary: it is taken so that the map goes along with the mean over the channels.

    Parameters
    ----------
    activation : ndarray (K, h, w)
    kernel : str
    gamma : float or None
    """
    decomposition, pairwise, preprocessing = _package()
    places = activation.reshape(len(activation), -1).T
    if len(places) > _MOST_PLACES:
        raise LayerError(
            f"A kernel of {len(places)} places is too large to hold.",
            f"Choose a deeper layer, of at most {_MOST_PLACES} places, or use eigencam, which needs no kernel.",
        )
    raw = pairwise.pairwise_kernels(places - places.mean(axis=0), metric=kernel, filter_params=True, gamma=gamma)
    if not np.isfinite(raw).all():
        raise MethodError(
            f"kernel='{kernel}' makes numbers of these activations that are too large to hold.",
            "Pass a smaller gamma, or kernel='cosine', which looks at directions only.",
        )
    centred = preprocessing.KernelCenterer().fit_transform(raw)
    size = np.linalg.norm(centred)
    if size <= len(places) * np.finfo(np.float64).eps * np.linalg.norm(raw):
        return np.zeros(activation.shape[1:]), 0.0
    # Equal eigenvalues have no first, and LAPACK may find none of them.
    if kernel == "rbf" and len(places) > 2 and raw.sum() <= (1 + 1e-9) * len(places):
        raise MethodError(
            "Every place of the layer is like none but itself to kernel='rbf': no component is the first.",
            "Pass a smaller gamma, such as 1 / (channels * variance of the activations), or another kernel.",
        )
    # Given the kernel, its solver may write over it.
    solver = decomposition.KernelPCA(1, kernel="precomputed", random_state=0)
    projection = solver.fit_transform(centred.copy())[:, 0]
    mean = places.mean(axis=1)
    mean = mean - mean.mean()
    lean = projection @ mean
    clear = abs(lean) > 1e-9 * np.linalg.norm(projection) * np.linalg.norm(mean)
    sign = np.sign(lean if clear else projection[np.abs(projection).argmax()])
    left_out = 1 - (solver.eigenvalues_[0] / size) ** 2
    return sign * projection.reshape(activation.shape[1:]), max(0.0, float(left_out))


def _package() -> tuple[Any, Any, Any]:
    try:
        from sklearn import decomposition, preprocessing
        from sklearn.metrics import pairwise
    except ImportError as error:
        raise MissingPackageError(
            "The package 'scikit-learn' is not installed.", "Install it with: pip install scikit-learn."
        ) from error
    return decomposition, pairwise, preprocessing


def _projected(activations: Array, kernel: Kernel, gamma: float | None) -> tuple[Array, Array]:
    maps, left_out = zip(*(first_component(each, kernel, gamma) for each in activations), strict=True)
    return np.stack(maps), np.array(left_out)


@register(
    "kpcacam",
    family="cams",
    paper="KPCA-CAM: Visual Explainability of Deep Computer Vision Models Using Kernel PCA "
    "(Karmani et al., 2024, arXiv:2410.00267)",
    needs="activations",
    error="share left out: the part of the centred kernel's sum of squares that the first component does not hold",
)
def kpcacam(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str | None = None,
    kernel: Kernel = "sigmoid",
    gamma: float | None = None,
    relu: bool = False,
    upsample: bool = True,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``sqrt(λ) u``: λ, u the first eigenvalue and eigenvector of a centred kernel ``κ(a_p, a_q)`` of all places p, q.

    Eigen-CAM with kernel principal components; ``a_p`` are the activations of all channels at a place, less their
    means. No class is explained: the target is not used, and none is recorded. The values are maps (N, 1, H, W),
    neither shifted nor scaled, with the sign for which they go along with the mean activation. They are the places'
    coordinates on the component and sum to 0 over the layer's places: only what is above 0 stands out.

    Parameters
    ----------
    layer : str or None
        Whose output is A. None chooses the last convolution; ``extras["layer"]`` says which that is.
    kernel : {"sigmoid", "rbf", "linear", "poly", "cosine"}
        ``tanh(γ a·b + 1)``, ``exp(-γ |a - b|²)``, ``a·b``, ``(γ a·b + 1)³``, ``a·b / |a||b|``, as in scikit-learn.
        "linear" is centred principal component analysis. A sigmoid kernel may have negative eigenvalues.
    gamma : float or None
        The kernel's γ. None takes one by the number of channels.
    relu : bool
        True sets negative values to 0.
    upsample : bool
        Enlarge the map bilinearly to the size of the input and keep the small one in ``extras["map"]``; False returns
        the small one, (N, 1, h, w).
    batch_size : int or "auto"
        How many samples run at once.
    """
    if not isinstance(kernel, str) or kernel not in get_args(Kernel):
        raise MethodError(f"kernel={kernel!r} is not known.", suggest(kernel, get_args(Kernel)))
    if gamma is not None and kernel in _WITHOUT_GAMMA:
        raise MethodError(f"kernel='{kernel}' has no gamma.", "Leave gamma out, or choose kernel='rbf'.")
    if gamma is not None and finite("gamma", gamma) <= 0:
        raise MethodError(f"gamma={gamma!r} is not above 0.", "Pass gamma=0.1, for example.")
    return map_by_activation(
        model,
        x,
        target,
        partial(_projected, kernel=kernel, gamma=None if gamma is None else float(gamma)),
        "kpcacam",
        layer=layer,
        relu=relu,
        upsample=upsample,
        batch_size=batch_size,
        name="share left out",
        meaning="Share of the centred kernel's sum of squares that the further components hold, negative ones "
        "included: 0 when one map tells everything.",
    )
