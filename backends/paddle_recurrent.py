"""LSTM, GRU and SimpleRNN written out step by step: Paddle's own operator has no gradient for explanations.

On a CPU its gradient fails in evaluation mode, and wherever the gradients of all weights are not asked for as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .paddle_import import import_paddle

paddle = import_paddle()

_Weights: TypeAlias = "tuple[Any, Any, Any, Any]"  # of the input, of the state, and the biases of both


def recurrent(
    x: Any, states: Sequence[Any], weights: Sequence[Any], lengths: Any, bidirectional: bool, layers: int, mode: str
) -> tuple[Any, list[Any]]:
    """Run a recurrent network without dropout.

    Parameters
    ----------
    x : tensor (T, N, features)
    states : sequence of tensor (layers * directions, N, hidden)
        The first state, and of an LSTM the first cell.
    weights : sequence of tensor
        Of every layer and direction those of the input and of the state; then the biases in the same order.
    lengths : tensor of int (N,) or None
        How many steps of each sample count.
    bidirectional : bool
    layers : int
    mode : str
        ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``.

    Returns
    -------
    tuple
        What the last layer says at every step (T, N, hidden * directions), and the last states.
    """
    directions = 2 if bidirectional else 1
    half = len(weights) // 2
    last: list[list[Any]] = []
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            own = (*weights[2 * place : 2 * place + 2], *weights[half + 2 * place : half + 2 * place + 2])
            output, state = _one_way(x, [s[place] for s in states], own, lengths, direction == 1, mode)
            outputs.append(output)
            last.append(state)
        x = paddle.concat(outputs, axis=-1)
    return x, [paddle.stack(list(each)) for each in zip(*last, strict=True)]


def _one_way(
    x: Any, states: list[Any], weights: _Weights, lengths: Any, backwards: bool, mode: str
) -> tuple[Any, list[Any]]:
    steps = list(range(x.shape[0]))
    outputs: dict[int, Any] = {}
    for step in reversed(steps) if backwards else steps:
        new = _STEPS[mode](x[step], states, weights)
        if lengths is None:
            states, outputs[step] = new, new[0]
            continue
        counts = (lengths > step).astype(x.dtype).unsqueeze(-1)
        states = [counts * after + (1 - counts) * before for after, before in zip(new, states, strict=True)]
        outputs[step] = counts * new[0]
    return paddle.stack([outputs[step] for step in steps]), states


def _gates(x: Any, state: Any, weights: _Weights) -> tuple[Any, Any]:
    of_input, of_state, input_bias, state_bias = weights
    linear = paddle.nn.functional.linear
    return linear(x, of_input.t(), input_bias), linear(state, of_state.t(), state_bias)


def _lstm(x: Any, states: list[Any], weights: _Weights) -> list[Any]:
    state, cell = states
    enter, forget, candidate, out = paddle.chunk(sum(_gates(x, state, weights)), 4, axis=-1)
    sigmoid = paddle.nn.functional.sigmoid
    cell = sigmoid(forget) * cell + sigmoid(enter) * paddle.tanh(candidate)
    return [sigmoid(out) * paddle.tanh(cell), cell]


def _gru(x: Any, states: list[Any], weights: _Weights) -> list[Any]:
    (state,) = states
    (reset_x, keep_x, new_x), (reset_h, keep_h, new_h) = (
        paddle.chunk(gate, 3, axis=-1) for gate in _gates(x, state, weights)
    )
    sigmoid = paddle.nn.functional.sigmoid
    keep = sigmoid(keep_x + keep_h)
    return [keep * state + (1 - keep) * paddle.tanh(new_x + sigmoid(reset_x + reset_h) * new_h)]


def _tanh(x: Any, states: list[Any], weights: _Weights) -> list[Any]:
    return [paddle.tanh(sum(_gates(x, states[0], weights)))]


def _relu(x: Any, states: list[Any], weights: _Weights) -> list[Any]:
    return [paddle.nn.functional.relu(sum(_gates(x, states[0], weights)))]


_STEPS = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _tanh, "RNN_RELU": _relu}
