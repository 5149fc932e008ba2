"""Tables of numbers for the explanations of tabular models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .base import Array
from .packages import require


@dataclass(frozen=True)
class Table:
    """Rows of numbers and what is to be predicted from them.

    Attributes
    ----------
    data : ndarray
        Shape (N, D), float64.
    target : ndarray
        Shape (N,), int64 class numbers from 0, or float64 values of a regression.
    feature_names : list of str
        D names with units.
    class_names : list of str
        Names by class number; empty for a regression.
    name : str
        Short name of the table.
    description : str
        What it is and where it is from, in a sentence or two.
    categories : mapping of int to list of str
        For columns that hold categories, not numbers: the names of the codes 0, 1, ... that stand in `data`.
    target_name : str
        What is predicted, with its unit; empty where that needs no words.
    """

    data: Array
    target: Array
    feature_names: list[str]
    class_names: list[str]
    name: str
    description: str
    categories: Mapping[int, list[str]] = field(default_factory=dict)
    target_name: str = ""


def iris() -> Table:
    """Fisher's iris flowers, from scikit-learn: 150 flowers, four lengths in cm, three species.

    Returns
    -------
    Table
        Data (150, 4), 50 rows a class.

    Raises
    ------
    MissingPackageError
        If scikit-learn is not installed.

    References
    ----------
    R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936).
    """
    bunch = require("sklearn.datasets", "scikit-learn", "load the iris table").load_iris()
    return Table(
        data=np.asarray(bunch.data, dtype=np.float64),
        target=np.asarray(bunch.target, dtype=np.int64),
        feature_names=[str(name) for name in bunch.feature_names],
        class_names=[str(name) for name in bunch.target_names],
        name="iris",
        description="Lengths and widths of the sepals and petals of 150 iris flowers of three species (Fisher, 1936).",
    )
