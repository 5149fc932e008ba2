"""Every architecture that torchvision and paddle.vision share: do a network and its twin compute the same?

Random weights and random batch-norm statistics; scores and input gradients of the predicted class, in float32 and in
float64, relative to those of the source, on five pictures. Scores and float64: the worst picture. The float32 gradient
is that of the middle picture, because a ReLU whose input rounds to the other side of 0 moves that of a few by more than
1e-3, in torch alone too: "rounding" is the worse of the two networks' own float32 gradients against their float64 ones,
on the worst picture. Float64 is measured twice: on copies as the frameworks make them, and on copies in which the few
operations that compute in single precision in any case (`twinlens.comparison.exact`) do not. With --way both, Paddle's
networks get their twins in torch as well.
"""

from __future__ import annotations

import argparse
import gc
import time
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import twinlens as tl
from twinlens.comparison.exact import exact
from twinlens.comparison.library_pairs import PAIRS, LibraryPair
from twinlens.comparison.twin import make_twin

LIMITS = {"scores": 1e-4, "gradient": 1e-3, "exact scores": 1e-10, "exact gradient": 1e-9}
_QUIET = {"inception_v3": {"init_weights": False, "aux_logits": False}}
_PICTURES = 5
_LEAST = {"inception_v3": 75}


def randomised(model: tl.Model, seed: int) -> tl.Model:
    """Weights as He et al. draw them, and batch-norm statistics unlike the first 0 and 1."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, array in model.state().items():
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, array.shape)
        elif array.ndim < 2:
            state[name] = rng.normal(float(name.endswith("weight")), 0.1, array.shape)
        else:
            state[name] = rng.normal(0, (2 / np.prod(array.shape[1:])) ** 0.5, array.shape)
    model.load_state(state)
    return model


def relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Relative L2 difference, picture by picture."""
    rows = len(a), -1
    return np.linalg.norm((a - b).reshape(rows), axis=1) / np.linalg.norm(b.reshape(rows), axis=1)


def measured(source: tl.Model, there: tl.Model, x: np.ndarray) -> dict[str, float]:
    """All figures of one pair."""
    targets = source.predict(x).tolist()
    pair = source, there
    scores = relative(there.forward(x), source.forward(x))
    own = [model.gradient(x, targets) for model in pair]
    figures = {"scores": scores.max(), "gradient": np.median(relative(own[1], own[0]))}
    for title, copy in (("float64", _double), ("exact", exact)):
        # One copy at a time: the largest networks hold more than 100 million weights.
        results = []
        for model in pair:
            double = copy(model)
            results.append((double.forward(x), double.gradient(x, targets)))
            del double
            gc.collect()
        figures[f"{title} scores"] = relative(results[1][0], results[0][0]).max()
        figures[f"{title} gradient"] = relative(results[1][1], results[0][1]).max()
    figures["rounding"] = max(relative(mine, right[1]).max() for mine, right in zip(own, results, strict=True))
    return {name: float(figure) for name, figure in figures.items()}


def _double(model: tl.Model) -> tl.Model:
    return tl.wrap(model.net, model.preprocess, dtype="float64")


def row(pair: LibraryPair, library: str, side: int) -> list[str]:
    if pair.refusal:
        return [pair.name, library, *[""] * 8, "no twin: " + pair.refusal]
    options: dict[str, Any] = _QUIET.get(pair.name, {}) if library == "torchvision" else {}
    source = randomised(tl.load_model(f"{library}:{pair.name}", **options), seed=1)
    x = np.random.default_rng(0).random((_PICTURES, 3, side, side), dtype=np.float32)
    made = make_twin(source, x=x[:2])
    figures = measured(source, made.model, x)
    over = [name for name, limit in LIMITS.items() if figures[name] > limit]
    order = ("scores", "gradient", "rounding", "float64 scores", "float64 gradient", "exact scores", "exact gradient")
    rounding = over == ["gradient"] and figures["gradient"] <= 2 * figures["rounding"]
    verdict = "rounding" if rounding else "NO" if over else "yes"
    return [pair.name, library, *(f"{figures[name]:.1e}" for name in order), verdict, "; ".join(made.corrections)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PAIRS), help="architectures; all by default")
    parser.add_argument("--side", type=int, default=224, help="of the pictures; inception_v3 takes 75 at least")
    parser.add_argument("--way", choices=("torch", "both"), default="torch", help="whose networks get twins")
    chosen = parser.parse_args()
    titles = ("network", "of", "scores", "gradient", "rounding", "f64 scores", "f64 gradient", "exact scores")
    table = Table(*titles, "exact gradient", "within", "corrected", title=f"pictures of {chosen.side} x {chosen.side}")
    for name in chosen.names:
        for library in ("torchvision", "paddle")[: 1 + (chosen.way == "both")]:
            start = time.perf_counter()
            cells = row(PAIRS[name], library, max(_LEAST.get(name, 0), chosen.side))
            print(*cells, f"({time.perf_counter() - start:.0f} s)", flush=True)
            table.add_row(*cells)
            gc.collect()
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
