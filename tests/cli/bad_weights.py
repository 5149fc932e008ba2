"""Weights files that are missing, damaged, hostile, or of another network."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import safetensors.numpy

from twinlens.models import load_model

from .case import CNN, UNTRAINED, Case


def weights(**changes: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": CNN | changes}


@cache
def _state() -> dict[str, Any]:
    model = load_model("small_cnn", size=32, widths=(4, 8))
    return model.state()


def _safetensors(change: Callable[[dict[str, Any]], None] | None = None) -> bytes:
    state = {name: np.array(array) for name, array in _state().items()}
    if change is not None:
        change(state)
    return safetensors.numpy.save(state)


def _with_nan() -> bytes:
    def spoil(state: dict[str, Any]) -> None:
        state["head.fc.weight"][0, 0] = np.nan

    return _safetensors(spoil)


def _with_nan_that_paddle_hides() -> bytes:
    def spoil(state: dict[str, Any]) -> None:
        state["stage1.conv.weight"][0] = np.nan

    return _safetensors(spoil)


def _with_wrong_shape() -> bytes:
    def reshape(state: dict[str, Any]) -> None:
        state["head.fc.weight"] = np.zeros((7, 8), np.float32)

    return _safetensors(reshape)


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile_was_here",)


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


CASES = [
    Case("missing weights", "no weights file 'none.pth'", "Check the path", weights(weights="none.pth")),
    Case(
        "weights of another kind", "the ending '.npy'", ".safetensors", weights(weights="w.npy"), files={"w.npy": npy}
    ),
    Case(
        "empty weights", "'w.pth' is empty", "Save or download it again", weights(weights="w.pth"), files={"w.pth": b""}
    ),
    Case("corrupt weights", "'w.pth'", "file", weights(weights="w.pth"), files={"w.pth": b"\x00\x01corrupt" * 9}),
    Case(
        "truncated weights",
        "'w.safetensors' is damaged",
        "Save or download it again",
        weights(weights="w.safetensors"),
        files={"w.safetensors": lambda: _safetensors()[:-100]},
    ),
    Case(
        "hostile weights",
        "asks for",
        "Save the state dict alone",
        weights(weights="w.pdparams"),
        files={"w.pdparams": lambda: pickle.dumps({"a": _Hostile()})},
    ),
    Case(
        "hostile torch weights",
        "asks for",
        "Save the state dict alone",
        weights(weights="w.pth"),
        files={"w.pth": lambda: pickle.dumps({"a": _Hostile()}, 2)},
    ),
    Case(
        "weights of other shapes",
        "head.fc.weight",
        "(11, 8)",
        weights(weights="w.safetensors"),
        files={"w.safetensors": _with_wrong_shape},
    ),
    Case(
        "weights with NaN on Paddle",
        "NaN",
        ".",
        weights(weights="w.safetensors") | {"backend": "paddle"},
        files={"w.safetensors": _with_nan_that_paddle_hides},
        needs=["paddle"],
    ),
    Case(
        "weights with NaN",
        "scores hold NaN",
        "Check its weights",
        weights(weights="w.safetensors"),
        files={"w.safetensors": _with_nan},
    ),
    Case(
        "a folder of weights",
        "'w.pth' is a folder",
        "Name the file in it",
        weights(weights="w.pth"),
        files={"w.pth/x": b""},
    ),
]
