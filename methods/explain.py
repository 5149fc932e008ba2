"""One call for every method."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.model import Model
from ..backends.objective import Target
from ..errors import InputError, ModelError, TwinlensError
from .checks import finite_values, finite_weights, independent_samples, independent_target
from .explanation import Array, Explanation
from .registry import Attribution, Method, get_method


def explain(
    model: Model, x: Any, method: str = "integrated_gradients", target: Target = None, **params: Any
) -> Explanation:
    """Explain what a model says of a batch of inputs.

    Parameters
    ----------
    model : Model
        From `twinlens.wrap` or `twinlens.load_model`.
    x : array or native tensor (N, ...)
        For pictures (N, 3, H, W), RGB, 0 to 1.
    method : str
        One of ``twinlens.methods()``.
    target : int, list of int, None or callable
        The class to explain, one for all or one per sample; None for the predicted class, which is recorded; a
        function of the native scores that returns one number per sample, for gradient methods.
    **params
        The method's parameters, see ``twinlens.methods()[name].defaults``.

    Returns
    -------
    Explanation

    Raises
    ------
    MethodError
        If the method or a parameter does not exist.
    InputError, TargetError, LayerError, NoGradientError, NonFiniteError
        If the input, target or layer does not fit the model.
    """
    if not isinstance(model, Model):
        raise InputError(
            f"The model is a {type(model).__name__}, not a twinlens Model.", "Wrap it first: twinlens.wrap(net)."
        )
    chosen = get_method(method)
    chosen.check_target(target)
    merged = chosen.completed(params)
    version = finite_weights(model)
    merged = {name: _recorded(model, value) for name, value in merged.items()}
    # A copy: what the caller does to the array afterwards must not change what was explained.
    x = model.check_input(x).copy()
    independent_samples(model, x, version)
    if callable(target):
        independent_target(model, x, target)
    start = time.perf_counter()
    # A network may draw random numbers in evaluation mode too: the same ones in every call, and none of the user's.
    with model.backend.seeded(0), np.errstate(over="ignore"):
        found = attribution(chosen, model, x, target, merged)
    finite_values(found.values)
    return Explanation(
        values=found.values,
        inputs=x,
        target=found.target,
        scores=found.scores,
        method=method,
        params=merged,
        backend=model.backend.name,
        model=model.name,
        seed=merged.get("seed"),
        seconds=time.perf_counter() - start,
        error=found.error,
        extras=found.extras,
        evaluations=None if found.budget is None else found.budget.evaluations,
        stopped=None if found.budget is None else found.budget.stopped,
    )


def attribution(method: Method, model: Model, x: Array, target: Target, params: Mapping[str, Any]) -> Attribution:
    """Run a method on checked inputs, with the batch in the order in memory that the network computes fastest."""
    try:
        return method.function(model.arranged(x), x, target, **params)
    except Exception as error:
        # The network's own code may mind the other order in memory; of the call twinlens would say the same again.
        if (isinstance(error, TwinlensError) and type(error) is not ModelError) or not model.usual_order(x):
            raise
    return method.function(model, x, target, **params)


def _recorded(model: Model, value: Any) -> Any:
    """A parameter as it can be kept and saved: native tensors as arrays, NumPy's numbers as Python's.

    Arrays are copied: what the caller does to them afterwards must not change what is recorded.
    """
    if model.backend.is_tensor(value):
        return model.backend.numpy(value)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [_recorded(model, item) for item in value]
    if isinstance(value, tuple):
        return tuple(_recorded(model, item) for item in value)
    if isinstance(value, dict):
        return {name: _recorded(model, item) for name, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value
