"""What holds for every method of the family: frameworks, chunks, targets, side effects, and bounded memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.checks import independent_samples

from ...frameworks import need
from ...nets import linear_net, pictures, small_net

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning")

CALLS: dict[str, dict[str, Any]] = {
    "saliency": {},
    "input_x_gradient": {},
    "smoothgrad": {"samples": 6},
    "smooth_taylor": {"samples": 6},
    "integrated_gradients": {"steps": 6},
    "blur_integrated_gradients": {"steps": 6, "sigma": 3.0},
    "guided_integrated_gradients": {"steps": 9, "anchors": 2},
    "expected_gradients": {"samples": 6, "background": pictures(4, seed=7)},
    "xrai": {"steps": 6},
    "fullgrad": {},
}
PICTURES = ("blur_integrated_gradients", "xrai", "fullgrad")
"""Those that explain pictures alone."""
MANY = {name: parameter for name, params in CALLS.items() for parameter in ("samples", "steps") if parameter in params}


@pytest.fixture(params=list(CALLS))
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def explained(backend: Backend, method: str, dtype: str = "float64", inputs: int = 3, **params: Any) -> tl.Explanation:
    model, x = small_net(backend, dtype=dtype), pictures(inputs)
    return tl.explain(model, x, method, [1, 4, 2][:inputs], **CALLS[method] | params)


def same(found: Any, expected: Any, relative: float) -> None:
    for name in ("values", "scores"):
        mine, its = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(mine, its, rtol=relative, atol=relative * np.abs(its).max(), err_msg=name)


def test_both_frameworks_agree(both: tuple[Backend, Backend], method: str) -> None:
    same(*(explained(backend, method) for backend in both), relative=1e-10)


def test_both_frameworks_agree_in_single_precision(both: tuple[Backend, Backend], method: str) -> None:
    found, expected = (explained(backend, method, "float32") for backend in both)
    assert found.values.dtype == expected.values.dtype == np.float32
    # Points of a path may fall on the other side of a bend: the map as a whole is what agrees.
    assert np.linalg.norm(found.values - expected.values) < 2e-3 * np.linalg.norm(expected.values)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_the_chunk_size_does_not_matter(backend: Backend, method: str, size: int) -> None:
    found, whole = explained(backend, method, batch_size=size), explained(backend, method)
    same(found, whole, relative=1e-9)
    if whole.error is not None:
        np.testing.assert_allclose(found.error.values, whole.error.values, rtol=1e-6, atol=1e-10)


def test_a_sample_does_not_feel_its_batch(backend: Backend, method: str) -> None:
    # The first: random numbers belong to the place in the batch.
    together, alone = explained(backend, method), explained(backend, method, inputs=1)
    np.testing.assert_allclose(together.values[:1], alone.values, rtol=1e-9, atol=1e-12)


def test_a_target_function_is_explained_as_the_class_it_picks(backend: Backend, method: str) -> None:
    model, x = small_net(backend, dtype="float64"), pictures(2)
    by_class = tl.explain(model, x, method, 3, **CALLS[method])
    by_function = tl.explain(model, x, method, lambda scores: scores[:, 3], **CALLS[method])
    np.testing.assert_allclose(by_function.values, by_class.values, rtol=1e-12, atol=1e-14)
    assert by_function.target is None


@pytest.mark.parametrize("of", ["probability", "loss"])
def test_other_numbers_than_the_logit_are_explained(backend: Backend, method: str, of: str) -> None:
    found, logit = explained(backend, method, of=of), explained(backend, method)
    assert not np.allclose(found.values, logit.values)
    assert np.isfinite(found.values).all()


def test_the_faster_copy_gives_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = need("torch")
    params = {MANY[method]: 60} if method in MANY else {}
    quick = explained(backend, method, "float32", **params)
    monkeypatch.setattr(tl.Model, "streamlined", lambda self, x, evaluations, gradients: self)
    plain = explained(backend, method, "float32", **params)
    # Rounding alone, but for points on the bends, whose gradient may jump.
    assert np.linalg.norm(quick.values - plain.values) < 2e-3 * np.linalg.norm(plain.values)


@pytest.mark.parametrize("failing_run", [1, 2, 3])
def test_the_network_comes_back_as_it_was_after_an_exception(backend: Backend, method: str, failing_run: int) -> None:
    model, runs = small_net(backend), 0
    independent_samples(model, pictures(1))
    model.net.train()

    def fail(_net: Any, _inputs: Any) -> None:
        nonlocal runs
        runs += 1
        if runs == failing_run:
            raise KeyError("the user's own error")

    handle = backend.on_enter(model.net, fail)
    with pytest.raises(KeyError, match="the user's own error"):
        tl.explain(model, pictures(3), method, 1, batch_size=1, **CALLS[method])
    handle.remove()
    assert all(layer.training for layer in backend.modules(model.net).values())
    flag = "requires_grad" if backend.name == "torch" else "stop_gradient"
    wanted = backend.name == "torch"
    trained = [
        parameter for name, parameter in model.net.named_parameters() if "_mean" not in name and "_var" not in name
    ]
    assert all(getattr(parameter, flag) is wanted for parameter in trained)
    assert all(parameter.grad is None for parameter in model.net.parameters())


def test_the_users_gradients_and_hooks_stay(backend: Backend, method: str) -> None:
    model, calls = small_net(backend), []
    native = backend.asarray(pictures(2))
    backend.sum(model.net(native)).backward()
    before = [None if p.grad is None else backend.numpy(p.grad) for p in model.net.parameters()]
    handle = backend.on_exit(backend.modules(model.net)["4"], lambda *_: calls.append(1))
    tl.explain(model, pictures(2), method, 1, **CALLS[method])
    handle.remove()
    after = [None if p.grad is None else backend.numpy(p.grad) for p in model.net.parameters()]
    for mine, its in zip(after, before, strict=True):
        np.testing.assert_array_equal(mine, its)
    assert calls  # a network with hooks is run itself, and not a copy without them


@pytest.mark.parametrize("method", [name for name in CALLS if name not in PICTURES])
def test_tables_are_explained_too(backend: Backend, method: str, rng: np.random.Generator) -> None:
    weights, x = rng.normal(size=(3, 4)), rng.random((5, 4))
    params = CALLS[method] | ({"background": rng.random((3, 4))} if method == "expected_gradients" else {})
    found = tl.explain(linear_net(backend, weights), x, method, 2, **params)
    assert found.values.shape == (5, 4)


@pytest.mark.parametrize("target", [5, -1, [0], "cat"])
def test_a_target_that_does_not_exist_is_refused(backend: Backend, method: str, target: object) -> None:
    with pytest.raises(tl.errors.TargetError):
        tl.explain(small_net(backend), pictures(2), method, target, **CALLS[method])


def test_weights_that_are_not_finite_are_named(backend: Backend, method: str) -> None:
    model = small_net(backend)
    state = model.state()
    state["9.weight"][0, 0] = np.nan
    model.load_state(state)
    with pytest.raises(tl.errors.NonFiniteError):
        tl.explain(model, pictures(1), method, 0, **CALLS[method])


def test_an_input_of_the_wrong_size_is_a_named_error(backend: Backend, method: str) -> None:
    wrong = (3, 12, 12)
    params = CALLS[method] | ({"background": np.zeros((2, *wrong))} if method == "expected_gradients" else {})
    with pytest.raises(tl.errors.ModelError, match="shape"):
        tl.explain(small_net(backend), pictures(1, shape=wrong), method, 0, **params)


@pytest.mark.parametrize("method", list(MANY))
def test_the_memory_does_not_grow_with_the_points(backend: Backend, method: str) -> None:
    model, x = linear_net(backend, np.ones((2, 3 * 24 * 24))), pictures(2, shape=(3, 24, 24))
    background = {"background": x} if method == "expected_gradients" else {}

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            tl.explain(model, x, method, 1, batch_size=32, **CALLS[method] | background | {MANY[method]: count})
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64)  # what is imported and kept on the first call
    few, many = peak(64), peak(640)
    # 640 points for one input are 9 MB.
    assert many < few + 500_000
