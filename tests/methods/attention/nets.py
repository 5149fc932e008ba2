"""Small vision transformers written once for both frameworks, and the same network written in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from scipy.special import erf

import twinlens as tl
from twinlens.backends import Backend, Model

from ...backends.nets import native_nn
from ...nets import randomise

CLASSES, WIDTH, HEADS, LAYERS, PATCH = 5, 8, 2, 3, 4
SPELLINGS = ("heads", "merged heads", "one head")


def attend(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
    """Attention of (N, T, D): a softmax of (N, heads, T, T), of (N * heads, T, T), or of (N, T, T)."""
    tokens, heads = q.shape[1], 1 if spelling == "one head" else HEADS
    softmax = native_nn(backend).functional.softmax

    def split(t: Any) -> Any:
        t = backend.permute(backend.reshape(t, (-1, tokens, heads, WIDTH // heads)), (0, 2, 1, 3))
        return t if spelling == "heads" else backend.reshape(t, (-1, tokens, WIDTH // heads))

    q, k, v = split(q), split(k), split(v)
    turned = backend.permute(k, (0, 1, 3, 2) if spelling == "heads" else (0, 2, 1))
    out = backend.matmul(softmax(backend.matmul(q, turned) * (WIDTH // heads) ** -0.5, -1), v)
    out = backend.permute(backend.reshape(out, (-1, heads, tokens, WIDTH // heads)), (0, 2, 1, 3))
    return backend.reshape(out, (-1, tokens, WIDTH))


def block(backend: Backend, spelling: str = "heads", attention: Callable[..., Any] | None = None) -> Any:
    """``h + attention(norm h)``, then ``h + mlp(norm h)``."""
    nn = backend.nn

    def forward(net: Any, h: Any) -> Any:
        normed = net.norm1(h)
        q, k, v = net.q(normed), net.k(normed), net.v(normed)
        h = h + net.out((attention or attend)(backend, spelling, q, k, v))
        return h + net.down(net.gelu(net.up(net.norm2(h))))

    layers = {name: nn.Linear(WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
    norms = {name: native_nn(backend).LayerNorm(WIDTH) for name in ("norm1", "norm2")}
    return nn.Module(forward, up=nn.Linear(WIDTH, 12), gelu=nn.GELU(), down=nn.Linear(12, WIDTH), **layers, **norms)


def pooled_by_default(leading: int) -> slice:
    return slice(0, 1) if leading else slice(None)


def vision_transformer(
    backend: Backend,
    leading: int = 1,
    spelling: str = "heads",
    size: tuple[int, int] = (8, 12),
    linear_patches: bool = False,
    dtype: str = "float64",
    attention: Callable[..., Any] | None = None,
    width: int | None = None,
    pooled: slice | None = None,
) -> Model:
    """Patches of 4 x 4, `leading` tokens before them, three blocks; the head sees the mean of the tokens `pooled`.

    None is the first token, or all where there is none before the patches.
    """
    nn = backend.nn
    rows, columns = (length // PATCH for length in size)
    tokens = leading + rows * columns

    def cut(x: Any) -> Any:
        parts = backend.reshape(x, (-1, 3, rows, PATCH, columns, PATCH))
        return backend.reshape(backend.permute(parts, (0, 2, 4, 1, 3, 5)), (-1, rows * columns, 3 * PATCH**2))

    def forward(net: Any, x: Any) -> Any:
        if linear_patches:
            h = net.patches(cut(x))
        else:
            h = backend.permute(backend.reshape(net.patches(x), (-1, WIDTH, rows * columns)), (0, 2, 1))
        if leading:
            one = backend.reshape(backend.mean(x, (1, 2, 3)), (-1, 1)) * 0.0 + 1.0
            h = backend.concat([backend.reshape(net.first(one), (-1, leading, WIDTH)), h], 1)
        one = backend.detach(backend.mean(x, (1, 2, 3), keepdims=True)[:1, :, :, 0]) * 0.0 + 1.0
        h = h + backend.reshape(net.positions(one), (1, tokens, WIDTH))
        for place in range(LAYERS):
            h = getattr(net, f"block{place}")(h)
        return net.head(net.norm(backend.mean(h[:, pooled or pooled_by_default(leading)], 1)))

    children: dict[str, Any] = {f"block{place}": block(backend, spelling, attention) for place in range(LAYERS)}
    if leading:
        children["first"] = nn.Linear(1, leading * WIDTH)
    patches = nn.Linear(3 * PATCH**2, WIDTH) if linear_patches else nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
    children |= {"patches": patches, "positions": nn.Linear(1, tokens * WIDTH)}
    net = nn.Module(forward, norm=native_nn(backend).LayerNorm(WIDTH), head=nn.Linear(WIDTH, CLASSES), **children)
    return randomise(tl.wrap(net, dtype=dtype))


def hybrid_net(backend: Backend, seed: int = 0, dtype: str = "float32") -> Model:
    """A convolution with batch norm, patches of it, two blocks, and the class token's scores: pictures 3 x 8 x 8.

    Its layers are called as those of the networks that the tests of all methods know.
    """
    nn = backend.nn

    def to_tokens(net: Any, maps: Any) -> Any:
        h = backend.permute(backend.reshape(maps, (-1, WIDTH, 16)), (0, 2, 1))
        return backend.concat([net.first(backend.mean(h, 1, keepdims=True)), h], 1)

    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Identity(),
        nn.Conv2d(6, WIDTH, 2, stride=2),
        nn.Module(to_tokens, first=nn.Linear(WIDTH, WIDTH)),
        block(backend),
        block(backend),
        nn.Module(lambda _net, h: h[:, 0]),
        nn.Linear(WIDTH, CLASSES),
    )
    return randomise(tl.wrap(net, dtype=dtype), seed)


# -- the same in NumPy ---------------------------------------------------------------------------------------------


class Naive:
    """`vision_transformer` for one picture, written out, with every attention matrix open to a push.

    Attributes
    ----------
    matrices : list of ndarray (heads, T, T)
        Attentions of the last run.
    """

    def __init__(self, model: Model, spelling: str = "heads", pooled: slice | None = None) -> None:
        self.state = {name: array.astype(np.float64) for name, array in model.state().items()}
        self.heads = 1 if spelling == "one head" else HEADS
        self.matrices: list[np.ndarray] = []
        self.pooled = pooled or pooled_by_default("first.weight" in self.state)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return normed * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def scores(self, picture: np.ndarray, push: dict[int, np.ndarray] | None = None) -> np.ndarray:
        weight, bias = self.state["patches.weight"].reshape(WIDTH, -1), self.state["patches.bias"]
        rows, columns = picture.shape[1] // PATCH, picture.shape[2] // PATCH
        h = np.array(
            [
                weight @ picture[:, PATCH * i : PATCH * (i + 1), PATCH * j : PATCH * (j + 1)].ravel() + bias
                for i in range(rows)
                for j in range(columns)
            ]
        )
        if "first.weight" in self.state:
            first = self.state["first.weight"][:, 0] + self.state["first.bias"]
            h = np.concatenate([first.reshape(-1, WIDTH), h])
        h = h + (self.state["positions.weight"][:, 0] + self.state["positions.bias"]).reshape(-1, WIDTH)
        self.matrices = []
        for place in range(LAYERS):
            h = h + self.attention(f"block{place}", h, (push or {}).get(place, 0.0))
            x = self.linear(f"block{place}.up", self.norm(f"block{place}.norm2", h))
            h = h + self.linear(f"block{place}.down", x * (1 + erf(x / np.sqrt(2))) / 2)
        return self.linear("head", self.norm("norm", h[self.pooled].mean(0)))

    def attention(self, name: str, h: np.ndarray, push: np.ndarray | float) -> np.ndarray:
        normed, size = self.norm(f"{name}.norm1", h), WIDTH // self.heads
        q, k, v = (self.linear(f"{name}.{part}", normed) for part in "qkv")
        found, matrices = [], []
        for head in range(self.heads):
            own = slice(head * size, (head + 1) * size)
            powers = np.exp(q[:, own] @ k[:, own].T / np.sqrt(size))
            matrices.append(powers / powers.sum(-1, keepdims=True))
            pushed = matrices[-1] + (push[head] if isinstance(push, np.ndarray) else push)
            found.append(pushed @ v[:, own])
        self.matrices.append(np.array(matrices))
        return self.linear(f"{name}.out", np.concatenate(found, axis=1))

    def gradients(
        self, picture: np.ndarray, target: int, step: float = 1e-5, places: Iterable[int] = range(LAYERS)
    ) -> list[np.ndarray]:
        """Central differences of a logit by every entry of the attentions, which all that follows responds to."""
        self.scores(picture)
        found = [np.zeros_like(self.matrices[place]) for place in places]
        for place, gradient in zip(places, found, strict=True):
            for entry in np.ndindex(gradient.shape):
                move = np.zeros_like(gradient)
                move[entry] = step
                up, down = (self.scores(picture, {place: sign * move})[target] for sign in (1, -1))
                gradient[entry] = (up - down) / (2 * step)
        self.scores(picture)
        return found
