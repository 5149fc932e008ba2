"""Layer feature ablation: one part of a layer's output away at a time, beside loops over a network in NumPy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from ...frameworks import need, torch
from ...nets import pictures, randomise, small_net
from ..backpropagation.nets import SHAPE, SPELLINGS, Twin, formula, functional, spelt_net
from ..cams.nets import around_net, scores_behind
from ..test_side_effects import lived_in, snapshot
from .nets import READOUT, WEIGHTS, hidden_net, inputs, linear, native, product_net, relu_, step, token_net
from .replaced import SHAPES, output, scores_after

TARGETS = [0, 2, 3]


def ablation(model: tl.Model, x: np.ndarray, layer: str, target: Any = 1, **params: Any) -> tl.Explanation:
    return tl.explain(model, x, "layer_feature_ablation", target, layer=layer, **params)


# -- closed forms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", ["channels", "units"])
def test_a_unit_of_a_sum_is_worth_its_term(backend: Backend, segments: str) -> None:
    x, start = inputs(3), np.array([0.5, -1.0, 0.0, 2.0])
    found = ablation(hidden_net(backend, around=5.0), x, "hidden", [2, 0, 1], baseline=start, segments=segments)
    expected = ((x @ WEIGHTS.T) ** 3 - start**3) * READOUT.T[[2, 0, 1]]
    # Drops of some 1 beside scores of some 100: 1e-16 of these.
    np.testing.assert_allclose(found.values, expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.error.values, 0, atol=1e-12)
    np.testing.assert_allclose(found.error.scale, expected.sum(1), rtol=1e-11, atol=1e-13)
    assert found.evaluations == 3 * (4 + 1)


def test_the_residual_is_the_interaction(backend: Backend) -> None:
    """Of the product x · x², without one of the two factors nothing is left."""
    x = np.array([[1.0], [2.0]])
    found = ablation(product_net(backend), x, "units", 0)
    np.testing.assert_allclose(found.values, np.repeat(x**3, 2, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.error.values, x[:, 0] ** 3, rtol=1e-12)
    np.testing.assert_allclose(found.error.scale, x[:, 0] ** 3, rtol=1e-12)


def test_one_part_is_the_whole_layer(backend: Backend) -> None:
    x = inputs()
    found = ablation(product_net(backend), x[:, :1], "units", 0, segments=np.zeros(2, int))
    np.testing.assert_allclose(found.values, np.repeat(x[:, :1] ** 3, 2, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(found.error.values, 0)


# -- a naive twin --------------------------------------------------------------------------------------------------

CHANNELS, UNITS = np.arange(3)[:, None, None], np.arange(27).reshape(3, 3, 3)
PARTITIONS: dict[str, tuple[Any, np.ndarray]] = {
    "channels": ("channels", CHANNELS),
    "units": ("units", UNITS),
    "columns of the maps": (np.tile(7 * np.arange(3) - 2, (3, 1)), np.arange(3)),
    "each sample its own places": 2 * (np.random.default_rng(2).integers(0, 3, (3, 1, 3, 3)),),
    "each sample its own units": 2 * (np.random.default_rng(3).integers(0, 4, (3, 3, 3, 3)),),
}


def loop(
    twin: Twin, x: np.ndarray, layer: str, target: int, labels: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, float]:
    """The drop of each number's part, and that of all parts together."""
    own, drops = output(twin, x, layer), np.zeros(SHAPES[layer])
    whole = twin.run(x)[-1][target]
    for label in np.unique(labels):
        away = np.where(labels == label, start, own)
        drops[labels == label] = whole - scores_after(twin, x, layer, away)[target]
    return drops, whole - scores_after(twin, x, layer, start)[target]


@pytest.mark.parametrize(
    ("layer", "segments", "labels"),
    [
        ("first", "channels", CHANNELS),
        ("first", "units", np.arange(108).reshape(3, 6, 6)),
        *(("second", *each) for each in PARTITIONS.values()),
    ],
    ids=["first: channels", "first: units", *(f"second: {name}" for name in PARTITIONS)],
)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_what_a_loop_over_the_parts_gives(
    backend: Backend, spelling: str, layer: str, segments: Any, labels: np.ndarray
) -> None:
    x, model = pictures(3, shape=SHAPE).astype(np.float64) - 0.5, spelt_net(backend, spelling)
    start = np.random.default_rng(4).normal(size=SHAPES[layer])
    parts = np.broadcast_to(labels, (3, *SHAPES[layer]))
    made = [loop(Twin(model), *each, start) for each in zip(x, [layer] * 3, TARGETS, parts, strict=True)]
    found = ablation(model, x, layer, TARGETS, segments=segments, baseline=start)
    np.testing.assert_allclose(found.values, [drops for drops, _ in made], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.error.scale, [together for _, together in made], rtol=1e-10, atol=1e-13)
    sums = [
        sum(drops[where == label][0] for label in np.unique(where))
        for (drops, _), where in zip(made, parts, strict=True)
    ]
    np.testing.assert_allclose(found.error.values + found.error.scale, sums, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("of", ["logit", "probability", "log_probability", "loss"])
def test_what_falls_can_be_chosen(backend: Backend, of: str) -> None:
    x, model = pictures(2, shape=SHAPE).astype(np.float64) - 0.5, spelt_net(backend, "layers")
    twin = Twin(model)

    def number(scores: np.ndarray) -> float:
        log = scores[2] - np.log(np.exp(scores).sum())
        return {"logit": scores[2], "probability": np.exp(log), "log_probability": log, "loss": -log}[of]

    found = ablation(model, x, "second", 2, of=of)
    for sample, values in zip(x, found.values, strict=True):
        for channel in range(3):
            away = output(twin, sample, "second")
            away[channel] = 0
            drop = number(twin.run(sample)[-1]) - number(scores_after(twin, sample, "second", away))
            np.testing.assert_allclose(values[channel], drop, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("way", ["straight", "shortcut", "concatenation", "counted"])
@pytest.mark.parametrize("size", ["auto", 1, 3])
def test_it_is_exact_whatever_goes_round_the_layer(backend: Backend, way: str, size: int | str) -> None:
    model, x = around_net(backend, way), pictures(2, shape=(3, 5, 6)).astype(np.float64)
    own = tl.explain(model, x, "layer_activation", layer="conv2").values
    found = ablation(model, x, "conv2", [2, 0], baseline=0.3, batch_size=size)
    for i, target in enumerate([2, 0]):
        without = np.repeat(own[i : i + 1], 4, axis=0)
        without[range(4), range(4)] = 0.3
        drops = model.forward(x)[i, target] - scores_behind(model, x[i : i + 1], "conv2", without)[:, target]
        np.testing.assert_allclose(found.values[i], np.broadcast_to(drops[:, None, None], own.shape[1:]), rtol=1e-9)


@pytest.mark.parametrize("baseline", [0.0, 0.3])
def test_a_layer_at_the_input_is_feature_ablation(backend: Backend, baseline: float) -> None:
    nn, f = backend.nn, functional(backend)
    model = formula(
        backend,
        lambda net, x: net.head(f.relu(net.conv(net.entrance(x))).flatten(1)),
        entrance=nn.Identity(),
        conv=nn.Conv2d(2, 3, 3),
        head=nn.Linear(48, 4),
    )
    x, labels = pictures(3, shape=SHAPE), np.random.default_rng(0).integers(0, 5, (6, 6))
    found = ablation(model, x, "entrance", TARGETS, segments=labels, baseline=baseline)
    plain = tl.explain(model, x, "feature_ablation", TARGETS, segments=labels, baseline=baseline)
    np.testing.assert_allclose(found.values, np.broadcast_to(plain.values, x.shape), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found.error.values, plain.error.values, rtol=1e-10, atol=1e-13)
    assert found.evaluations == plain.evaluations


def test_tokens_are_parts_of_a_sequence(backend: Backend) -> None:
    model, x = token_net(backend), np.random.default_rng(0).normal(0, 1, (2, 4, 3))
    own = tl.explain(model, x, "layer_activation", layer="embed").values
    found, head = ablation(model, x, "embed"), model.state()["head.weight"][1]
    np.testing.assert_allclose(found.values, np.repeat((own**2 / 4 @ head)[..., None], 5, axis=2), rtol=1e-11)


def test_what_the_network_takes_of_the_first_of_a_batch_is_each_outputs_own(backend: Backend) -> None:
    """One sample counts as one: its last token alone would be added to the means of all changed outputs."""
    layers = {"embed": linear(backend, 3, 5), "head": linear(backend, 5, 2)}

    def forward(net: Any, x: Any) -> Any:
        y = net.embed(x)
        return net.head(y.mean(1) + y[: x.shape[0], 3] ** 2)

    model = randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))
    x = np.random.default_rng(0).normal(0, 1, (2, 4, 3))
    own = tl.explain(model, x, "layer_activation", layer="embed").values
    terms = own / 4
    terms[:, 3] += own[:, 3] ** 2
    drops = (terms @ model.state()["head.weight"][1])[..., None]
    for segments in ("channels", np.arange(4)[:, None] + np.zeros(5, int)):
        found = ablation(model, x, "embed", segments=segments)
        np.testing.assert_allclose(found.values, np.repeat(drops, 5, axis=2), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("batch_size", ["auto", 1])
def test_the_network_goes_on_in_the_layers_own_type(backend: Backend, dtype: str, batch_size: int | str) -> None:
    """Which need not be that of the input; the values are of the input's."""
    seen: list[str] = []

    def forward(net: Any, x: Any) -> Any:
        y = net.units(net.hidden(x))
        seen.append(backend.dtype(y))
        return backend.asarray(y, "float32") @ backend.asarray(READOUT.astype(np.float32))

    layers = {"hidden": linear(backend, 6, 4), "units": step(backend, lambda y: backend.asarray(y, dtype))}
    model, x = randomise(tl.wrap(native(backend, layers, forward), dtype="float32")), inputs().astype(np.float32)
    own = tl.explain(model, x, "layer_activation", layer="units").values.astype(np.float64)
    found = ablation(model, x, "units", batch_size=batch_size)
    assert set(seen) == {dtype}
    assert found.values.dtype == np.float32
    # Differences of scores of some 1 in single precision.
    np.testing.assert_allclose(found.values, own * READOUT[:, 1], atol=2e-6)


def overwriting_net(backend: Backend) -> tl.Model:
    """``units`` hands on what a ReLU in place then changes where it is negative."""

    def forward(net: Any, x: Any) -> Any:
        y = x * 1
        same = net.units(y)
        relu_(backend, y)
        return net.head(same)

    layers = {"units": step(backend, lambda y: y), "head": linear(backend, 6, 3)}
    return randomise(tl.wrap(native(backend, layers, forward), dtype="float64"))


def test_an_output_that_is_overwritten_is_found_in_inference_mode_too() -> None:
    """Where torch does not count what is written, and the first sample shows nothing."""
    x = np.abs(inputs())
    x[1] *= -1
    with torch.inference_mode(), pytest.raises(tl.errors.LayerError, match="overwrites one of them"):
        ablation(overwriting_net(need("torch")), x, "units")


# -- runs and memory -----------------------------------------------------------------------------------------------


def test_a_part_at_its_baseline_takes_no_run(backend: Backend) -> None:
    """Units that a rectifier has switched off: exactly 0, and not a matter of rounding."""
    model, x = small_net(backend), pictures(3)
    own = tl.explain(model, x, "layer_activation", layer="2").values
    found = ablation(model, x, "2", segments="units")
    assert (own == 0).any()
    np.testing.assert_array_equal(found.values[own == 0], 0)
    assert found.evaluations == (own != 0).sum() + 3


def test_the_network_before_the_layer_runs_once_per_sample_and_chunk(backend: Backend) -> None:
    """And twice more for the scores, and to see that the layer's output is its own."""
    model, x, rows = around_net(backend, "straight"), pictures(2, shape=(3, 5, 6)).astype(np.float64), []
    ablation(model, x, "conv2")
    with model.hook("conv1", pre=lambda _layer, given: rows.append(backend.shape(given[0])[0])):
        ablation(model, x, "conv2")
        assert sum(rows) == 2 + 2
        rows.clear()
        ablation(model, x, "conv2", batch_size=2)
        assert sum(rows) == 2 + 2 * 3


def test_no_more_outputs_run_at_once_than_the_batch_size_and_two_to_compare_with(backend: Backend) -> None:
    model, x, rows = small_net(backend), pictures(1), []
    with model.hook("6", pre=lambda _layer, given: rows.append(backend.shape(given[0])[0])):
        ablation(model, x, "4", segments="units", batch_size=5)
    assert max(rows) == 5 + 2
    assert len(rows) > 10


def test_what_is_tried_out_on_the_network_keeps_to_the_batch_size(backend: Backend) -> None:
    """Positive numbers: what overwrites them has to be looked for in more than the first sample."""
    model, rows = overwriting_net(backend), []
    handle = backend.on_enter(model.layer("head"), lambda _layer, given: rows.append(backend.shape(given[0])[0]))
    try:
        with pytest.raises(tl.errors.LayerError, match="overwrites one of them"):
            ablation(model, np.abs(inputs(7)), "units", batch_size=3)
    finally:
        handle.remove()
    assert max(rows) == 3


@pytest.mark.parametrize("first", [1, 2, 3, 4, 7])
def test_the_network_comes_back_as_it_was_when_it_fails_from_some_run_on(backend: Backend, first: int) -> None:
    model, runs = lived_in(backend, "layer_feature_ablation"), 0
    ablation(model, pictures(2), "2", batch_size=1)

    def fail(_layer: Any, _inputs: Any) -> None:
        nonlocal runs
        runs += 1
        if runs >= first:
            raise KeyError("the user's own error")

    handle = backend.on_enter(backend.modules(model.net)["9"], fail)
    before = snapshot(model)
    try:
        with pytest.raises(KeyError, match="the user's own error"):
            ablation(model, pictures(2), "2", batch_size=1)
    finally:
        assert snapshot(model) == before
        handle.remove()


# -- what does not fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [None, "slic", "channel", ["channels"]])
def test_segments_that_are_not_known_are_named(backend: Backend, segments: Any) -> None:
    named = re.escape(f"segments={segments!r} is not known. Choose channels or units")
    with pytest.raises(tl.errors.MethodError, match=named):
        ablation(small_net(backend), pictures(2), "4", segments=segments)


@pytest.mark.parametrize("params", [{"segments": np.zeros((5, 5), int)}, {"baseline": np.zeros((8, 5, 5))}])
def test_what_does_not_fit_the_layers_output_is_named(backend: Backend, params: dict[str, Any]) -> None:
    with pytest.raises(tl.errors.InputError, match=r"At layer '4', .* shape|At layer '4', .* does not fit") as caught:
        ablation(small_net(backend), pictures(2), "4", **params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "params", [{"segments": np.zeros((4, 4))}, {"baseline": "black"}, {"baseline": np.nan}, {"batch_size": 0}]
)
def test_bad_parameters_are_named(backend: Backend, params: dict[str, Any]) -> None:
    with pytest.raises(tl.errors.InputError):
        ablation(small_net(backend), pictures(2), "4", **params)


def test_maps_with_their_channels_last_have_no_channels_on_the_second_axis(backend: Backend) -> None:
    nn = backend.nn

    def forward(net: Any, x: Any) -> Any:
        y = backend.permute(net.conv(x), (0, 2, 3, 1))
        return backend.sum(net.mix(y), (1, 2))

    model = formula(backend, forward, conv=nn.Conv2d(3, 4, 3, padding=1), mix=nn.Linear(4, 5))
    for segments in ("channels", np.zeros((8, 5), int), np.zeros((2, 1, 8, 5), int)):
        with pytest.raises(tl.errors.LayerError, match="channels seem to come last"):
            ablation(model, pictures(2), "mix", segments=segments)
    labels = np.broadcast_to(np.arange(5), (8, 8, 5))
    found = ablation(model, pictures(2), "mix", segments=labels)
    own = tl.explain(model, pictures(2), "layer_activation", layer="mix").values
    expected = np.zeros_like(own)
    expected[..., 1] = own[..., 1].sum((1, 2))[:, None, None]
    np.testing.assert_allclose(found.values, expected, rtol=1e-11, atol=1e-12)


def test_scores_that_are_not_finite_without_a_part_are_named(backend: Backend) -> None:
    """The weights and the input are sound: what was put there is not."""
    model = hidden_net(backend, power=-1)
    with pytest.raises(tl.errors.NonFiniteError, match=r"With another output of layer 'hidden': .* another baseline"):
        ablation(model, inputs(), "hidden")
    ablation(model, inputs(), "hidden", baseline=1.0)
