"""Partition SHAP on pictures, by the ``shap`` package, on a network of either framework as a black box."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize
from ...backends.model import Model
from ...backends.objective import Target, class_targets, several_outputs
from ...errors import MethodError, MissingPackageError
from ..checks import finite_scores, pictures, positive_count, random_seed
from ..estimates import completeness
from ..explanation import Array
from ..randomness import global_numpy_seed
from ..registry import Attribution, register

# Of the default mask, which is taken for small pictures as well.
_KERNEL = 16


@register(
    "partition_shap",
    family="perturbation",
    paper="A Unified Approach to Interpreting Model Predictions (Lundberg & Lee, 2017, arXiv:1705.07874)",
    needs="scores",
    error="additivity residual: sum of the attributions minus (probability of x - probability of the masked picture)",
    access="model-agnostic",
)
def partition_shap(
    model: Model,
    x: Array,
    target: Target,
    *,
    max_evaluations: int = 500,
    mask: str = "blur(16,16)",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Owen values of the target's probability over a hierarchy of rectangles, hidden by blurring or inpainting.

    The more evaluations, the smaller the rectangles. ``values`` has the shape of the input.

    Parameters
    ----------
    max_evaluations : int
        Runs of the network per picture.
    mask : str
        How a hidden rectangle is filled: ``"blur(16,16)"`` (the kernel in pixels), ``"inpaint_telea"`` or
        ``"inpaint_ns"``.
    seed : int
    batch_size : int or "auto"
    """
    evaluations, seed = positive_count("max_evaluations", max_evaluations), random_seed(seed)
    pictures(x, "partition_shap")
    if callable(target):
        raise MethodError("partition_shap explains a class's probability.", "Pass a class number or None as target.")
    if x.shape[1] != 3:
        raise MethodError(f"partition_shap needs 3 channels, the pictures have {x.shape[1]}.", "Choose another method.")
    _check_mask(mask, max(x.shape[2:]))
    scores = finite_scores(model.forward(x, batch_size))
    several_outputs(scores)
    classes = class_targets(target, len(x), scores)
    explainer_of, masker_of = _package()

    def one(picture: Array, label: int) -> tuple[Array, float]:
        hwc = np.moveaxis(picture, 0, -1).astype(np.float32)

        def probability(batch: Array) -> Array:
            return model.probabilities(np.moveaxis(np.asarray(batch), -1, 1), batch_size)[:, label]

        with global_numpy_seed(seed):
            explainer = explainer_of(probability, masker_of(mask, hwc.shape))
            found = explainer(hwc[None], max_evals=evaluations, batch_size=64, silent=True)
        values = np.moveaxis(np.asarray(found.values, dtype=np.float64).reshape(hwc.shape), -1, 0)
        return values, float(np.ravel(found.base_values)[0])

    results = [one(picture, int(label)) for picture, label in zip(x, classes, strict=True)]
    values = np.stack([values for values, _ in results])
    base = np.array([base for _, base in results])
    whole = model.probabilities(x, batch_size)[np.arange(len(x)), classes]
    return Attribution(
        values.astype(x.dtype), scores, classes, completeness(values, whole - base), {"base_value": base}
    )


def _check_mask(mask: str, side: int) -> None:
    """Raise `MethodError` unless the package knows the mask, with a kernel that suits pictures of this longer side."""
    known = re.fullmatch(r"blur\(([1-9]\d*), ?([1-9]\d*)\)|inpaint_telea|inpaint_ns", str(mask))
    if not known:
        raise MethodError(f"mask='{mask}' is not known.", "Use blur(16,16), inpaint_telea or inpaint_ns.")
    # Twice the side reaches the whole picture from every pixel: more takes longer, and hides no more.
    largest = max(_KERNEL, 2 * side)
    if any(len(number) > 9 or int(number) > largest for number in known.groups("1")):
        raise MethodError(
            f"mask='{mask}' blurs over more than the picture, whose longer side has {side} pixels.",
            f"Use blur({largest},{largest}) at most.",
        )


def _package() -> tuple[Any, Any]:
    """The package's explainer, and its masker made fit for pictures from 0 to 1."""
    try:
        import cv2
        import shap
    except ImportError as error:
        raise MissingPackageError(
            f"The package '{error.name}' is not installed.", "Install both with: pip install shap opencv-python."
        ) from error

    class Masker(shap.maskers.Image):
        def inpaint(self, x: Array, mask: Array, method: str) -> Array:
            """Fill hidden pixels; the package would turn the visible ones into whole numbers, 0 or 1."""
            picture = x.reshape(self.input_shape).copy()
            hidden = mask.reshape(self.input_shape).any(axis=2)
            if hidden.all():
                picture[:] = picture.mean(axis=(0, 1))
            else:
                bytes_ = np.rint(255 * picture.clip(0, 1)).astype(np.uint8)
                filled = cv2.inpaint(bytes_, hidden.astype(np.uint8), 3, getattr(cv2, method))
                picture[hidden] = filled[hidden] / np.float32(255)
            return picture.ravel()

    return shap.PartitionExplainer, Masker
