"""The gated recurrent unit of the layer namespace: the same gates, biases and names of weights on both frameworks."""

from __future__ import annotations

import numpy as np

from twinlens.backends import Backend


def test_the_cell_is_its_formula_in_double_precision(backend: Backend, rng: np.random.Generator) -> None:
    cell = backend.converted(backend.nn.GRUCell(5, 4), "float64")
    state = {name: rng.normal(size=array.shape) for name, array in backend.state(cell).items()}
    backend.load(cell, state)
    x, h = rng.normal(size=(3, 5)), rng.normal(size=(3, 4))
    from_x = np.split(x @ state["weight_ih"].T + state["bias_ih"], 3, axis=1)
    from_h = np.split(h @ state["weight_hh"].T + state["bias_hh"], 3, axis=1)
    reset, update = (1 / (1 + np.exp(-(from_x[gate] + from_h[gate]))) for gate in (0, 1))
    candidate = np.tanh(from_x[2] + reset * from_h[2])
    found = backend.numpy(cell(backend.asarray(x, "float64"), backend.asarray(h, "float64")))
    np.testing.assert_allclose(found, (1 - update) * candidate + update * h, rtol=1e-13)
    assert backend.kind(cell) == "gru_cell"


def test_the_state_has_a_gradient_for_the_input_in_evaluation_mode(backend: Backend, rng: np.random.Generator) -> None:
    cell = backend.converted(backend.nn.GRUCell(2, 3), "float64")
    backend.load(cell, {name: rng.normal(size=array.shape) for name, array in backend.state(cell).items()})
    x, h = (
        backend.leaf(backend.asarray(rng.normal(size=(1, 2)), "float64")),
        backend.asarray(np.zeros((1, 3)), "float64"),
    )
    with backend.frozen(cell):
        (gradient,) = backend.grad(backend.sum(cell(x, h)), [x])
        step = 1e-6
        for column in range(2):
            moved = [backend.numpy(x) + sign * step * np.eye(2)[column] for sign in (1, -1)]
            up, down = (backend.numpy(cell(backend.asarray(m, "float64"), h)).sum() for m in moved)
            # A difference of sums near 1 keeps an error of 2e-16, which the step makes 1e-10.
            difference = (up - down) / (2 * step)
            np.testing.assert_allclose(backend.numpy(gradient)[0, column], difference, rtol=1e-6, atol=1e-9)
