"""Other gradient rules for the rectifiers of a network: what guided backpropagation and deconvnet share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from ...backends.chunks import BatchSize, chunk_size, chunks
from ...backends.model import Model, per_sample
from ...backends.objective import Of, Target, class_targets
from ...backends.protocol import Backend, OperationRule, Rules, SameOutput, Tensor
from ...errors import MethodError, NoGradientError
from ..checks import finite_gradient, finite_scores
from ..explanation import Array
from ..registry import Attribution

Way: TypeAlias = Literal["guided_backprop", "deconvnet"]
Rectifiers: TypeAlias = Literal["relu", "all"]

RELUS = ("relu", "relu6")
_SMOOTH = ("leaky_relu", "elu", "gelu", "silu", "hardswish")
# Rectifiers that are known by their layers alone.
_LAYERS = {"prelu", "rrelu", "selu", "celu", "mish", "threshold", "thresholded_relu", "hardtanh"}
# Programs that a framework runs by itself: no operation inside them asks for a rule.
_PROGRAMS = {
    "recursive_script_module",
    "script_module",
    "top_level_traced_module",
    "traced_module",
    "translated_layer",
}


@contextmanager
def rectifier_rules(model: Model, way: Way, rectifiers: Rectifiers = "relu") -> Iterator[Counter[str]]:
    """Run the model with another gradient rule for its rectifiers.

    The rules belong to the forward pass: gradients may also be taken after the context has ended.

    Parameters
    ----------
    model : Model
    way : {"guided_backprop", "deconvnet"}
    rectifiers : {"relu", "all"}
        The rule is for ReLU and ReLU6, or also for leaky ReLU, ELU, GELU, SiLU and hardswish.

    Yields
    ------
    Counter
        How often each rectifier was met, those that keep their own gradient too.

    Raises
    ------
    MethodError
        On leaving, if no rule was applied: the result would be the plain gradient. On entering, if a layer is a
        program that runs out of sight.
    """
    backend = model.backend
    if rectifiers not in get_args(Rectifiers):
        raise MethodError(f"rectifiers={rectifiers!r} is not known.", "Choose relu or all.")
    rule = SameOutput(_guided(backend)) if way == "guided_backprop" else _deconvolved(backend)
    ruled = RELUS if rectifiers == "relu" else (*RELUS, *_SMOOTH)
    cure = 'Pass rectifiers="all" to give these the rule, which the paper does not do, or choose saliency.'
    with counted_rules(model, way, dict.fromkeys(ruled, rule), cure) as met:
        yield met


@contextmanager
def counted_rules(model: Model, way: str, rules: Rules, cure: str) -> Iterator[Counter[str]]:
    """Run the model with other rules for some of its rectifiers, and count all of them.

    Parameters
    ----------
    model : Model
    way : str
        Name of the method.
    rules : mapping
        As for `Backend.intercept`.
    cure : str
        What helps where only other rectifiers were met.

    Yields
    ------
    Counter
        As `rectifier_rules` does.

    Raises
    ------
    MethodError
        As `rectifier_rules` does.
    """
    backend = model.backend
    refuse_programs(model)
    met: Counter[str] = Counter()

    def counted(name: str) -> OperationRule | SameOutput:
        given = rules.get(name, SameOutput(lambda call, *inputs: call(*inputs)))
        rule = given.rule if isinstance(given, SameOutput) else given

        def apply(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
            # What only constants go through, such as positions, is not on the way from the input.
            if backend.takes_gradient(inputs[0]):
                met[name] += 1
            return rule(call, *inputs)

        return SameOutput(apply) if isinstance(given, SameOutput) else apply

    with backend.intercept({name: counted(name) for name in (*RELUS, *_SMOOTH)}):
        yield met
    if any(name in met for name in rules):
        return
    if met:
        raise MethodError(f"The network has no ReLU for {way} to work on, only {', '.join(sorted(met))}.", cure)
    raise MethodError(
        f"The network has no ReLU that {way} can see.",
        "Write its ReLUs as layers or functions called relu (not clamp or max), or choose saliency.",
    )


def refuse_programs(model: Model) -> None:
    """Raise `MethodError` if a layer is a program that runs out of sight."""
    for name, layer in model.backend.modules(model.net).items():
        if model.backend.kind(layer) in _PROGRAMS:
            raise MethodError(
                f"{f'Layer {name!r}' if name else 'The network'} is a {type(layer).__name__}, whose operations cannot "
                "be seen or given other gradients.",
                "Wrap the network that this program was made from.",
            )


def _guided(backend: Backend) -> OperationRule:
    """Only positive gradients go on to the rectifier's own gradient: ``g -> f'(x) max(g, 0)``."""

    def rule(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        y = call(*inputs)
        with suppress(NoGradientError):
            backend.on_grad(y, lambda g: backend.clip(g, low=0.0))
        return y

    return rule


def _deconvolved(backend: Backend) -> OperationRule:
    """Positive gradients pass, whatever the rectifier did on the way forward: ``g -> max(g, 0)``."""

    def rule(call: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        return backend.with_vjp(call(*inputs), inputs, lambda g: [backend.clip(g, low=0.0)], own=True)

    return rule


def ruled_gradients(
    model: Model, x: Tensor, target: Target, of: Of, way: Way, rectifiers: Rectifiers = "relu"
) -> tuple[Tensor, Tensor, Tensor, Counter[str]]:
    """As `Model.score_gradient`, with the rule: scores, explained number, gradient, and the rectifiers met."""
    with rectifier_rules(model, way, rectifiers) as met:
        scores, values, gradient = model.score_gradient(x, target, of)
    return scores, values, gradient, met


def rectified(
    model: Model, x: Array, target: Target, of: Of, way: Way, rectifiers: Rectifiers, batch_size: BatchSize
) -> Attribution:
    """The whole method on a checked batch: gradients by the rule, chunk by chunk."""
    backend = model.backend
    listed = per_sample(target, len(x))
    values, scores, met = [], [], Counter[Any]()
    with backend.frozen(model.net):
        for part in chunks(len(x), chunk_size(model, x.shape[1:], len(x), batch_size)):
            native, _, gradient, met = ruled_gradients(model, model.tensor(x[part]), listed(part), of, way, rectifiers)
            values.append(finite_gradient(backend.numpy(gradient)))
            scores.append(backend.numpy(native))
    joined = finite_scores(np.concatenate(scores))
    classes = None if callable(target) else class_targets(target, len(x), joined)
    ruled = RELUS if rectifiers == "relu" else (*RELUS, *_SMOOTH)
    return Attribution(
        np.concatenate(values), joined, classes, extras={"without_rule": without_rule(model, met, ruled)}
    )


def without_rule(model: Model, met: Collection[str], ruled: Collection[str]) -> Array:
    """Names of the rectifiers that kept their own gradient: those met, and those that are known by their layers."""
    kinds = {model.backend.kind(layer) for layer in model.backend.modules(model.net).values()}
    return np.array(sorted(set(met) - set(ruled) | _LAYERS & kinds), dtype=str)
