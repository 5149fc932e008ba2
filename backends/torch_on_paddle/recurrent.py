"""Paddle's recurrent layers computed step by step: its own kernel has no gradient for the input alone."""

from __future__ import annotations

from typing import Any

from ..paddle_import import import_paddle

paddle = import_paddle()
nn, functional = paddle.nn, paddle.nn.functional


class _StepByStep:
    """A stack of recurrent layers, in one or both directions; `step` goes from one place to the next."""

    training: bool
    time_major: bool
    num_layers: int
    num_directions: int
    hidden_size: int
    dropout: float
    states = 1

    def step(self, x: Any, h: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """The next state from the projected input and the projected hidden state."""
        raise NotImplementedError

    def forward(self, inputs: Any, initial_states: Any = None) -> Any:
        """Outputs at all places, and the last states of every layer and direction."""
        x = inputs if self.time_major else paddle.transpose(inputs, [1, 0, 2])
        count = self.num_layers * self.num_directions
        if initial_states is None:
            initial_states = (paddle.zeros([count, x.shape[1], self.hidden_size], dtype=x.dtype),) * self.states
        elif self.states == 1:
            initial_states = (initial_states,)
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            directions = []
            for direction in range(self.num_directions):
                start = tuple(t[layer * self.num_directions + direction] for t in initial_states)
                outputs, state = self._run(x, f"l{layer}{'_reverse' * direction}", start, direction == 1)
                directions.append(outputs)
                last.append(state)
            x = paddle.concat(directions, axis=-1) if len(directions) > 1 else directions[0]
            if layer < self.num_layers - 1:
                x = functional.dropout(x, self.dropout, training=self.training)
        states = tuple(paddle.stack(list(each), axis=0) for each in zip(*last, strict=True))
        out = x if self.time_major else paddle.transpose(x, [1, 0, 2])
        return out, states if self.states > 1 else states[0]

    def _run(self, x: Any, name: str, state: tuple[Any, ...], backwards: bool) -> tuple[Any, tuple[Any, ...]]:
        weights = [getattr(self, f"{part}_{name}") for part in ("weight_ih", "bias_ih", "weight_hh", "bias_hh")]
        projected = paddle.matmul(x, weights[0], transpose_y=True) + weights[1]
        places = list(paddle.unbind(projected, axis=0))
        outputs = []
        for place in reversed(places) if backwards else places:
            state = self.step(place, paddle.matmul(state[0], weights[2], transpose_y=True) + weights[3], state)
            outputs.append(state[0])
        return paddle.stack(outputs[::-1] if backwards else outputs, axis=0), state


class LSTM(_StepByStep, nn.LSTM):  # type: ignore[name-defined]
    """Long short-term memory."""

    states = 2

    def step(self, x: Any, h: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """Gates in the order input, forget, cell, output."""
        i, f, g, o = paddle.split(x + h, 4, axis=-1)
        cell = functional.sigmoid(f) * state[1] + functional.sigmoid(i) * paddle.tanh(g)
        return functional.sigmoid(o) * paddle.tanh(cell), cell


class GRU(_StepByStep, nn.GRU):  # type: ignore[name-defined]
    """Gated recurrent units."""

    def step(self, x: Any, h: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """Gates in the order reset, update, candidate."""
        (xr, xz, xc), (hr, hz, hc) = (paddle.split(t, 3, axis=-1) for t in (x, h))
        candidate = paddle.tanh(xc + functional.sigmoid(xr + hr) * hc)
        return (candidate + functional.sigmoid(xz + hz) * (state[0] - candidate),)


class SimpleRNN(_StepByStep, nn.SimpleRNN):  # type: ignore[name-defined]
    """Plain recurrent layers."""

    mode: str

    def step(self, x: Any, h: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        """An activation of the sum."""
        return (paddle.tanh(x + h) if self.mode == "RNN_TANH" else functional.relu(x + h),)
