"""Windows that run on crops give what whole pictures give, and networks that do not allow it run as they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model, wrap
from twinlens.methods.perturbation import occlusion as occlusion_module
from twinlens.methods.perturbation.local import Box, Local
from twinlens.methods.perturbation.local_search import localised

from ...nets import linear_net, pictures, randomise

SHAPE = (3, 32, 48)
WINDOW = {"window": 5, "stride": 4}
Forward = Callable[[Any, Any], Any]


class Framework:
    """The few native names that the networks below need."""

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self.native = importlib.import_module(backend.name)
        self.nn = importlib.import_module(f"{backend.name}.nn")
        self.functional = importlib.import_module(f"{backend.name}.nn.functional")
        d = "2d" if backend.name == "torch" else "2D"
        self.conv, self.norm, self.max_pool, self.avg_pool = (
            getattr(self.nn, name + d) for name in ("Conv", "BatchNorm", "MaxPool", "AvgPool")
        )
        self.base = self.nn.Module if backend.name == "torch" else self.nn.Layer

    def built(self, layers: dict[str, Any], forward: Forward) -> Any:
        class Net(self.base):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                for name, layer in layers.items():
                    setattr(self, name, layer)

            def forward(self, x: Any) -> Any:
                return forward(self, x)

        return Net()


def mean(t: Any) -> Any:
    return t.flatten(2).mean(2)


def plain(f: Framework) -> Any:
    return f.nn.Sequential(
        f.conv(3, 6, 3, padding=1), f.norm(6), f.nn.ReLU(), f.max_pool(2),
        f.conv(6, 6, 3, padding=1), f.nn.ReLU(), f.conv(6, 4, 3, padding=1), f.nn.Flatten(),
        f.nn.Linear(4 * 16 * 24, 5),
    )  # fmt: skip


def residual(f: Framework) -> Any:
    def block(width: int, out: int, stride: int) -> Any:
        layers = {
            "conv1": f.conv(width, out, 3, stride=stride, padding=1),
            "norm1": f.norm(out),
            "relu": f.nn.ReLU(),
            "conv2": f.conv(out, out, 3, padding=1),
            "norm2": f.norm(out),
            "short": f.conv(width, out, 1, stride=stride),
        }
        return f.built(layers, lambda s, x: s.relu(s.norm2(s.conv2(s.relu(s.norm1(s.conv1(x))))) + s.short(x)))

    layers = {
        "stem": f.conv(3, 6, 5, padding=2),
        "one": block(6, 6, 1),
        "two": block(6, 8, 2),
        "head": f.nn.Linear(8, 5),
    }
    return f.built(layers, lambda s, x: s.head(mean(s.two(s.one(f.functional.relu(s.stem(x)))))))


def functional(f: Framework) -> Any:
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        x = f.functional.max_pool2d(f.functional.relu(s.one(x)), 3, 1, 1)
        return s.head(mean(f.functional.gelu(s.two(f.functional.avg_pool2d(x, 2)))))

    return f.built(layers, forward)


def strange_sizes(f: Framework) -> Any:
    layers = {
        "one": f.conv(3, 6, 4, stride=4), "two": f.conv(6, 6, 3, padding=2, dilation=2),
        "three": f.conv(6, 6, (1, 5), padding=(0, 2)), "head": f.nn.Linear(6, 5),
    }  # fmt: skip
    return f.built(layers, lambda s, x: s.head(mean(s.three(f.functional.relu(s.two(s.one(x)))))))


def squeezed(f: Framework) -> Any:
    """The mean over the whole picture goes into every place, before the first layer."""
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        x = x * f.functional.sigmoid(mean(x))[:, :, None, None]
        return s.head(mean(f.functional.relu(s.two(f.functional.relu(s.one(x))))))

    return f.built(layers, forward)


def gated(f: Framework) -> Any:
    """Whether the whole picture is bright decides how strong a map is."""
    return _switched(f, lambda x: mean(x).mean(1) > 0.5)


def gated_by_a_share(f: Framework) -> Any:
    """Whether much of the picture is bright decides, whatever a few pixels show."""
    return _switched(f, lambda x: mean(f.functional.sigmoid(x * 20 - 10)).mean(1) > 0.5)


def alarmed(f: Framework) -> Any:
    """A single bright pixel anywhere decides."""
    return _switched(f, lambda x: f.native.amax(x.flatten(1), 1) < 0.999)


def _switched(f: Framework, on: Callable[[Any], Any]) -> Any:
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        y = f.functional.relu(s.one(x))
        y = f.native.where(on(x)[:, None, None, None], y, 0.1 * y)
        return s.head(mean(f.functional.relu(s.two(y))))

    return f.built(layers, forward)


def bypassed(f: Framework) -> Any:
    """What the network looks at goes around its layers too."""
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(9, 5)}

    def forward(s: Any, x: Any) -> Any:
        deep = s.two(f.functional.relu(s.one(x)))
        joined = (mean(x), mean(deep))
        return s.head(_concat(f, joined))

    return f.built(layers, forward)


def placed(f: Framework) -> Any:
    """It matters where in the picture something is, before the first layer."""
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        return s.head(mean(f.functional.relu(s.two(f.functional.relu(s.one(x * x.cumsum(3) * 0.05))))))

    return f.built(layers, forward)


def particular(f: Framework) -> Any:
    """It takes pictures of one size only, and says so in its own way."""
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        assert tuple(x.shape[1:]) == SHAPE, "what is this?"
        return s.head(mean(f.functional.relu(s.two(f.functional.relu(s.one(x))))))

    return f.built(layers, forward)


def suspicious(f: Framework) -> Any:
    """It does not take NaN."""
    layers = {"one": f.conv(3, 6, 3, padding=1), "two": f.conv(6, 6, 3, padding=1), "head": f.nn.Linear(6, 5)}

    def forward(s: Any, x: Any) -> Any:
        if bool((x != x).any()):
            raise KeyError("NaN")
        return s.head(mean(f.functional.relu(s.two(f.functional.relu(s.one(x))))))

    return f.built(layers, forward)


def _concat(f: Framework, parts: Any) -> Any:
    return f.native.cat(parts, 1) if f.name == "torch" else f.native.concat(parts, 1)


LOCAL = {"plain": plain, "residual": residual, "functional": functional, "strange_sizes": strange_sizes}
NOT_LOCAL = {
    "squeezed": squeezed, "gated": gated, "gated_by_a_share": gated_by_a_share, "alarmed": alarmed,
    "bypassed": bypassed, "placed": placed, "particular": particular, "suspicious": suspicious,
}  # fmt: skip


def net(backend: Backend, build: Callable[[Framework], Any], dtype: str = "float64") -> Model:
    return randomise(wrap(build(Framework(backend)), dtype=dtype), seed=1)


def boxes_of(x: np.ndarray, size: int = 5, stride: int = 4) -> list[list[Box]]:
    tops, lefts = (range(0, n - size + stride, stride) for n in x.shape[2:])
    high, wide = x.shape[2:]
    one: list[Box] = [((0, 3), (t, min(t + size, high)), (s, min(s + size, wide))) for t in tops for s in lefts]
    return [one] * len(x)


def cut_for(model: Model, x: np.ndarray, windows: list[list[Box]]) -> Local | None:
    return localised(model, x, windows, np.zeros_like(x))


def never(*_: Any) -> None:
    return None


@pytest.mark.parametrize("name", list(LOCAL))
def test_a_network_of_local_layers_is_cut(backend: Backend, name: str) -> None:
    x = pictures(2, shape=SHAPE).astype(np.float64)
    local = cut_for(net(backend, LOCAL[name]), x, boxes_of(x))
    assert isinstance(local, Local)
    assert np.prod(local.cut.crop) < 0.7 * np.prod(local.cut.cells)


@pytest.mark.parametrize("name", list(NOT_LOCAL))
def test_a_network_that_is_not_local_is_not_cut(backend: Backend, name: str) -> None:
    x = pictures(1, shape=SHAPE).astype(np.float64)
    local = cut_for(net(backend, NOT_LOCAL[name]), x, boxes_of(x))
    assert local is None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [*LOCAL, *NOT_LOCAL])
def test_the_result_is_that_of_whole_pictures(
    backend: Backend, name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net(backend, (LOCAL | NOT_LOCAL)[name], dtype)
    x, start = pictures(2, shape=SHAPE), pictures(2, seed=1, shape=SHAPE)
    call: dict[str, Any] = {"baseline": start, "batch_size": 7, **WINDOW}
    found = tl.explain(model, x, "occlusion", [1, 3], **call)
    monkeypatch.setattr(occlusion_module, "localised", never)
    expected = tl.explain(model, x, "occlusion", [1, 3], **call)
    assert found.evaluations == expected.evaluations
    scale = np.abs(expected.scores).max()
    np.testing.assert_allclose(found.values, expected.values, atol=(1e-13 if dtype == "float64" else 1e-5) * scale)
    assert np.abs(expected.values).max() > 1e-4 * scale


def test_any_stack_of_local_layers_gives_the_same(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    f, cut = Framework(backend), 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layers: list[Any] = []
        width = 3
        for _ in range(rng.integers(2, 5)):
            kernel, dilation = int(rng.choice([1, 3, 5])), int(rng.choice([1, 2]))
            layers.append(f.conv(width, 4, kernel, padding=dilation * (kernel // 2), dilation=dilation))
            width = 4
            layers += [[f.nn.ReLU()], [f.nn.Sigmoid()], [f.max_pool(3, 1, 1)], [f.max_pool(2)], [f.avg_pool(2)]][
                rng.integers(5)
            ]
        stack = f.nn.Sequential(*layers)
        head = f.nn.Linear(4, 5)
        whole = f.built({"stack": stack, "head": head}, lambda s, x: s.head(mean(s.stack(x))))
        model = randomise(wrap(whole, dtype="float64"), seed)
        x = pictures(1, seed=seed, shape=SHAPE).astype(np.float64)
        size, stride = int(rng.integers(2, 8)), int(rng.integers(1, 3))
        call = {"window": size, "stride": min(size, 2 + stride), "baseline": "noise"}
        cut += cut_for(model, x, boxes_of(x, size, 4)) is not None
        found = tl.explain(model, x, "occlusion", 2, **call).values
        with monkeypatch.context() as patch:
            patch.setattr(occlusion_module, "localised", never)
            expected = tl.explain(model, x, "occlusion", 2, **call).values
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
    assert cut >= 6


def dark_corner() -> np.ndarray:
    """A picture of mean brightness about 0.5, which windows move over the threshold of a gate one way or the other."""
    x = 0.4 + 0.6 * np.random.default_rng(0).random((1, 3, 48, 48))
    x[:, :, 4:20, 28:44] *= 0.3
    return x


@pytest.mark.parametrize("name", ["gated", "gated_by_a_share", "alarmed"])
@pytest.mark.parametrize("brightness", [0.8, 0.83, 0.86, 1.0])
def test_a_gate_that_windows_or_crops_switch_is_switched_by_whole_pictures(
    backend: Backend, name: str, brightness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x, call = net(backend, NOT_LOCAL[name]), dark_corner() * brightness, {"window": 6, "stride": 3}
    found = tl.explain(model, x, "occlusion", 1, **call).values
    monkeypatch.setattr(occlusion_module, "localised", never)
    expected = tl.explain(model, x, "occlusion", 1, **call).values
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("batch_size", [1, 5, 1000, "auto"])
def test_the_batch_size_does_not_matter(backend: Backend, batch_size: Any) -> None:
    model, x = net(backend, residual), pictures(3, shape=SHAPE)
    assert cut_for(model, x.astype(np.float64), boxes_of(x)) is not None
    found = tl.explain(model, x, "occlusion", [0, 1, 2], batch_size=batch_size, **WINDOW)
    expected = tl.explain(model, x, "occlusion", [0, 1, 2], batch_size=64, **WINDOW)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-13)


def test_preprocessing_is_done_to_the_crops(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = net(backend, plain)
    model = wrap(bare.net, preprocess=tl.Normalise(0.5, [0.1, 0.2, 0.5]))
    x = pictures(1, shape=SHAPE)
    assert cut_for(model, x.astype(np.float64), boxes_of(x)) is not None
    found = tl.explain(model, x, "occlusion", 1, **WINDOW).values
    monkeypatch.setattr(occlusion_module, "localised", never)
    np.testing.assert_allclose(found, tl.explain(model, x, "occlusion", 1, **WINDOW).values, rtol=1e-8, atol=1e-11)


def test_few_windows_tables_and_large_windows_run_as_they_are(backend: Backend) -> None:
    x = pictures(1, shape=SHAPE).astype(np.float64)
    model = net(backend, plain)
    assert cut_for(model, x, [boxes_of(x)[0][:20]]) is None
    assert cut_for(model, x, [[((0, 3), (0, 30), (0, 46))] * 100]) is None
    assert cut_for(linear_net(backend, np.ones((2, 4))), np.ones((1, 4)), [[((0, 1),)] * 100]) is None
    assert cut_for(linear_net(backend, np.ones((2, 4608))), x, boxes_of(x)) is None


def hooks(model: Model) -> int:
    names = ("_forward_hooks", "_forward_pre_hooks", "_forward_post_hooks")
    return sum(len(getattr(layer, name, ())) for layer in model.backend.modules(model.net).values() for name in names)


def test_no_hook_stays_also_after_an_exception(backend: Backend) -> None:
    model, x = net(backend, plain), pictures(1, shape=SHAPE)
    tl.explain(model, x, "occlusion", 1, **WINDOW)
    assert hooks(model) == 0
    for failing_run in range(1, 14, 2):
        runs = 0

        def fail(_net: Any, _inputs: Any, failing_run: int = failing_run) -> None:
            nonlocal runs
            runs += 1
            if runs >= failing_run:
                raise KeyError("the user's own error")

        with model.hook("", pre=fail):
            before = hooks(model)
            with pytest.raises(KeyError, match="the user's own error"):
                tl.explain(model, x, "occlusion", 1, batch_size=8, **WINDOW)
            assert hooks(model) == before
        assert hooks(model) == 0
