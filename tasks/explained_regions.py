"""The superpixels of an explanation with their weights, whichever method made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..methods import Explanation

_ROUNDING = 1e-6
_SURE = 2.0


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one picture.

    Attributes
    ----------
    segments : ndarray of int (H, W)
        The region of each pixel.
    weights : dict of int to float
        What each region says for the class, the strongest first.
    errors : dict of int to float
        Their standard errors, where the method knows them.
    rounding : float
        Weights below it are as small as the rounding of the network's scores: they say nothing.
    """

    segments: npt.NDArray[np.int64]
    weights: dict[int, float]
    errors: dict[int, float]
    rounding: float

    @property
    def silent(self) -> bool:
        """Whether no weight says anything."""
        return all(abs(weight) < self.rounding for weight in self.weights.values())

    def told(self) -> dict[int, float]:
        """The weights that are neither within rounding nor within two of their standard errors of 0."""
        return {
            number: weight
            for number, weight in self.weights.items()
            if abs(weight) >= max(self.rounding, _SURE * self.errors.get(number, 0.0))
        }

    def numbers(self, drawn: set[int]) -> list[dict[str, Any]]:
        """For the results: weight, error, size and bounding box (left, top, width, height) of every region."""
        found = []
        for number, weight in self.weights.items():
            rows, columns = np.nonzero(self.segments == number)
            left, top = int(columns.min()), int(rows.min())
            found.append(
                {
                    "region": number,
                    "weight": weight,
                    "standard_error": self.errors.get(number),
                    "pixels": len(rows),
                    "box": [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1],
                    "drawn": number in drawn,
                }
            )
        return found


def regions_of(explanation: Explanation, index: int) -> Regions | None:
    """The regions of one sample; None where the method's map has none.

    Methods that switch superpixels on and off say which (``extras["segments"]``); a region's weight is then the value
    of its pixels. Partition SHAP shares the worth of a rectangle out evenly: its regions are the areas of equal value,
    and a region's weight is their sum.
    """
    values = np.asarray(explanation.values)[index]
    segments = explanation.extras.get("segments")
    if segments is not None and np.ndim(segments) == 3 and values.shape[0] == 1:
        return _regions(explanation, index, np.asarray(segments[index]), values[0], summed=False)
    if explanation.method == "partition_shap":
        areas = values.sum(axis=0, dtype=np.float64)
        return _regions(explanation, index, _areas(areas), areas, summed=True)
    return None


def strongest(weights: dict[int, float], show: str, count: int, least: float = 0.0) -> dict[int, float]:
    """The regions that are drawn.

    Parameters
    ----------
    weights : dict of int to float
        The strongest first.
    show : {"positive", "both", "none"}
        Regions that speak for the class, or all; the same choice as ``positive_only`` of the lime package's
        ``get_image_and_mask``.
    count : int
        At most so many, whatever their signs.
    least : float
        Weights nearer to 0 are left out.
    """
    if show == "none":
        return {}
    if show == "positive":
        weights = {number: weight for number, weight in weights.items() if weight > 0}
    chosen = list(weights.items())[:count]
    return {number: weight for number, weight in chosen if weight != 0 and abs(weight) >= least}


def _regions(
    explanation: Explanation, index: int, segments: npt.NDArray[Any], values: npt.NDArray[Any], summed: bool
) -> Regions:
    numbers, first, pixels = np.unique(segments, return_index=True, return_counts=True)
    weights = values.ravel()[first].astype(np.float64) * (pixels if summed else 1)
    order = np.argsort(-np.abs(weights), kind="stable")
    given = explanation.extras.get("standard_error")
    errors = np.full(len(numbers), np.nan) if given is None else given[index].ravel()[first]
    rounding = _ROUNDING * max(1.0, float(np.abs(explanation.scores[index]).max()))
    if explanation.method == "xrai":  # gives a region's mean per pixel
        rounding /= values.size
    return Regions(
        segments.astype(np.int64),
        {int(numbers[i]): float(weights[i]) for i in order},
        {int(numbers[i]): float(errors[i]) for i in order if np.isfinite(errors[i])},
        rounding,
    )


def _areas(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Number the connected areas of equal value."""
    from skimage.measure import label

    levels = np.unique(values, return_inverse=True)[1].reshape(values.shape)
    areas: npt.NDArray[np.int64] = label(levels, background=-1, connectivity=1).astype(np.int64)
    return areas
