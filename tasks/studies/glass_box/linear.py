"""Coefficients of linear models on standardised columns, and how far each of them can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import DataError
from ..table_encoding import Array, Encoding

if TYPE_CHECKING:
    from ....datasets import Table

CERTAIN = 2.0
"""A coefficient of at least so many standard errors has a certain sign."""


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A fitted linear model.

    Attributes
    ----------
    encoding : Encoding
        Names the columns.
    outputs : list of str
        What each row of coefficients adds to: the target, or the log-odds of a class.
    coefficients, errors : (O, E) float64
        Change of an output per standard deviation of a column, and its standard error.
    error_kind : str
        How the errors were found.
    vif : (E,) float64
        Variance inflation factors: how much correlation with the other columns inflates a coefficient's variance. 1 is
        best, infinite says that the column is a mixture of others.
    rows : int
        How many rows were fitted.
    """

    encoding: Encoding
    outputs: list[str]
    coefficients: Array
    errors: Array
    error_kind: str
    vif: Array
    rows: int

    def doubtful(self, limit: float) -> Array:
        """Say which columns (E,) are too correlated with others for their coefficients to be read alone."""
        return self.vif > limit

    def importance(self) -> Array:
        """Mean |coefficient| over the outputs, the largest of a column's categories: (D,)."""
        sizes = np.abs(self.coefficients).mean(axis=0)
        return np.array(
            [sizes[self.encoding.columns == column].max(initial=0.0) for column in range(self.encoding.width)]
        )


def linear_model(table: Table, encoding: Encoding) -> Any:
    """Make the estimator: least squares, or logistic regression where there are classes, on standardised columns."""
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(max_iter=2000) if table.class_names else LinearRegression()
    return encoding.before(make_pipeline(StandardScaler(), model))


def fit_linear(table: Table, rows: Array, resamples: int = 30, seed: int = 0) -> LinearFit:
    """Fit the linear model and measure the uncertainty of its coefficients.

    Parameters
    ----------
    table : Table
        Checked.
    rows : (N,) int64
        Row numbers to fit.
    resamples : int
        Bootstrap samples, for classes only; the errors of least squares have a closed form.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        There are not more rows than columns, so that a regression has no error to measure.
    """
    encoding = Encoding.of(table)
    data, target = table.data[rows], table.target[rows]
    coefficients = _coefficients(table, encoding, data, target)
    standardised = _standardised(encoding.rows(data))
    if not table.class_names:
        errors, kind = _standard_errors(table, standardised, target), "standard error of least squares"
        outputs = [table.target_name or "target"]
    else:
        errors = _bootstrapped(table, encoding, rows, resamples, seed)
        kind = f"standard deviation over {resamples} bootstrap samples"
        named = table.class_names if len(coefficients) > 1 else table.class_names[1:]
        outputs = [f"log-odds of {name}" for name in named]
    return LinearFit(encoding, outputs, coefficients, errors, kind, inflation(standardised), len(rows))


def inflation(columns: Array) -> Array:
    """Variance inflation factors of columns (N, E): 1 / (1 − R²) of each column as explained by the others.

    A column without variance gets 1; one that the others determine gets infinity.
    """
    centred = columns - columns.mean(axis=0)
    factors = np.ones(centred.shape[1])
    for column, values in enumerate(centred.T):
        others = np.delete(centred, column, axis=1)
        total = float(values @ values)
        if total > 0 and others.shape[1]:
            solution = np.linalg.lstsq(others, values, rcond=None)[0]
            left = float(np.square(values - others @ solution).sum()) / total
            factors[column] = 1 / left if left > 1e-12 else np.inf
    return factors


def _standardised(columns: Array) -> Array:
    scale = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(np.ptp(columns, axis=0) > 0, scale, 1.0)


def _coefficients(table: Table, encoding: Encoding, data: Array, target: Array) -> Array:
    fitted = linear_model(table, encoding).fit(data, target)
    return np.atleast_2d(fitted[-1][-1].coef_)


def _standard_errors(table: Table, columns: Array, target: Array) -> Array:
    """The textbook's errors, which take the noise to be the same everywhere: (1, E)."""
    count, width = columns.shape
    freedom = count - width - 1
    if freedom < 1:
        raise DataError(
            f"Linear regression on '{table.name}' has {count} rows for {width} columns.",
            "Give more rows than columns, or leave columns out.",
        )
    design = np.column_stack([np.ones(count), columns])
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    covariance = np.linalg.pinv(design.T @ design) * float(residual @ residual) / freedom
    return np.sqrt(np.diag(covariance))[np.newaxis, 1:]


def _bootstrapped(table: Table, encoding: Encoding, rows: Array, resamples: int, seed: int) -> Array:
    """Standard deviations over rows drawn with replacement, within each class so that none is lost."""
    rng = np.random.default_rng(seed)
    classes = [rows[table.target[rows] == label] for label in range(len(table.class_names))]
    drawn = []
    for _ in range(resamples):
        sample = np.concatenate([rng.choice(members, len(members)) for members in classes])
        drawn.append(_coefficients(table, encoding, table.data[sample], table.target[sample]))
    return np.std(drawn, axis=0, ddof=1)
