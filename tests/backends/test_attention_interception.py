"""Attention under rules: fused kernels are written out, so that every spelling shows its one softmax."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.errors import MethodError

from ..frameworks import need, paddle, torch
from .test_interception import recorded

Array = np.ndarray

# Sums of six products of numbers around 1, scaled before or after.
ROUNDING = 1e-12


def values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def counting(counts: Counter[str], *keys: str) -> dict[str, Any]:
    def rule(key: str) -> Any:
        def count(call: Any, *inputs: Any) -> Any:
            counts[key] += 1
            return call(*inputs)

        return count

    return {key: rule(key) for key in keys}


def native(backend: Backend, *arrays: Array) -> list[Any]:
    return [backend.leaf(backend.asarray(array)) for array in arrays]


def first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


# -- torch: queries, keys and values (N, heads, places, features) ---------------------------------------------------


def allowed(rows: int = 5, columns: int = 5) -> Any:
    return torch.tensor(values(rows, columns, seed=3) > -0.3)


def emptied() -> Any:
    mask = allowed()
    mask[1] = False
    return mask


def numbers(mask: Any) -> Any:
    return torch.zeros(mask.shape, dtype=torch.float64).masked_fill(mask.logical_not(), -math.inf)


def biased(name: str) -> Any:
    from torch.nn.attention import bias

    return getattr(bias, name)(3, 5)


TORCH: dict[str, Callable[[Any, Any, Any], Any]] = {
    "functional": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v),
    "keywords": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(query=q, value=v, key=k),
    "alias": lambda q, k, v: torch._C._nn.scaled_dot_product_attention(q, k, v),
    "aten": lambda q, k, v: torch.ops.aten.scaled_dot_product_attention(q, k, v),
    "aten overload": lambda q, k, v: torch.ops.aten.scaled_dot_product_attention.default(q, k, v, None, 0.0, True),
    "truth values": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, allowed()),
    "numbers": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=torch.tensor(values(4, 5, 5))
    ),
    "parameter": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=torch.nn.Parameter(torch.tensor(values(2, 1, 5, 5)))
    ),
    "nothing left": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, emptied()),
    "-inf everywhere": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, numbers(emptied())),
    "causal": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),
    "causal, more places": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q, k[:, :, :3], v[:, :, :3], is_causal=True
    ),
    "causal, fewer places": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q[:, :, :3], k, v, is_causal=True
    ),
    "upper left": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q[:, :, :3], k, v, biased("causal_upper_left")
    ),
    "lower right": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q[:, :, :3], k, v, attn_mask=biased("causal_lower_right")
    ),
    "scale": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=0.3),
    "negative scale": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=-0.3),
    "grouped queries": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(
        q, k[:, :2], v[:, :2], enable_gqa=True
    ),
    "shared keys": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k[:, :1], v[:, :1]),
    "three axes": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q[:, 0], k[:, 0], v[:, 0]),
    "two axes": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q[0, 0], k[0, 0], v[0, 0]),
    "dropout": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.4),
}


@pytest.mark.parametrize("name", list(TORCH))
def test_every_spelling_of_torch_shows_one_softmax_and_computes_what_the_kernel_does(name: str) -> None:
    backend = need("torch")
    arrays = [values(2, 4, 5, 6, seed=seed) for seed in range(3)]

    def run() -> tuple[Array, list[Array]]:
        leaves = native(backend, *arrays)
        with backend.seeded(0):
            y = first(TORCH[name](*leaves))
        gradients = backend.grad(y, leaves, seeds=backend.asarray(values(*y.shape, seed=9)))
        return backend.numpy(y), [backend.numpy(gradient) for gradient in gradients]

    plain, gradients = run()
    counts: Counter[str] = Counter()
    with backend.intercept(counting(counts, "softmax")):
        seen, seen_gradients = run()
    assert counts == {"softmax": 1}
    for one, other in zip([plain, *gradients], [seen, *seen_gradients], strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=ROUNDING)


def test_both_masks_at_once_are_both_applied_where_torch_does_so() -> None:
    backend = need("torch")
    q, k, v = native(backend, *(values(2, 4, 5, 6, seed=seed) for seed in range(3)))
    attend = torch.nn.functional.scaled_dot_product_attention
    try:
        plain = attend(q, k, v, allowed(), is_causal=True)
    except RuntimeError:
        pytest.skip("this version of torch takes one mask")
    with backend.intercept(counting(Counter(), "softmax")):
        seen = attend(q, k, v, allowed(), is_causal=True)
    np.testing.assert_allclose(backend.numpy(seen), backend.numpy(plain), rtol=0, atol=ROUNDING)


def test_what_a_mask_leaves_nothing_is_zero_and_sends_nothing_back() -> None:
    backend = need("torch")
    leaves = native(backend, *(values(1, 1, 5, 6, seed=seed) for seed in range(3)))
    with backend.intercept(counting(Counter(), "softmax")):
        y = TORCH["nothing left"](*leaves)
    (gradient,) = backend.grad(backend.sum(y), leaves[:1])
    assert not backend.numpy(y)[0, 0, 1].any()
    assert np.isfinite(backend.numpy(gradient)).all()
    assert not backend.numpy(gradient)[0, 0, 1].any()


def test_the_kernel_stays_where_no_rule_is_for_softmax() -> None:
    backend = need("torch")
    leaves = native(backend, *(values(2, 4, 5, 6, seed=seed) for seed in range(3)))
    kernels = {}
    for key in ("relu", "softmax"):
        with backend.intercept(counting(Counter(), key)):
            kernels[key] = recorded([TORCH["functional"](*leaves)], "scaleddotproduct")
    assert kernels == {"relu": 1, "softmax": 0}


def test_of_two_contexts_that_with_the_rule_sees_it_wherever_it_stands() -> None:
    backend = need("torch")
    leaves = native(backend, *(values(2, 4, 5, 6, seed=seed) for seed in range(3)))
    for keys in (("softmax", "relu"), ("relu", "softmax"), ("softmax", "softmax")):
        counts: Counter[str] = Counter()
        with backend.intercept(counting(counts, keys[0])), backend.intercept(counting(counts, keys[1])):
            TORCH["functional"](*leaves)
        assert counts == {"softmax": keys.count("softmax")}


def test_a_rule_changes_the_attention_and_its_gradient() -> None:
    backend = need("torch")
    leaves = native(backend, *(values(2, 4, 5, 6, seed=seed) for seed in range(3)))
    plain = TORCH["functional"](*leaves)
    with backend.intercept({"softmax": lambda call, z: 2.0 * backend.detach(call(z))}):
        doubled = TORCH["functional"](*leaves)
    np.testing.assert_allclose(backend.numpy(doubled), 2 * backend.numpy(plain), atol=ROUNDING)
    gradients = backend.grad(backend.sum(doubled), leaves[2:])
    assert np.abs(backend.numpy(gradients[0])).max() > 1
    assert not backend.takes_gradient(backend.detach(doubled))
    with pytest.raises(tl.errors.NoGradientError):
        backend.grad(backend.sum(doubled), leaves[:1])


def test_a_rule_inside_vmap_is_refused() -> None:
    backend = need("torch")
    q, k, v = (backend.asarray(values(2, 4, 5, 6, seed=seed)) for seed in range(3))
    with backend.intercept(counting(Counter(), "softmax")), pytest.raises(MethodError, match=r"softmax.*vmap"):
        torch.vmap(TORCH["functional"])(q, k, v)


def torch_layers() -> dict[str, tuple[Any, Callable[[Any, Any], Any], int]]:
    """Layers in evaluation mode, how they are called on (3, 5, 8), and how many attentions are in them."""
    nn = torch.nn
    padded = torch.tensor([[False] * 4 + [True]] * 3)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    options = {"batch_first": True, "dtype": torch.float64}
    layers: dict[str, tuple[Any, Callable[[Any, Any], Any], int]] = {
        "weights": (nn.MultiheadAttention(8, 2, **options), lambda a, x: a(x, x, x), 1),
        "no weights": (nn.MultiheadAttention(8, 2, **options), lambda a, x: a(x, x, x, need_weights=False), 1),
        "places first": (
            nn.MultiheadAttention(8, 2, dtype=torch.float64),
            lambda a, x: a(x, x, x, need_weights=False),
            1,
        ),
        "three inputs": (nn.MultiheadAttention(8, 4, **options), lambda a, x: a(x, x * 2, x + 1), 1),
        "padding": (
            nn.MultiheadAttention(8, 2, **options),
            lambda a, x: a(x, x, x, key_padding_mask=padded, need_weights=False),
            1,
        ),
        "causal": (
            nn.MultiheadAttention(8, 2, **options),
            lambda a, x: a(x, x, x, attn_mask=causal, is_causal=True, need_weights=False),
            1,
        ),
        "encoder layer": (nn.TransformerEncoderLayer(8, 2, 16, **options), lambda layer, x: layer(x), 1),
        "gelu": (
            nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", norm_first=True, **options),
            lambda layer, x: layer(x),
            1,
        ),
        "encoder": (
            nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, **options), 3),
            lambda layer, x: layer(x),
            3,
        ),
        "decoder layer": (nn.TransformerDecoderLayer(8, 2, 16, **options), lambda layer, x: layer(x, x * 2), 2),
    }
    for layer, _, _ in layers.values():
        layer.eval()
    return layers


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("differentiated", [True, False])
@pytest.mark.parametrize("name", [
    "weights", "no weights", "places first", "three inputs", "padding", "causal", "encoder layer", "gelu", "encoder",
    "decoder layer",
])  # fmt: skip
def test_layers_of_torch_run_operation_by_operation_under_rules(name: str, differentiated: bool) -> None:
    # Without gradients, layers in evaluation mode would be one kernel each.
    backend = need("torch")
    layer, call, attentions = torch_layers()[name]
    x = backend.asarray(values(3, 5, 8))
    counts: Counter[str] = Counter()
    with torch.set_grad_enabled(differentiated):
        plain = first(call(layer, x))
        with backend.intercept(counting(counts, "softmax", "linear", "relu", "gelu")):
            seen = first(call(layer, x))
    assert counts["softmax"] == attentions
    assert counts["linear"] >= 2 * attentions
    if "encoder" in name or name == "gelu":
        assert counts["relu"] + counts["gelu"] == (3 if name == "encoder" else 1)
    np.testing.assert_allclose(backend.numpy(seen), backend.numpy(plain), rtol=0, atol=ROUNDING)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("decomposed", [False, True])
def test_an_exported_program_shows_its_softmax(decomposed: bool) -> None:
    backend = need("torch")
    layer, _, _ = torch_layers()["encoder layer"]
    x = backend.asarray(values(3, 5, 8))
    program = torch.export.export(layer, (x,))
    program = program.run_decompositions() if decomposed else program
    counts: Counter[str] = Counter()
    with backend.intercept(counting(counts, "softmax")):
        seen = program.module()(x)
    assert counts == {"softmax": 1}
    np.testing.assert_allclose(backend.numpy(seen), backend.numpy(layer(x)), rtol=0, atol=ROUNDING)


def closed_kernels() -> dict[str, tuple[Callable[[], Any], tuple[str, ...]]]:
    layer = torch_layers()["no weights"][0]
    x, q = torch.tensor(values(3, 5, 8)), torch.tensor(values(3, 2, 5, 4))
    weights = (layer.in_proj_weight, layer.in_proj_bias, layer.out_proj.weight, layer.out_proj.bias)
    return {
        "_native_multi_head_attention": (
            lambda: torch._native_multi_head_attention(x, x, x, 8, 2, *weights)[0],
            ("softmax", "linear"),
        ),
        "_scaled_dot_product_attention_math": (
            lambda: torch.ops.aten._scaled_dot_product_attention_math.default(q, q, q)[0],
            ("softmax",),
        ),
        "_scaled_dot_product_flash_attention_for_cpu": (
            lambda: torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, q, q)[0],
            ("softmax",),
        ),
    }


@pytest.mark.parametrize("name", [
    "_native_multi_head_attention", "_scaled_dot_product_attention_math", "_scaled_dot_product_flash_attention_for_cpu",
])  # fmt: skip
def test_a_kernel_that_is_not_written_out_is_refused_under_a_rule_for_what_it_holds(name: str) -> None:
    backend = need("torch")
    call, inside = closed_kernels()[name]
    with backend.no_grad():
        plain = call()
        for key in inside:
            cause = rf"{name}.*rules"
            with backend.intercept(counting(Counter(), key)), pytest.raises(MethodError, match=cause) as refused:
                call()
            assert "torch.nn.functional.scaled_dot_product_attention" in str(refused.value)
        with backend.intercept(counting(Counter(), "relu")):
            np.testing.assert_array_equal(backend.numpy(call()), backend.numpy(plain))


# -- Paddle: queries, keys and values (N, places, heads, features) --------------------------------------------------


def paddle_mask(backend: Backend, truth: bool = False) -> Any:
    mask = values(2, 1, 5, 5, seed=3)
    return backend.asarray(mask > -0.3) if truth else backend.asarray(mask)


def paddle_calls(backend: Backend) -> dict[str, Callable[[Any, Any, Any], Any]]:
    f = paddle.nn.functional
    calls: dict[str, Callable[[Any, Any, Any], Any]] = {
        "scaled_dot_product_attention": lambda q, k, v: f.scaled_dot_product_attention(q, k, v),
        "flash_attention": lambda q, k, v: f.flash_attention.flash_attention(q, k, v),
        "softmax returned": lambda q, k, v: f.flash_attention.flash_attention(q, k, v, return_softmax=True),
        "mask and softmax": lambda q, k, v: paddle.incubate.softmax_mask_fuse(
            paddle.concat([paddle.matmul(q, k, transpose_y=True)] * 2, -1), paddle.ones([2, 1, 4, 8], "float64")
        ),
    }
    if hasattr(f.flash_attention, "flash_attn_qkvpacked"):  # Paddle 3
        calls |= {
            "numbers": lambda q, k, v: f.scaled_dot_product_attention(q, k, v, paddle_mask(backend)),
            "truth values": lambda q, k, v: f.scaled_dot_product_attention(q, k, v, paddle_mask(backend, truth=True)),
            "causal": lambda q, k, v: f.scaled_dot_product_attention(q, k, v, is_causal=True),
            "packed": lambda q, k, v: f.flash_attention.flash_attn_qkvpacked(paddle.stack([q, k, v], 2)),
        }
    if hasattr(paddle, "compat") and hasattr(paddle.compat.nn.functional, "scaled_dot_product_attention"):
        compat = paddle.compat.nn.functional.scaled_dot_product_attention
        calls |= {
            "compat": lambda q, k, v: compat(q, k, v),
            "grouped queries": lambda q, k, v: compat(q, k[:, :2], v[:, :2], enable_gqa=True),
        }
    return calls


@pytest.mark.parametrize("name", [
    "scaled_dot_product_attention", "flash_attention", "softmax returned", "mask and softmax", "numbers",
    "truth values", "causal", "packed", "compat", "grouped queries",
])  # fmt: skip
def test_every_spelling_of_paddle_shows_one_softmax_and_computes_the_same(name: str) -> None:
    backend = need("paddle")
    calls = paddle_calls(backend)
    if name not in calls:
        pytest.skip("this version of Paddle has no such function")
    arrays = [values(2, 4 if name in ("compat", "grouped queries") else 5, 4, 6, seed=seed) for seed in range(3)]

    def run() -> tuple[Array, Array]:
        leaves = native(backend, *arrays)
        y = first(calls[name](*leaves))
        (gradient,) = backend.grad(y, leaves[:1], seeds=backend.asarray(values(*y.shape, seed=9)))
        return backend.numpy(y), backend.numpy(gradient)

    plain = run()
    counts: Counter[str] = Counter()
    with backend.intercept(counting(counts, "softmax")):
        seen = run()
    assert counts == {"softmax": 1}
    for one, other in zip(plain, seen, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["MultiHeadAttention", "TransformerEncoderLayer", "compat"])
def test_layers_of_paddle_run_operation_by_operation_under_rules(name: str) -> None:
    backend = need("paddle")
    nn = paddle.nn
    if name == "compat" and not hasattr(getattr(getattr(paddle, "compat", None), "nn", None), "MultiheadAttention"):
        pytest.skip("this version of Paddle has no such layer")
    makers: dict[str, Callable[[], Any]] = {
        "MultiHeadAttention": lambda: nn.MultiHeadAttention(8, 2),
        "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, 16),
        "compat": lambda: paddle.compat.nn.MultiheadAttention(8, 2, batch_first=True),
    }
    layer = makers[name]()
    layer.eval()
    x = backend.asarray(values(3, 5, 8), "float32")
    options: list[dict[str, Any]] = [{"need_weights": False}, {"need_weights": True}] if name == "compat" else [{}]
    inputs = 1 if name == "TransformerEncoderLayer" else 3
    for option in options:
        call = functools.partial(layer, *[x] * inputs, **option)
        plain, counts = first(call()), Counter[str]()
        with backend.intercept(counting(counts, "softmax", "linear")):
            seen = first(call())
        assert counts["softmax"] == 1
        np.testing.assert_allclose(backend.numpy(seen), backend.numpy(plain), rtol=0, atol=1e-6)


def test_the_softmax_of_earlier_places_is_written_out_where_paddle_has_it_for_a_gpu_alone() -> None:
    backend = need("paddle")
    scores = values(2, 2, 32, 32)
    counts: Counter[str] = Counter()
    with backend.intercept(counting(counts, "softmax")):
        found = paddle.incubate.softmax_mask_fuse_upper_triangle(backend.asarray(scores))
    powers = np.exp(scores) * np.tri(32)
    assert counts == {"softmax": 1}
    np.testing.assert_allclose(backend.numpy(found), powers / powers.sum(-1, keepdims=True), rtol=0, atol=ROUNDING)


def test_a_kernel_of_a_whole_attention_on_paddle_is_refused_under_a_rule_for_softmax() -> None:
    backend = need("paddle")
    from paddle.incubate.nn.memory_efficient_attention import memory_efficient_attention

    x = backend.asarray(values(2, 5, 4, 8), "float32")
    cause = r"memory_efficient_attention.*rules"
    with backend.intercept(counting(Counter(), "softmax")), pytest.raises(MethodError, match=cause) as refused:
        memory_efficient_attention(x, x, x)
    assert "sdp_kernel(enable_math=True" in str(refused.value)
    # Without such a rule it is Paddle's own affair, which has the kernel for a GPU alone.
    with backend.intercept(counting(Counter(), "relu")), pytest.raises(RuntimeError):
        memory_efficient_attention(x, x, x)


# -- torch's attention in a twin on Paddle -------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["function", "layer"])
def test_a_twin_gives_zero_where_a_mask_leaves_nothing_as_the_kernel_does(spelling: str) -> None:
    for name in ("torch", "paddle"):
        need(name)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # An odd number of heads: with an even one torch itself is undecided, NaN without a gradient and 0 with one.
            self.layer = torch.nn.MultiheadAttention(6, 3, batch_first=True)
            self.register_buffer("mask", emptied())

        def forward(self, x: Any) -> Any:
            if spelling == "function":
                return torch.nn.functional.scaled_dot_product_attention(x, x, x, self.mask).mean(2)
            return self.layer(x, x, x, attn_mask=self.mask.logical_not(), need_weights=False)[0].mean(2)

    torch.manual_seed(0)
    model = tl.wrap(Net().eval(), dtype="float64", input_shape=(5, 6))
    twin = tl.twin(model)
    x = values(2, 5, 6)
    scores = model.forward(x)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(twin.forward(x), scores, rtol=0, atol=ROUNDING)
    gradients = [each.gradient(x, 0) for each in (model, twin)]
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=0, atol=ROUNDING)
