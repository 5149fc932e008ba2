"""Layers are paired by name, else by structure, and doubts are said aloud."""

from __future__ import annotations

import numpy as np

import twinlens as tl
from twinlens.backends import Backend
from twinlens.comparison.matching import match_layers

from ..frameworks import need
from ..nets import small_net
from .named_nets import in_turn, layer, named_net, rows


def pairs(matching: object) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in matching.pairs]  # type: ignore[attr-defined]


def test_equal_names_are_paired_by_name_with_their_kinds(both: tuple[Backend, Backend]) -> None:
    matching = match_layers(small_net(both[0]), small_net(both[1]))
    assert matching.how == "name"
    assert pairs(matching) == [(str(i), str(i)) for i in range(10)]
    kinds = ["conv2d", "batch_norm", "relu", "max_pool2d"] * 2 + ["flatten", "linear"]
    assert [pair.kind for pair in matching.pairs] == kinds
    assert matching.ambiguous == matching.only_first == matching.only_second == ()


def test_other_names_are_paired_by_kind_and_shapes(both: tuple[Backend, Backend]) -> None:
    first = named_net(both[0], {"c1": ("conv", 3, 4, 3), "flat": ("Flatten",), "fc": ("Linear", 16, 2)}, CONV)
    layers = {"head": ("Linear", 16, 2), "conv_first": ("conv", 3, 4, 3), "flatten": ("Flatten",)}
    second = named_net(both[1], layers, in_turn("conv_first", "flatten", "head"))
    for x in (None, rows(2, 3, 4, 4)):
        matching = match_layers(first, second, x)
        assert matching.how == "structure"
        assert {("c1", "conv_first"), ("fc", "head")} <= set(pairs(matching))
        assert matching.ambiguous == ()
    assert pairs(matching) == [("c1", "conv_first"), ("flat", "flatten"), ("fc", "head")]


CONV = in_turn("c1", "flat", "fc")


def test_the_order_of_execution_counts_for_more_than_that_of_definition(backend: Backend) -> None:
    first = named_net(backend, {"a": ("Linear", 4, 4), "b": ("Linear", 4, 4)}, in_turn("a", "b"))
    second = named_net(backend, {"late": ("Linear", 4, 4), "early": ("Linear", 4, 4)}, in_turn("early", "late"))
    for x in (rows(2, 4), None):
        matching = match_layers(first, second, x)
        assert pairs(matching) == [("a", "early"), ("b", "late")]
        assert matching.ambiguous == ()


def test_layers_that_nothing_tells_apart_are_reported(backend: Backend) -> None:
    # Two branches that are added: either pairing gives the same network.
    first = named_net(backend, {"a": ("Linear", 4, 4), "b": ("Linear", 4, 4)}, lambda net, x: net.a(x) + net.b(x))
    second = named_net(backend, {"c": ("Linear", 4, 4), "d": ("Linear", 4, 4)}, lambda net, x: net.d(x) + net.c(x))
    matching = match_layers(first, second, rows(2, 4))
    assert matching.ambiguous == ((("a", "b"), ("c", "d")),)
    assert len(matching.pairs) == 2


def test_without_a_run_the_order_of_definition_alone_proves_nothing(backend: Backend) -> None:
    # Two inputs: no run can be made up.
    first = named_net(backend, {"a": ("Linear", 4, 4), "b": ("Linear", 4, 4)}, lambda net, x: net.a(x[0]) + net.b(x[1]))
    second = named_net(backend, {"c": ("Linear", 4, 4), "d": ("Linear", 4, 4)}, lambda net, x: net.c(x, net.d))
    matching = match_layers(first, second)
    assert matching.ambiguous == ((("a", "b"), ("c", "d")),)


def test_branches_in_another_order_are_told_apart_by_an_experiment(backend: Backend) -> None:
    # Defined and run in another order than their counterparts, but minus is no plus.
    layers = {"a": ("Linear", 4, 4), "b": ("Linear", 4, 4)}
    first = named_net(backend, layers, lambda net, x: net.a(x) - net.b(x))

    def second_first(net: object, x: object) -> object:
        taken = net.subtracted(x)  # type: ignore[attr-defined]
        return net.kept(x) - taken  # type: ignore[attr-defined]

    second = named_net(backend, {"kept": ("Linear", 4, 4), "subtracted": ("Linear", 4, 4)}, second_first)
    matching = match_layers(first, second, rows(2, 4))
    assert set(pairs(matching)) == {("a", "kept"), ("b", "subtracted")}
    assert matching.ambiguous == ()


def test_a_missing_layer_is_named_and_the_rest_is_paired(backend: Backend) -> None:
    names = ("a", "b", "c")
    first = named_net(backend, {"a": ("Linear", 4, 5), "b": ("Linear", 5, 6), "c": ("Linear", 6, 2)}, in_turn(*names))
    second = named_net(backend, {"x": ("Linear", 4, 5), "z": ("Linear", 6, 2)}, in_turn("x"))
    matching = match_layers(first, second)
    assert pairs(matching) == [("a", "x"), ("c", "z")]
    assert (matching.only_first, matching.only_second) == (("b",), ())
    back = match_layers(second, first)
    assert (back.only_first, back.only_second) == ((), ("b",))


def test_plain_layers_are_paired_between_neighbours_only_where_there_is_one_of_a_kind(backend: Backend) -> None:
    mine = {"a": ("Linear", 4, 5), "r": ("ReLU",), "s": ("Sigmoid",), "b": ("Linear", 5, 2), "q": ("ReLU",)}
    theirs = {"x": ("Linear", 4, 5), "u": ("Sigmoid",), "v": ("ReLU",), "y": ("Linear", 5, 2), "w": ("ReLU",)}
    theirs |= {"z": ("ReLU",)}
    first = named_net(backend, mine, in_turn("a", "r", "s", "b", "q"))
    second = named_net(backend, theirs, in_turn("x", "u", "v", "y", "w", "z"))
    assert pairs(match_layers(first, second, rows(2, 4))) == [("a", "x"), ("r", "v"), ("s", "u"), ("b", "y")]


def test_layers_of_other_kinds_are_no_pair(backend: Backend) -> None:
    first = named_net(backend, {"n": ("LayerNorm", 4)}, in_turn("n"))
    second = named_net(backend, {"n": ("GroupNorm", 2, 4)}, in_turn("n"))
    matching = match_layers(first, second)
    assert matching.pairs == ()
    assert (matching.only_first, matching.only_second) == (("n",), ("n",))


def test_an_attention_layer_is_one_layer_on_both_frameworks() -> None:
    nets = [tl.wrap(layer(need(name), "TransformerEncoderLayer", 8, 2, 16)) for name in ("torch", "paddle")]
    matching = match_layers(*nets)
    assert matching.how == "name"
    assert {"self_attn", "linear1", "norm1", "dropout"} <= {pair.first for pair in matching.pairs}
    assert all(pair.first == pair.second and "proj" not in pair.first for pair in matching.pairs)


def test_the_networks_come_back_as_they_were(backend: Backend) -> None:
    models = [
        named_net(
            backend,
            {
                "a": ("Linear", 4, 4),
                "n": ("BatchNorm1d" if backend.name == "torch" else "BatchNorm1D", 4),
                "b": ("Linear", 4, 4),
            },
            in_turn("a", "n", "b"),
        ),
        named_net(
            backend,
            {
                "d": ("Linear", 4, 4),
                "m": ("BatchNorm1d" if backend.name == "torch" else "BatchNorm1D", 4),
                "c": ("Linear", 4, 4),
            },
            in_turn("c", "m", "d"),
        ),
    ]
    before = [model.state() for model in models]
    for model in models:
        model.net.train()
    match_layers(*models, rows(3, 4))
    for model, state in zip(models, before, strict=True):
        assert model.net.training
        assert all(np.array_equal(array, model.state()[name]) for name, array in state.items())
        hooks = (
            [*model.net._forward_hooks.values()]
            if backend.name == "torch"
            else [*model.net._forward_post_hooks.values()]
        )
        assert hooks == []
