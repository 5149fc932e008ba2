"""Which networks the methods of attention hold for, however they are written, and what they say of the others."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ...backends.nets import build, native_nn
from ...frameworks import ANY, need, paddle, torch
from ...nets import pictures, randomise, small_net
from .nets import HEADS, SPELLINGS, WIDTH, hybrid_net, vision_transformer

X = np.random.default_rng(4).random((3, 3, 8, 12))
METHODS = ("attention_rollout", "attention_relevance", "attention_transition", "attention_bidirectional")
ON_PATHS = METHODS[2:]


def explained(model: Model, method: str, x: np.ndarray = X, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, method, 1, **({"steps": 4} if method in ON_PATHS else {}) | params)


# -- the same network in other words -----------------------------------------------------------------------------------


def fused(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """The framework's own function for an attention."""
    tokens = q.shape[1]
    q, k, v = (backend.reshape(t, (-1, tokens, HEADS, WIDTH // HEADS)) for t in (q, k, v))
    attend = native_nn(backend).functional.scaled_dot_product_attention
    if backend.name == "paddle":
        return backend.reshape(attend(q, k, v), (-1, tokens, WIDTH))
    q, k, v = (backend.permute(t, (0, 2, 1, 3)) for t in (q, k, v))
    return backend.reshape(backend.permute(attend(q, k, v), (0, 2, 1, 3)), (-1, tokens, WIDTH))


@pytest.mark.parametrize("method", METHODS)
def test_every_spelling_on_both_frameworks_has_the_same_map(both: tuple[Backend, Backend], method: str) -> None:
    nets = [
        *(vision_transformer(backend, spelling=spelling) for backend in both for spelling in SPELLINGS[:2]),
        *(vision_transformer(backend, attention=fused) for backend in both),
    ]
    found = [explained(model, method) for model in nets]
    for each in found[1:]:
        np.testing.assert_allclose(each.values, found[0].values, rtol=1e-10)
        assert each.error is not None
        assert found[0].error is not None
        np.testing.assert_allclose(each.error.values, found[0].error.values, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_sample_does_not_feel_its_batch(backend: Backend, spelling: str, method: str) -> None:
    model = vision_transformer(backend, spelling=spelling)
    together = explained(model, method)
    for batch_size in (1, 2):
        np.testing.assert_allclose(explained(model, method, batch_size=batch_size).values, together.values, rtol=1e-11)
    for i in range(3):
        np.testing.assert_allclose(explained(model, method, X[i : i + 1]).values[0], together.values[i], rtol=1e-11)


def vit(**options: Any) -> Any:
    torch.manual_seed(0)
    torchvision = importlib.import_module("twinlens.backends.torch_backend").import_torchvision()
    small = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    return torchvision.models.VisionTransformer(**small | options, num_classes=5)


@pytest.mark.parametrize("method", METHODS)
def test_torchvisions_transformer_and_its_twin_on_paddle_have_the_same_map(method: str) -> None:
    for name in ("torch", "paddle"):
        need(name)
    model = randomise(tl.wrap(vit().eval(), dtype="float64", input_shape=(3, 32, 32)))
    x = pictures(3, shape=(3, 32, 32)).astype(np.float64)
    # Something speaks for this class in every picture.
    found = [tl.explain(each, x, method, 3) for each in (model, tl.twin(model))]
    assert [each.backend for each in found] == ["torch", "paddle"]
    assert found[0].values.shape == (3, 1, 32, 32)
    assert found[0].extras["map"].shape == (3, 1, 4, 4)
    assert found[0].extras["leading"] == 1
    assert np.ptp(found[0].values) > 0
    np.testing.assert_allclose(found[1].values, found[0].values, rtol=1e-8)


def test_torchvisions_transformer_has_the_rollout_of_the_weights_that_its_layers_return() -> None:
    need("torch")
    net = vit().double().eval()
    x = torch.tensor(pictures(2, shape=(3, 32, 32)).astype(np.float64))
    weights: list[np.ndarray] = []
    with torch.no_grad():
        h = net.encoder.dropout(
            torch.cat([net.class_token.expand(2, -1, -1), net._process_input(x)], 1) + net.encoder.pos_embedding
        )
        for layer in net.encoder.layers:
            normed = layer.ln_1(h)
            weights.append(layer.self_attention(normed, normed, normed, need_weights=True)[1].numpy())
            h = layer(h)
    product = np.eye(17)
    for matrix in weights:
        product = (matrix + np.eye(17)) / 2 @ product
    found = tl.explain(tl.wrap(net), x, "attention_rollout", upsample=False).values
    np.testing.assert_allclose(found, product[:, 0, 1:].reshape(2, 1, 4, 4), rtol=1e-12)


def opened(net: Any, x: Any) -> tuple[Any, list[Any]]:
    """Scores and attentions of torchvision's transformer, written out with its weights."""
    functional = torch.nn.functional
    h = torch.cat([net.class_token.expand(len(x), -1, -1), net._process_input(x)], 1) + net.encoder.pos_embedding
    attentions = []
    for layer in net.encoder.layers:
        inner = layer.self_attention
        parts = functional.linear(layer.ln_1(h), inner.in_proj_weight, inner.in_proj_bias).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (inner.num_heads, -1)).transpose(1, 2) for part in parts)
        attentions.append(torch.softmax(q @ k.transpose(-1, -2) / k.shape[-1] ** 0.5, -1))
        h = h + inner.out_proj((attentions[-1] @ v).transpose(1, 2).flatten(2))
        h = h + layer.mlp(layer.ln_2(h))
    return net.heads(net.encoder.ln(h)[:, 0]), attentions


def along_path(run: Callable[[Any], tuple[Any, list[Any]]], x: Any, target: int, steps: int) -> Any:
    """What the last attention's gradient is on the way from black, in the mean over all heads and nothing below 0."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = 0
    for place, weight in zip(places, weights, strict=True):
        scores, attentions = run(x * (place + 1) / 2)
        total = total + torch.autograd.grad(scores[:, target].sum(), attentions[-1])[0] * weight / 2
    return total.clamp(min=0).mean(1)


def from_attentions(run: Callable[[Any], tuple[Any, list[Any]]], x: Any, target: int, steps: int) -> dict[str, Any]:
    """Both maps of all tokens (N, T, T), by torch's own gradients and the papers' formulas from one layer to the next.

    As in the papers, none of the few layers is left out.
    """
    scores, attentions = run(x)
    gradients = torch.autograd.grad(scores[:, target].sum(), attentions)
    state = attentions[-1].detach().mean(1)
    for attention in attentions[-2::-1]:
        state = state + state @ attention.detach().mean(1)
    perceived = torch.eye(state.shape[-1], dtype=x.dtype).expand_as(state)
    for attention, gradient in zip(attentions, gradients, strict=True):
        importance = (attention.detach().transpose(-1, -2) @ gradient).abs().mean((-1, -2))
        shares = importance / importance.sum(1, keepdim=True)
        perceived = perceived + (shares[:, :, None, None] * attention.detach()).sum(1) @ perceived
    answer = along_path(run, x, target, steps)
    return {method: (factor * answer).numpy() for method, factor in zip(ON_PATHS, (state, perceived), strict=True)}


def test_torchvisions_transformer_has_the_maps_of_its_weights_on_paths() -> None:
    need("torch")
    model = randomise(tl.wrap(vit(num_layers=3).eval(), dtype="float64", input_shape=(3, 32, 32)))
    x = pictures(2, shape=(3, 32, 32)).astype(np.float64)
    expected = from_attentions(lambda points: opened(model.net, points), torch.tensor(x), 3, 4)
    for method, maps in expected.items():
        found = tl.explain(model, x, method, 3, steps=4, start_layer=0, upsample=False).values
        assert np.ptp(found) > 0
        np.testing.assert_allclose(found, maps[:, 0, 1:].reshape(2, 1, 4, 4), rtol=1e-9, atol=1e-15)


def test_the_sums_that_the_authors_take_on_paths_approach_the_map() -> None:
    """They weigh evenly spaced points alike, both ends too: what they are off falls with the number of points."""
    need("torch")
    model = randomise(tl.wrap(vit(num_layers=3).eval(), dtype="float64", input_shape=(3, 32, 32)))
    x = pictures(2, shape=(3, 32, 32)).astype(np.float64)
    native = torch.tensor(x)
    attentions = [each.detach().mean(1) for each in opened(model.net, native)[1]]
    state = (attentions[2] + attentions[2] @ attentions[1])[:, 0, 1:]
    found = tl.explain(model, x, "attention_transition", 3, steps=40, upsample=False).values.reshape(2, 16)
    off = []
    for points in (20, 80, 320):
        total: Any = 0
        for alpha in np.linspace(0, 1, points):
            scores, seen = opened(model.net, native * alpha)
            total = total + torch.autograd.grad(scores[:, 3].sum(), seen[-1])[0] / points
        summed = (state * total.clamp(min=0).mean(1)[:, 0, 1:]).numpy()
        off.append(np.abs(summed - found).max() / np.abs(found).max())
    assert off[0] < 0.1
    np.testing.assert_allclose(off[:2], [4 * off[1], 4 * off[2]], rtol=0.1)


def test_torchs_own_encoder_and_its_twin_have_the_same_map() -> None:
    """Which torch computes in one kernel where no gradient is wanted."""
    for name in ("torch", "paddle"):
        need(name)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = torch.nn.Conv2d(3, WIDTH, 4, stride=4)
            layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 12, batch_first=True)
            self.encoder = torch.nn.TransformerEncoder(layer, 3)
            self.head = torch.nn.Linear(WIDTH, 3)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1))

    model = randomise(tl.wrap(Net().eval(), dtype="float64", input_shape=(3, 8, 12)))
    twin = tl.twin(model)
    for method in METHODS:
        found = [explained(each, method).values for each in (model, twin)]
        assert np.ptp(found[0]) > 0
        np.testing.assert_allclose(found[1], found[0], rtol=1e-9)


def test_a_transformer_of_hugging_face_has_the_map_of_the_attentions_that_it_returns() -> None:
    need("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    nets = {}
    for way in ("eager", "sdpa"):
        config = transformers.Dinov2WithRegistersConfig(**sizes, num_labels=5, attn_implementation=way)
        nets[way] = transformers.Dinov2WithRegistersForImageClassification(config).double().eval()
    with torch.no_grad():
        for parameter in nets["eager"].parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    nets["sdpa"].load_state_dict(nets["eager"].state_dict())
    x = pictures(2, shape=(3, 32, 32)).astype(np.float64)
    returned = nets["eager"](torch.tensor(x), output_attentions=True)
    gradients = torch.autograd.grad(returned.logits[:, 1].sum(), returned.attentions)
    # A class token and four registers come first.
    rollout = relevance = torch.eye(21, dtype=torch.float64)
    for attention, gradient in zip(returned.attentions, gradients, strict=True):
        rollout = (attention.detach().mean(1) + torch.eye(21)) / 2 @ rollout
        relevance = relevance + (gradient * attention.detach()).clamp(min=0).mean(1) @ relevance
    expected = {"attention_rollout": rollout.numpy(), "attention_relevance": relevance.numpy()}

    def run(points: Any) -> tuple[Any, list[Any]]:
        found = nets["eager"](points, output_attentions=True)
        return found.logits, list(found.attentions)

    expected |= from_attentions(run, torch.tensor(x), 1, 4)
    for net in nets.values():
        model = tl.wrap(net, output=lambda found: found.logits)
        for method, matrix in expected.items():
            found = explained(model, method, x, upsample=False, **({"start_layer": 0} if method in ON_PATHS else {}))
            assert found.extras["leading"] == 5
            np.testing.assert_allclose(found.values, matrix[:, 0, 5:].reshape(2, 1, 4, 4), rtol=1e-9, atol=1e-15)


def test_the_transformer_of_paddles_own_layers_is_seen() -> None:
    backend = need("paddle")

    def forward(net: Any, x: Any) -> Any:
        h = paddle.transpose(paddle.flatten(net.patches(x), 2), [0, 2, 1])
        return net.head(net.encoder(h).mean(1))

    layer = paddle.nn.TransformerEncoderLayer(WIDTH, HEADS, 12, dropout=0.0)
    net = build(
        backend,
        forward,
        patches=paddle.nn.Conv2D(3, WIDTH, 4, stride=4),
        encoder=paddle.nn.TransformerEncoder(layer, 2),
        head=paddle.nn.Linear(WIDTH, 3),
    )
    model = randomise(tl.wrap(net, dtype="float64"))
    for method in METHODS:
        found = explained(model, method, upsample=False)
        assert found.values.shape == (3, 1, 2, 3)
        assert found.extras["leading"] == 0


# -- what is no attention, and what is none of this kind ---------------------------------------------------------------


def with_attention(
    backend: Backend, attention: Callable[..., Any], size: tuple[int, int] = (8, 12), **options: Any
) -> Model:
    return vision_transformer(backend, size=size, attention=attention, **options)


def softmax(backend: Backend, t: Any, axis: int = -1) -> Any:
    return native_nn(backend).functional.softmax(t, axis)


def scores_of(backend: Backend, q: Any, k: Any) -> Any:
    return backend.matmul(q, backend.permute(k, (0, 2, 1)))


def one_head(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    return backend.matmul(softmax(backend, scores_of(backend, q, k)), v)


def pooled_keys(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    return one_head(backend, "", q, k[:, ::2], v[:, ::2])


def one_query(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    return v + one_head(backend, "", q[:, :1], k, v)


def one_key(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    return one_head(backend, "", q, backend.mean(k, 1, keepdims=True), backend.mean(v, 1, keepdims=True))


def windows(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """Tokens look at those of their own half, with an axis for a single head."""
    places = q.shape[1] // 2
    q, k, v = (backend.reshape(t, (-1, 1, places, WIDTH)) for t in (q, k, v))
    out = backend.matmul(softmax(backend, backend.matmul(q, backend.permute(k, (0, 1, 3, 2)))), v)
    return backend.reshape(out, (-1, 2 * places, WIDTH))


def partitions(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """The same with an axis of its own for the halves, as in MaxViT."""
    places = q.shape[1] // 2
    q, k, v = (backend.reshape(t, (-1, 2, 1, places, WIDTH)) for t in (q, k, v))
    out = backend.matmul(softmax(backend, backend.matmul(q, backend.permute(k, (0, 1, 2, 4, 3)))), v)
    return backend.reshape(out, (-1, 2 * places, WIDTH))


def linear_attention(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """``q (kᵀ v)``, with softmaxes along features and along places that are no weights of tokens."""
    keys = softmax(backend, k, 1)
    return backend.matmul(q, backend.matmul(backend.permute(keys, (0, 2, 1)), v))


def heads_first(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """Heads and samples on one axis, the heads outside, as in the first transformers on TensorFlow."""
    size = WIDTH // HEADS
    q, k, v = (backend.concat([t[:, :, size * i : size * (i + 1)] for i in range(HEADS)]) for t in (q, k, v))
    out = one_head(backend, "", q, k, v)
    samples = out.shape[0] // HEADS
    return backend.concat([out[samples * i : samples * (i + 1)] for i in range(HEADS)], 2)


def heads_in_a_loop(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """A softmax for each head, as courses write it: none comes after another."""
    size = WIDTH // HEADS
    heads = [[t[:, :, size * i : size * (i + 1)] for t in (q, k, v)] for i in range(HEADS)]
    return backend.concat([one_head(backend, "", *head) for head in heads], 2)


def heads_axis_first(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    """An axis for the heads, before that of the samples."""
    tokens, size = q.shape[1], WIDTH // HEADS

    def split(t: Any) -> Any:
        return backend.permute(backend.reshape(t, (-1, tokens, HEADS, size)), (2, 0, 1, 3))

    q, k, v = split(q), split(k), split(v)
    out = backend.matmul(softmax(backend, backend.matmul(q, backend.permute(k, (0, 1, 3, 2)))), v)
    return backend.reshape(backend.permute(out, (1, 2, 0, 3)), (-1, tokens, WIDTH))


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "pooled keys": (pooled_keys, r"shape \(1, 7, 4\) is from 7 tokens to 4, .*integrated_gradients"),
    "one query": (one_query, r"shape \(1, 1, 7\) is from 1 tokens to 7, "),
    "one key": (one_key, r"shape \(1, 7, 1\) is from 7 tokens to 1, "),
    "linear": (linear_attention, r"no attention that can be seen.*linear.*gradcam"),
    "heads outside": (heads_first, r"cannot be told apart.*batch_size=1"),
    "heads in a loop": (heads_in_a_loop, r"does not depend on the one before.*one softmax"),
    "axis of heads first": (heads_axis_first, r"batch of 1 an attention has shape \(2, 1, 7, 7\)"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", list(REFUSED))
def test_an_attention_of_another_kind_is_refused(backend: Backend, method: str, name: str) -> None:
    attention, message = REFUSED[name]
    model = with_attention(backend, attention)
    with pytest.raises(tl.errors.MethodError, match=message):
        explained(model, method, batch_size=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("attention", "shape"), [(windows, r"\(2, 1, 3, 3\)"), (partitions, r"\(1, 2, 1, 3, 3\)")])
def test_windows_are_refused(backend: Backend, method: str, attention: Callable[..., Any], shape: str) -> None:
    model = with_attention(backend, attention, leading=0)
    with pytest.raises(tl.errors.MethodError, match=rf"has shape {shape}.*windows.*Swin"):
        explained(model, method)


def test_as_many_samples_as_heads_do_not_hide_that_the_heads_come_first(backend: Backend) -> None:
    model = with_attention(backend, heads_axis_first)
    for method in METHODS:
        with pytest.raises(tl.errors.MethodError, match=r"told apart|has shape"):
            explained(model, method, X[:HEADS])


@pytest.mark.parametrize("method", METHODS)
def test_heads_outside_of_the_samples_do_no_harm_one_by_one(backend: Backend, method: str) -> None:
    found = explained(with_attention(backend, heads_first), method, batch_size=1)
    expected = explained(with_attention(backend, scaled_as_heads_first), method)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-11)


def scaled_as_heads_first(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
    from .nets import attend

    return attend(backend, "heads", q * (WIDTH // HEADS) ** 0.5, k, v)


@pytest.mark.parametrize("method", METHODS)
def test_heads_in_a_loop_are_not_taken_for_layers_of_a_single_picture_either(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match="does not depend on the one before"):
        explained(with_attention(backend, heads_in_a_loop), method, X[:1])


@pytest.mark.parametrize("method", METHODS)
def test_nor_are_those_of_a_later_block(backend: Backend, method: str) -> None:
    blocks = itertools.cycle([one_head, one_head, heads_in_a_loop])

    def attention(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
        return next(blocks)(backend, spelling, q, k, v)

    with pytest.raises(tl.errors.MethodError, match="does not depend on the one before"):
        explained(with_attention(backend, attention), method)


@pytest.mark.parametrize("method", METHODS)
def test_attentions_that_mind_nothing_are_no_heads_in_a_loop(backend: Backend, method: str) -> None:
    model = vision_transformer(backend)
    state = model.state()
    state["block1.q.weight"][:] = state["block1.q.bias"][:] = 0
    model.load_state(state)
    assert np.isfinite(explained(model, method).values).all()


@pytest.mark.parametrize("method", METHODS)
def test_rounding_that_differs_with_the_batch_is_no_other_order_of_heads(backend: Backend, method: str) -> None:
    """As under autocast, where it is that of half precision whatever the type of the input."""

    def rounding(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
        return one_head(backend, "", q * (1.002 if q.shape[0] == 1 else 1.0), k, v)

    found, plain = (explained(with_attention(backend, each), method).values for each in (rounding, one_head))
    np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("method", METHODS)
def test_tokens_that_are_merged_on_the_way_are_refused(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        h = backend.permute(backend.reshape(net.patches(x), (-1, WIDTH, 6)), (0, 2, 1))
        h = one_head(backend, "", h, h, h)
        h = h[:, ::2] + h[:, 1::2]
        return net.head(backend.mean(one_head(backend, "", h, h, h), 1))

    net = nn.Module(forward, patches=nn.Conv2d(3, WIDTH, 4, stride=4), head=nn.Linear(WIDTH, 3))
    model = randomise(tl.wrap(net, dtype="float64"))
    with pytest.raises(tl.errors.MethodError, match=r"among 6 tokens first and among 3 later"):
        explained(model, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_attention_is_refused(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"no attention that can be seen.*Choose gradcam"):
        tl.explain(small_net(backend), pictures(2), method, 1)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_picture_is_refused(backend: Backend, method: str) -> None:
    with pytest.raises(tl.errors.InputError, match="explains pictures"):
        tl.explain(vision_transformer(backend), X[:, 0], method, 1)


@pytest.mark.parametrize("method", METHODS)
def test_softmaxes_that_are_no_attention_are_passed_over(backend: Backend, method: str) -> None:
    """Over the channels of a map as wide as high, over the features of every token, and over the classes."""

    def with_gates(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
        from .nets import attend

        places = backend.reshape(v, (-1, 1, 1, v.shape[1] * WIDTH))
        squares = backend.concat([places[:, :, :, : WIDTH**2], places[:, :, :, -(WIDTH**2) :]], 1)
        mixed = softmax(backend, backend.reshape(squares, (-1, 2, WIDTH, WIDTH)), 1)
        gate = backend.reshape(backend.mean(mixed, (2, 3)), (-1, 1, 2))[:, :, :1]
        return attend(backend, spelling, q, k, v * gate)

    model = vision_transformer(backend, size=(16, 8), attention=with_gates)
    gated = tl.wrap(model.net, output=lambda scores: softmax(backend, scores, 1))
    found = explained(gated, method, np.random.default_rng(0).random((2, 3, 16, 8)), upsample=False)
    assert found.values.shape == (2, 1, 4, 2)


@pytest.mark.parametrize("method", METHODS)
def test_tokens_that_do_not_fit_the_last_convolution_need_a_grid(backend: Backend, method: str) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any, pool: int) -> Any:
        maps = net.patches(x)
        maps = maps if pool == 1 else native_nn(backend).functional.avg_pool2d(maps, 2)
        h = backend.permute(backend.reshape(maps, (len(x), WIDTH, -1)), (0, 2, 1))
        h = backend.concat([h] * 2, 1) if pool == 1 else h
        return net.head(backend.mean(one_head(backend, "", h, h, h), 1))

    for pool, tokens in ((2, 6), (1, 48)):
        net = nn.Module(
            lambda net, x, pool=pool: forward(net, x, pool),
            patches=nn.Conv2d(3, WIDTH, 2, stride=2),
            head=nn.Linear(WIDTH, 3),
        )
        model = randomise(tl.wrap(net, dtype="float64"))
        message = rf"makes 4 x 6 places, and there are {tokens} tokens.*grid=\(rows, columns\)"
        with pytest.raises(tl.errors.MethodError, match=message):
            explained(model, method)
        found = explained(model, method, grid=(2, 3), upsample=False)
        assert found.values.shape == (3, 1, 2, 3)
        assert found.extras["leading"] == tokens - 6


def test_convolutions_that_see_one_place_or_come_later_make_no_patches(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        maps = net.patches(x)
        maps = maps * net.squeeze(backend.mean(maps, (2, 3), keepdims=True))
        h = backend.permute(backend.reshape(maps, (-1, WIDTH, 6)), (0, 2, 1))
        h = one_head(backend, "", h, h, h)
        later = net.later(backend.reshape(backend.permute(h, (0, 2, 1)), (-1, WIDTH, 3, 2)))
        return net.head(backend.mean(later, (2, 3)))

    layers = {"squeeze": nn.Conv2d(WIDTH, WIDTH, 1), "later": nn.Conv2d(WIDTH, WIDTH, 2)}
    net = nn.Module(forward, patches=nn.Conv2d(3, WIDTH, 4, stride=4), head=nn.Linear(WIDTH, 3), **layers)
    model = randomise(tl.wrap(net, dtype="float64"))
    for method in METHODS:
        assert explained(model, method, upsample=False).values.shape == (3, 1, 2, 3)


def test_layers_with_channels_last_are_refused() -> None:
    backend = need("paddle")
    model = vision_transformer(backend)
    model.net.patches._data_format = "NHWC"
    for method in METHODS:
        with pytest.raises(tl.errors.LayerError, match="NHWC"):
            explained(model, method)


# -- gradients ---------------------------------------------------------------------------------------------------------


def detached(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
    return one_head(backend, spelling, backend.detach(q), backend.detach(k), v)


def without_gradient(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
    with backend.no_grad():
        weighted = one_head(backend, spelling, q, k, v)
    return v + weighted


def test_an_attention_that_no_gradient_arrives_at_has_no_relevance_but_a_rollout(backend: Backend) -> None:
    rollouts = [explained(with_attention(backend, a), "attention_rollout") for a in (one_head, detached)]
    np.testing.assert_array_equal(rollouts[0].values, rollouts[1].values)
    for attention in (detached, without_gradient):
        for method in ("attention_relevance", "attention_bidirectional"):
            with pytest.raises(tl.errors.NoGradientError, match=r"every attention.*detach.*attention_rollout"):
                explained(with_attention(backend, attention), method)


def test_a_transition_needs_no_gradient_before_its_last_attention(backend: Backend) -> None:
    found = [explained(with_attention(backend, each), "attention_transition") for each in (one_head, detached)]
    assert np.ptp(found[0].values) > 0
    np.testing.assert_array_equal(found[0].values, found[1].values)
    with pytest.raises(tl.errors.NoGradientError, match=r"the last attention.*detach.*attention_rollout"):
        explained(with_attention(backend, without_gradient), "attention_transition")


@pytest.mark.parametrize("method", ON_PATHS)
def test_points_of_a_path_beside_each_other_are_looked_at_too(backend: Backend, method: str) -> None:
    """A single picture runs alone, and the points on its path do not."""
    model = with_attention(backend, heads_first)
    with pytest.raises(tl.errors.MethodError, match=r"cannot be told apart.*batch_size=1"):
        explained(model, method, X[:1])
    found = explained(model, method, X[:1], batch_size=1)
    expected = explained(with_attention(backend, scaled_as_heads_first), method, X[:1])
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-11)


@pytest.mark.parametrize("method", ON_PATHS)
def test_a_network_that_is_less_deep_on_the_path_is_refused(backend: Backend, method: str) -> None:
    calls = itertools.count()

    def attention(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
        return v if dark and next(calls) % 3 == 2 else one_head(backend, spelling, q, k, v)

    model = with_attention(backend, attention)
    dark = False
    run = model.net.forward

    def forward(x: Any) -> Any:
        nonlocal dark
        dark = float(backend.detach(x).mean()) < 0.2
        return run(x)

    model.net.forward = forward
    with pytest.raises(tl.errors.MethodError, match=r"3 attentions among 7 tokens.* 2 among 7 on the path"):
        explained(model, method, X[:1], batch_size=1)


def test_weights_may_be_changed_in_place_where_no_gradient_goes_further() -> None:
    backend = need("torch")

    def halved(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
        return backend.matmul(softmax(backend, scores_of(backend, q, k)).mul_(0.5), v)

    def half(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
        return backend.matmul(softmax(backend, scores_of(backend, q, k)) * 0.5, v)

    found = [explained(with_attention(backend, each), "attention_transition").values for each in (halved, half)]
    assert np.ptp(found[0]) > 0
    np.testing.assert_array_equal(found[0], found[1])
    for method in ("attention_relevance", "attention_bidirectional"):
        with pytest.raises(tl.errors.ModelError, match="in place"):
            explained(with_attention(backend, halved), method)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
@pytest.mark.parametrize("reentrant", [True, False])
def test_a_block_that_is_computed_again_is_explained_or_refused(reentrant: bool) -> None:
    backend = need("torch")

    def again(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
        def part(q: Any, k: Any, v: Any) -> Any:
            return fused(backend, spelling, q, k, v)

        return torch.utils.checkpoint.checkpoint(part, q, k, v, use_reentrant=reentrant)

    model, plain = with_attention(backend, again), with_attention(backend, fused)
    rollouts = [explained(each, "attention_rollout").values for each in (model, plain)]
    np.testing.assert_array_equal(rollouts[0], rollouts[1])
    for method in METHODS[1:]:
        with pytest.raises(tl.errors.NoGradientError, match="checkpoint"):
            explained(model, method)


def test_a_mask_that_leaves_tokens_nothing_is_borne() -> None:
    backend = need("torch")
    mask = torch.ones(7, 7, dtype=torch.bool)
    mask[2] = False

    def masked(backend: Backend, _spelling: str, q: Any, k: Any, v: Any) -> Any:
        q, k, v = (t[:, None] for t in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask)[:, 0]

    for method in METHODS:
        found = explained(with_attention(backend, masked), method)
        assert np.isfinite(found.values).all()
        assert np.ptp(found.values) > 0


@pytest.mark.filterwarnings("ignore:One of rtol or atol is not valid:RuntimeWarning")
def test_scores_that_are_not_finite_are_named_before_the_attention(backend: Backend) -> None:
    def broken(backend: Backend, spelling: str, q: Any, k: Any, v: Any) -> Any:
        return one_head(backend, spelling, q / 0.0, k, v)

    for method in METHODS:
        with pytest.raises(tl.errors.NonFiniteError):
            explained(with_attention(backend, broken), method)


def test_single_precision_is_as_close_as_it_can_be(backend: Backend) -> None:
    for method in METHODS:
        double, single = (
            explained(vision_transformer(backend, dtype=dtype), method, X.astype(dtype)).values
            for dtype in ("float64", "float32")
        )
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, rtol=1e-3)


def test_hooks_that_replace_what_a_layer_returns_are_part_of_the_network(backend: Backend) -> None:
    model = hybrid_net(backend, dtype="float64")
    x = pictures(2).astype(np.float64)
    before = tl.explain(model, x, "attention_rollout").values
    with model.hook("5", post=lambda _layer, _inputs, h: h * 2.0 + 1.0):
        changed = tl.explain(model, x, "attention_rollout").values
    assert np.abs(changed - before).max() > 1e-6
    np.testing.assert_array_equal(tl.explain(model, x, "attention_rollout").values, before)


def test_all_are_in_the_table_with_what_they_need() -> None:
    table = tl.methods()
    assert [table[name].needs for name in METHODS] == ["activations", "gradient", "gradient", "gradient"]
    assert {table[name].family for name in METHODS} == {"attention"}
    assert need(ANY)
