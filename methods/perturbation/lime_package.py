"""LIME on pictures, by the ``lime`` package, on a network of either framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model
from ...backends.objective import Target, class_targets, several_outputs
from ...errors import MethodError, MissingPackageError
from ..checks import finite, finite_scores, pictures, positive_count, random_seed
from ..explanation import LOCAL_FIT, Array, ErrorEstimate
from ..randomness import global_numpy_seed
from ..registry import Attribution, register
from ..segments import Segmentation, named_options, superpixels


@register(
    "lime_package",
    family="perturbation",
    paper="Why Should I Trust You? (Ribeiro et al., 2016, arXiv:1602.04938)",
    needs="scores",
    error="local R²: share of the variance of the probabilities that the linear model explains",
    access="model-agnostic",
)
def lime_package(
    model: Model,
    x: Array,
    target: Target,
    *,
    samples: int = 1000,
    segments: Segmentation = "slic",
    segment_options: dict[str, Any] | None = None,
    hide_colour: float | None = None,
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Weights of a ridge regression that predicts the target's probability from which superpixels are shown.

    ``values`` holds, at every pixel, the weight of its superpixel: shape (N, 1, H, W). ``extras`` holds
    ``segments`` (N, H, W), ``intercept`` (N,) and ``local_prediction`` (N,), the regression's own probability.

    Parameters
    ----------
    samples : int
        Perturbed pictures per sample.
    segments : {"slic", "quickshift", "felzenszwalb", "grid"}
    segment_options : dict, optional
        For the segmentation, see `superpixels`.
    hide_colour : float, optional
        What a hidden superpixel is filled with; its own mean colour when left out.
    seed : int
    batch_size : int or "auto"
        Perturbed pictures per run of the network.
    """
    samples, seed = positive_count("samples", samples), random_seed(seed)
    if samples < 2:
        raise MethodError("samples=1 is the picture itself, which no line can be fitted to.", "Pass samples=2 or more.")
    if hide_colour is not None:
        hide_colour = finite("hide_colour", hide_colour)
    pictures(x, "lime_package")
    if callable(target):
        raise MethodError("lime_package explains a class's probability.", "Pass a class number or None as target.")
    options = named_options(segment_options)
    if x.shape[1] not in (1, 3):
        raise MethodError(
            f"lime_package needs 1 or 3 channels, the pictures have {x.shape[1]}.", "Choose another method."
        )
    scores = finite_scores(model.forward(x, batch_size))
    several_outputs(scores)
    classes = class_targets(target, len(x), scores)
    size = min(samples, chunk_size(model, x.shape[1:], samples, batch_size, held=1))

    def classify(batch: Array) -> Array:
        chw = np.moveaxis(np.asarray(batch), -1, 1)
        return model.probabilities(chw[:, : x.shape[1]], batch_size)

    def one(picture: Array, label: int) -> tuple[Array, Array, float, float, float]:
        cut = superpixels(picture, segments, **options)
        if cut.max() == 0:
            raise MethodError("The picture is a single superpixel.", "Ask for more or smaller segments.")
        explainer = _explainer(seed)
        with global_numpy_seed(seed):
            found = explainer.explain_instance(
                np.repeat(np.moveaxis(picture, 0, -1), 3 // len(picture), axis=-1).astype(np.float64),
                classify,
                labels=(label,),
                top_labels=None,
                hide_color=hide_colour,
                num_features=int(cut.max()) + 1,
                num_samples=samples,
                batch_size=size,
                segmentation_fn=lambda _: cut,
                random_seed=seed,
            )
        weights = np.zeros(cut.max() + 1)
        for segment, weight in found.local_exp[label]:
            weights[segment] = weight
        intercept, fit, prediction = (_of(part, label) for part in (found.intercept, found.score, found.local_pred))
        return cut, weights[cut], intercept, fit, prediction

    results = [one(picture, int(label)) for picture, label in zip(x, classes, strict=True)]
    cuts, maps, intercepts, fits, predictions = (np.stack([result[i] for result in results]) for i in range(5))
    return Attribution(
        maps[:, None].astype(x.dtype),
        scores,
        classes,
        ErrorEstimate(LOCAL_FIT, fits, "1 is a perfect local fit; below about 0.5 the weights mean little."),
        {"segments": cuts, "intercept": intercepts, "local_prediction": predictions},
    )


def _explainer(seed: int) -> Any:
    """The package's explainer, with its perturbed pictures made in whole batches and without a progress bar."""
    try:
        from lime import lime_image
    except ImportError as error:
        raise MissingPackageError(
            "The package 'lime' is not installed.", "Install it with: pip install lime."
        ) from error

    class Explainer(lime_image.LimeImageExplainer):
        def data_labels(
            self,
            image: Array,
            fudged_image: Array,
            segments: Array,
            classifier_fn: Callable[[Array], Array],
            num_samples: int,
            batch_size: int = 10,
        ) -> tuple[Array, Array]:
            shown = self.random_state.randint(0, 2, (num_samples, int(segments.max()) + 1))
            shown[0] = 1
            labels = [
                classifier_fn(np.where(shown[part][:, segments, None] == 1, image, fudged_image))
                for part in chunks(num_samples, batch_size)
            ]
            return shown, np.concatenate(labels)

    return Explainer(random_state=seed)


def _of(part: Any, label: int) -> float:
    """A number that the package keeps by label, or, in other versions, by itself."""
    value = part[label] if isinstance(part, dict) else part
    return float(np.ravel(value)[0])
