"""TCAV: how the score moves when a layer's output moves towards a concept that examples show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ...errors import InputError, MethodError
from ..background import background_rows
from ..checks import finite_gradient, finite_scores, positive_count, random_seed
from ..evaluation import Scored
from ..explanation import Array, ErrorEstimate
from ..registry import Attribution, register
from .concept_vectors import against_random, random_against_random
from .sample_axis import check_samples
from .units import observe, settle


@register(
    "tcav",
    family="layers",
    paper="Interpretability Beyond Feature Attribution: Quantitative Testing with Concept Activation Vectors (TCAV) "
    "(Kim et al., 2017, arXiv:1711.11279)",
    needs="gradient",
    error="standard error of the sensitivities over the runs, each with other random examples",
    scope="global",
)
def tcav(
    model: Model,
    x: Array,
    target: Target,
    *,
    layer: str,
    concepts: Mapping[str, Any],
    random: Any,
    runs: int = 20,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``S = d score / d y · v``: the slope of the score towards a concept, whose vector v lies in a layer's output y.

    v is the unit normal, on the side of the concept, of a plane that separates y of the concept's examples from y of
    random ones: logistic regression, with two thirds of both, and the rest held out. Each run draws other random
    examples, as many as the concept has. The values (N, concepts) are means over the runs, in the order of `concepts`.

    What the paper calls TCAV is a share of the samples of one class: ``extras["tcav"]`` (classes, concepts) has a row
    for each of ``extras["classes"]``, and a single one, without these, for a target function. It is the share of S > 0,
    its mean over the runs, with its ``"tcav_standard_error"``; ``"random_tcav"`` is the same of random examples in the
    place of the concept's, and ``"p_value"`` of Welch's two-sided t-test says whether the two differ: hold it against
    0.05 divided by the number of tests. It is NaN where neither changes from run to run.

    The paper's test asks whether a concept does the same in all runs, and these share its examples: any set of examples
    that leans to one side by chance does so in each. Of sets of 20 random examples given as a concept, some two in five
    have a p-value below 0.05. ``"set_p_value"`` asks instead how often one more set of random examples would go as far
    from their mean, by the spread of all of them; it is large, too, where the gradients of all samples point the same
    way, so that any vector has all of them or none. ``"accuracy"`` (concepts,), of the planes on examples held out, is
    what to look at first: near 0.5 a vector means nothing, whatever the p-value.

    ``"concepts"`` are the names, ``"vectors"`` (concepts, ...) the means of v over the runs, and ``"standard_error"``
    (N, concepts) belongs to the values.

    Parameters
    ----------
    layer : str
        ``""`` is the network itself.
    concepts : dict of str to array (M, ...)
        Inputs that show each concept, 2 or more; the paper has 50 to 200.
    random : array (R, ...)
        Inputs of all kinds, at least twice as many as the largest concept has: a run draws from them. Where there are
        few of them the runs are alike, and p-values too small.
    runs : int
        Vectors per concept, 2 or more.
    of : {"logit", "probability", "log_probability", "loss"}
    seed : int
        Of the draws, the same ones for concepts with as many examples.
    batch_size : int or "auto"
    """
    runs, seed = positive_count("runs", runs), random_seed(seed)
    if runs < 2:
        raise MethodError("runs=1 leaves nothing to test by.", "Pass runs=2 or more.")
    given, pool = _examples(model, concepts, random, x)
    gradients, shape, scored = _gradients_at(model, x, target, layer, of, batch_size)
    # Squares of very large or small slopes would leave the range of a float; powers of two cost no digit.
    unit = np.ldexp(1.0, np.frexp(np.abs(gradients).max(axis=1, keepdims=True))[1] - 1)
    gradients = gradients / unit
    pool = _rows(model, pool, layer, batch_size)
    values, variances = np.zeros((2, len(x), len(given)))
    vectors = np.zeros((len(given), gradients.shape[1]))
    accuracy = np.zeros(len(given))
    by_chance: dict[int, Array] = {}
    shares, chances = [], []
    for number, (name, examples) in enumerate(given.items()):
        slopes = np.zeros((runs, len(x)))
        rows = _rows(model, examples, layer, batch_size)
        for run, vector in enumerate(against_random(rows, pool, runs, seed, name)):
            slopes[run] = gradients @ vector.direction
            vectors[number] += vector.direction / runs
            accuracy[number] += vector.accuracy / runs
        values[:, number], variances[:, number] = slopes.mean(axis=0), slopes.var(axis=0, ddof=1) / runs
        if len(rows) not in by_chance:
            found = random_against_random(len(rows), pool, runs, seed)
            by_chance[len(rows)] = np.stack([gradients @ vector.direction for vector in found])
        shares.append(_shares(slopes, scored))
        chances.append(_shares(by_chance[len(rows)], scored))
    share, chance = np.stack(shares, axis=1), np.stack(chances, axis=1)
    errors = np.sqrt(variances)
    extras = {
        "concepts": np.array(list(given)),
        "tcav": share.mean(axis=-1),
        "tcav_standard_error": share.std(axis=-1, ddof=1) / np.sqrt(runs),
        "random_tcav": chance.mean(axis=-1),
        "p_value": _p_values(share, chance),
        "set_p_value": _set_p_values(share, chance),
        "accuracy": accuracy,
        "vectors": vectors.reshape(len(given), *shape).astype(x.dtype),
        "standard_error": (unit * errors).astype(x.dtype),
    }
    if scored.target is not None:
        extras["classes"] = np.unique(scored.target)
    error = ErrorEstimate(
        "standard error",
        unit[:, 0] * np.linalg.norm(errors, axis=1),
        "L2 norm over the concepts of the standard errors of the mean sensitivities; the scale is the L2 norm of the "
        "means. More runs make it smaller.",
        unit[:, 0] * np.linalg.norm(values, axis=1),
    )
    return Attribution((unit * values).astype(x.dtype), scored.scores, scored.target, error, extras)


def _examples(model: Model, concepts: Any, random: Any, x: Array) -> tuple[dict[str, Array], Array]:
    """Checked inputs of every concept, and the random ones."""
    if not isinstance(concepts, Mapping) or not concepts or not all(isinstance(name, str) for name in concepts):
        raise InputError(
            "The concepts are not examples by name.", 'Pass a dict, such as concepts={"striped": pictures}.'
        )
    given = {name: background_rows(model, rows, x, f"concept '{name}'") for name, rows in concepts.items()}
    pool = background_rows(model, random, x, "random set")
    for name, rows in given.items():
        if len(rows) < 2:
            raise InputError(f"The concept '{name}' has one example.", "Pass 2 or more; 50 are better.")
        if len(pool) < 2 * len(rows):
            raise InputError(
                f"There are {len(pool)} random examples for the {len(rows)} of the concept '{name}'.",
                f"Pass {2 * len(rows)} or more, or fewer examples of the concept.",
            )
    return given, pool


def _gradients_at(
    model: Model, x: Array, target: Target, layer: str, of: Of, batch_size: BatchSize
) -> tuple[Array, tuple[int, ...], Scored]:
    """The gradients (N, D) of the explained number at the layer's output, its shape, and the scores."""
    backend = model.backend
    listed = per_sample(target, len(x))
    gradients, scores = [], []
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            leaf = backend.leaf(model.tensor(x[part]))
            native, (activation,) = model.activations(leaf, [layer])
            check_samples(model, leaf, activation, layer)
            explained = model.explained(native, listed(part), of)
            (gradient,) = backend.grad(backend.sum(explained), [activation])
            gradients.append(finite_gradient(backend.numpy(gradient)))
            scores.append(backend.numpy(native))
    joined = np.concatenate(gradients)
    scored = settle(model, finite_scores(np.concatenate(scores)), target, of)
    return joined.reshape(len(x), -1).astype(np.float64), joined.shape[1:], scored


def _rows(model: Model, examples: Array, layer: str, batch_size: BatchSize) -> Array:
    """What the layer returns for them, a row each."""
    _, activations = observe(model, examples, layer, batch_size)
    return activations.reshape(len(examples), -1)


def _shares(slopes: Array, scored: Scored) -> Array:
    """Share of the samples of each class with slopes (runs, N) above 0: (classes, runs)."""
    labels = np.zeros(len(scored.scores)) if scored.target is None else scored.target
    return np.stack([(slopes[:, labels == label] > 0).mean(axis=1) for label in np.unique(labels)])


def _p_values(share: Array, chance: Array) -> Array:
    """Of Welch's t-test between numbers (..., runs) of either kind; NaN where neither changes."""
    from scipy import stats

    facts: list[Any] = []
    for side in (share, chance):
        facts += [side.mean(axis=-1), side.std(axis=-1, ddof=1), side.shape[-1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = stats.ttest_ind_from_stats(*facts, equal_var=False).pvalue
    varies = (np.ptp(share, axis=-1) > 0) | (np.ptp(chance, axis=-1) > 0)
    return np.where(varies, found, np.nan)


def _set_p_values(share: Array, chance: Array) -> Array:
    """Of Student's t for the mean of `share` as one more draw of what `chance` (..., runs) are; NaN where these agree.

    A mean over runs with one set of examples varies no more than a single run with another set does.
    """
    from scipy import stats

    runs = chance.shape[-1]
    spread = chance.std(axis=-1, ddof=1) * np.sqrt(1 + 1 / runs)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(share.mean(axis=-1) - chance.mean(axis=-1)) / spread
    return np.where(np.ptp(chance, axis=-1) > 0, 2 * stats.t.sf(distance, runs - 1), np.nan)
