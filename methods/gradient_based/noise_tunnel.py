"""Noise tunnel: any method's attributions, averaged over noisy copies of the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.chunks import BatchSize, chunks
from ...backends.model import Model
from ...backends.objective import Target
from ..budget import Budget
from ..checks import finite_scores, positive_count
from ..evaluation import score
from ..explanation import Array
from ..inner_method import InnerMethod
from ..registry import Attribution, register
from .aggregates import Aggregate, Aggregated, fewest_draws
from .noise import Noise


@register(
    "noise_tunnel",
    family="gradients",
    paper="SmoothGrad: removing noise by adding noise (Smilkov et al., 2017, arXiv:1706.03825)",
    needs="gradient",
    error="relative standard error of the mean (or variance) over the noisy copies",
)
def noise_tunnel(
    model: Model,
    x: Array,
    target: Target,
    *,
    inner: str = "integrated_gradients",
    inner_params: Mapping[str, Any] | None = None,
    samples: int = 20,
    sigma: float = 0.15,
    aggregate: Aggregate = "mean",
    seed: int = 0,
    tolerance: float | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """Mean of what another method says of ``x + noise``, noise ~ N(0, (sigma (max x - min x))²).

    With `saliency` inside it is `smoothgrad`, with the same noise. The class that is explained is that of x itself, for
    all its copies. The values have the shape of the inner method's.

    An inner method that draws random numbers draws others for each copy: its seed for copy j of sample i is
    ``numpy.random.SeedSequence([seed, i, j]).generate_state(1)[0]``, where `seed` is its own. So does a method
    that is inside of the inner one.

    Parameters
    ----------
    inner : str
        The other method: any that explains inputs.
    inner_params : dict, optional
        Its parameters; a baseline or partition per sample belongs to all copies of the sample, and limits are those of
        each copy. What belongs to a layer's output is the same for all samples.
    samples : int
        Noisy copies per sample. The error is NaN, unknown, of a single one, and that of a variance of fewer than 4.
    sigma : float
        Standard deviation of the noise as a share of the sample's range.
    aggregate : {"mean", "absolute", "squared", "variance"}
        Mean of the signed attributions, of their absolute values, of their squares (SmoothGrad², arXiv:1806.10758), or
        their variance without bias (VarGrad, arXiv:1810.03292).
    seed : int
        Of the noise.
    tolerance : float, optional
        Relative standard error to reach; `samples` is then only the first round.
    max_evaluations : int, optional
        Copies that may be explained in all, however many runs of the network each takes.
    max_seconds : float, optional
        After how many seconds no round begins.
    batch_size : int or "auto"
        Also the inner method's, unless `inner_params` say otherwise.
    """
    samples = positive_count("samples", samples)
    fewest, noise = fewest_draws(aggregate, samples), Noise(x, sigma, seed)
    budget = Budget(len(x), tolerance, max_evaluations, max_seconds)
    within = InnerMethod(inner, inner_params, x, "noise_tunnel", batch_size)
    within.method.check_target(target)
    if within.method.targeted:
        scored = score(model, x, target, "logit", batch_size)
        scores, classes = scored.scores, scored.target
    else:
        scores, classes = finite_scores(model.forward(x, batch_size)), None
    drawn: Aggregated | None = None
    done = np.zeros(len(x), dtype=np.int64)
    for count in budget.rounds(samples, minimum=fewest):
        for sample in budget.active.tolist():
            chosen = target if classes is None else int(classes[sample])
            for part in chunks(count, within.at_once):
                copies = noise.draw(sample, part)
                copies += x[sample]
                found = within.explain(model, copies, sample, int(done[sample]), chosen)
                drawn = drawn or Aggregated((len(x), *found.values.shape[1:]), aggregate)
                drawn.add(sample, found.values)
                done[sample] += len(copies)
        assert drawn is not None
        budget.report(drawn.error().relative)
    assert drawn is not None
    # Some methods look at no class, though others like them do.
    told = classes if found.target is not None else None
    return Attribution(drawn.values.astype(x.dtype), scores, told, drawn.error(), budget=budget)
