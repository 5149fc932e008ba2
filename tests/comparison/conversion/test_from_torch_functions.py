"""Each function that torch networks call gives the same numbers and gradients on Paddle, judged in float64."""

from __future__ import annotations

import pytest

from ...frameworks import need
from .rebuilt import EXACT, assert_same, built
from .torch_cases import FUNCTIONS

# What Paddle computes with a parameter in single precision: values, gradients.
ROUNDED = {
    **dict.fromkeys(("avg_pool", "adaptive"), (1e-10, 1e-6)),
    **dict.fromkeys(("hardsigmoid", "elu with alpha"), (1e-6, 1e-6)),
}
CASES = [
    pytest.param(name, place, id=f"{name}-{place}") for name, cases in FUNCTIONS.items() for place in range(len(cases))
]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_a_function_computes_the_same(name: str, place: int) -> None:
    need("paddle")
    net, shape = FUNCTIONS[name][place]
    there, x = built(net, shape)
    assert_same(net, there, x, ROUNDED.get(name, EXACT))


def test_every_function_of_the_table_is_tried() -> None:
    need("paddle")
    from twinlens.backends.torch_on_paddle.catalogue import FUNCTIONS as TABLE

    tried: set[str] = set()
    for cases in FUNCTIONS.values():
        for net, shape in cases:
            there, _ = built(net, shape)
            tried |= {step.title for step in there.program.evaluation.steps}
    tried |= {"stochastic_depth", "assert"}  # in whole networks
    assert tried >= {name.removeprefix("Tensor.") for name in TABLE}
