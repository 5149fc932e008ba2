"""Class visualisation: the picture that a network takes for its notion of a class."""

from __future__ import annotations

from typing import Any

from ...backends.chunks import BatchSize
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target
from ...backends.protocol import Tensor
from ..checks import pictures
from ..evaluation import score
from ..explanation import Array
from ..registry import Attribution, register
from .ascent import Ascent, last_rise


@register(
    "class_visualisation",
    family="layers",
    paper="Deep Inside Convolutional Networks (Simonyan et al., 2013, arXiv:1312.6034)",
    needs="gradient",
    error="rise in the last tenth of the steps, beside the whole rise: whether the ascent has arrived",
    scope="global",
)
def class_visualisation(
    model: Model,
    x: Array,
    target: Target,
    *,
    steps: int = 100,
    learning_rate: float = 0.1,
    l2: float = 1e-3,
    total_variation: float = 0.0,
    baseline: Any = 0.5,
    blur: float = 0.0,
    blur_every: int = 4,
    jitter: int = 0,
    of: Of = "logit",
    seed: int = 0,
    batch_size: BatchSize = "auto",
) -> Attribution:
    """``argmax score(picture) - l2 · ‖picture - baseline‖²``, by gradient ascent from the pictures given.

    The values are the pictures reached, not attributions; nothing keeps them within 0 to 1. The paper starts at the
    mean of the training pictures, which is also its `baseline`, and climbs by plain gradient steps; here Adam makes
    them.
    ``extras["score"]`` is the score before, at every step and at the end, without penalties; a step with jitter sees
    the shifted picture.

    Parameters
    ----------
    steps : int
    learning_rate : float
        Step of Adam, in the units of the pictures.
    l2 : float
        Weight of the penalty ``‖picture - baseline‖²``.
    total_variation : float
        Weight of the penalty on squared differences of neighbouring pixels.
    baseline : number or array
        What the L2 penalty pulls towards; 0.5 is grey.
    blur : float
        Standard deviation, in pixels, of a Gaussian blur now and then (Yosinski et al., 2015, arXiv:1506.06579).
    blur_every : int
        Steps from one blur to the next.
    jitter : int
        Each step sees the pictures shifted by up to so many pixels.
    of : {"logit", "probability", "log_probability", "loss"}
        What is raised. The paper warns of the probability, which also rises by lowering the other classes.
    seed : int
        Of the shifts.
    batch_size : int or "auto"
    """
    ascent = Ascent(steps, learning_rate, l2, total_variation, baseline, blur, blur_every, jitter, seed)
    pictures(x, "class_visualisation")
    scored = score(model, x, target, of, batch_size)
    listed = per_sample(scored.resolved, len(x))

    def raised(native: Tensor, part: slice) -> Tensor:
        return model.explained(model.scores(native), listed(part), of)

    reached, course = ascent.climb(model, x, raised, batch_size)
    return Attribution(reached, scored.scores, scored.target, last_rise(course), extras={"score": course})
