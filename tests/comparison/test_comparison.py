"""Two networks, two methods or two saved results: what is measured between them, and what is said of it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.comparison import memory
from twinlens.comparison.comparison import compare
from twinlens.comparison.measures import MEASURES, Threshold
from twinlens.comparison.memory import PeakMemory
from twinlens.comparison.pair import paired
from twinlens.errors import ConfigError, DataError, InputError, MethodError, NonFiniteError
from twinlens.tasks.output import plain

from ..nets import linear_net, pictures, pooled_net, small_net


def explained(backend: Backend, method: str = "saliency", seed: int = 0, **params: Any) -> tl.Explanation:
    return tl.explain(pooled_net(backend, seed), pictures(3), method, 1, **params)


# -- two networks ----------------------------------------------------------------------------------------------------


def test_the_same_weights_agree_on_both_frameworks_in_double_precision(both: tuple[Backend, Backend]) -> None:
    found = compare(
        *(small_net(b) for b in both), pictures(3), ["saliency", "integrated_gradients", "gradcam", "lime"],
        dtype="float64", steps=4, samples=12, segments="grid", segment_options={"cells": 2},
    )  # fmt: skip
    assert [pair.name for pair in found.pairs] == ["saliency", "integrated_gradients", "gradcam", "lime"]
    assert found.names == ("Sequential on torch", "Sequential on paddle")
    worst = found.worst()
    assert max(worst[m] for m in ("relative_l2", "score_difference", "probability_difference")) < 1e-10
    assert min(worst[m] for m in ("cosine", "top_k", "same_prediction", "ssim")) == pytest.approx(1)
    assert found.check(relative_l2=1e-10, cosine=1 - 1e-12, same_prediction=1) == []


def test_two_different_networks_do_not_agree(backend: Backend) -> None:
    found = compare(small_net(backend), small_net(backend, seed=1), pictures(2), "saliency")
    failures = found.check(relative_l2=0.1, cosine=0.9, ssim=0.9)
    assert [failure.threshold.measure for failure in failures] == ["relative_l2", "cosine", "ssim"]


def test_the_measures_are_those_of_the_explanations_and_scores(backend: Backend) -> None:
    first, second, x = small_net(backend), small_net(backend, seed=3), pictures(4)
    (pair,) = compare(first, second, x, "saliency", 2, top=0.2).pairs
    maps = [tl.explain(model, x, "saliency", 2).values for model in (first, second)]
    expected = tl.agreement(*maps, top=0.2, ssim=True)
    for name in ("max_abs", "relative_l2", "cosine", "spearman", "top_k", "sign", "ssim"):
        np.testing.assert_array_equal(pair.measures[name], getattr(expected, name))
    scores = [model.forward(x).astype(np.float64) for model in (first, second)]
    chances = [model.probabilities(x) for model in (first, second)]
    np.testing.assert_allclose(pair.measures["score_difference"], np.abs(scores[0] - scores[1]).max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(
        pair.measures["probability_difference"], np.abs(chances[0] - chances[1]).max(axis=1), rtol=1e-4
    )
    same = first.predict(x) == second.predict(x)
    np.testing.assert_array_equal(pair.measures["same_prediction"], same)
    assert pair.worst()["cosine"] == expected.cosine.min()
    assert pair.mean()["cosine"] == pytest.approx(expected.cosine.mean())


def test_both_explain_the_class_that_a_predicts_and_a_different_prediction_is_said(backend: Backend) -> None:
    first = linear_net(backend, np.array([[1.0, 0.0], [0.0, 0.9]]))
    second = linear_net(backend, np.array([[1.0, 0.0], [0.0, 1.1]]))
    (pair,) = compare(first, second, np.array([[1.0, 1.0], [1.0, 0.5]]), "saliency").pairs
    assert pair.first.target.tolist() == pair.second.target.tolist() == [0, 0]
    assert pair.measures["same_prediction"].tolist() == [0, 1]
    np.testing.assert_allclose(pair.measures["score_difference"], [0.2, 0.1])
    np.testing.assert_array_equal(pair.measures["relative_l2"], 0)
    assert pair.measures["ssim"] is None


def test_networks_with_other_classes_are_compared_without_their_scores(backend: Backend) -> None:
    first, second = (linear_net(backend, np.arange(1.0, 2 * n + 1).reshape(n, 2)) for n in (2, 3))
    (pair,) = compare(first, second, np.ones((1, 2)), "saliency", 1).pairs
    assert pair.measures["same_prediction"] is None
    assert pair.worst()["score_difference"] is None
    assert pair.measures["max_abs"][0] == 0
    assert any("scores have shape (1, 2), B's (1, 3)" in note for note in pair.notes)


def test_methods_without_a_target_and_layers_are_compared_too(backend: Backend) -> None:
    found = compare(
        small_net(backend), small_net(backend), pictures(2), ["layer_activation", "saliency"], target=0, layer="4"
    )
    assert [pair.first.target is None for pair in found.pairs] == [True, False]
    assert found.worst()["max_abs"] == 0


def test_native_networks_are_wrapped(backend: Backend) -> None:
    net = small_net(backend).net
    assert compare(net, net, pictures(1), "saliency").worst()["max_abs"] == 0


def test_the_networks_and_the_inputs_come_back_as_they_were(both: tuple[Backend, Backend]) -> None:
    models, x = [small_net(b) for b in both], pictures(2)
    states, before = [model.state() for model in models], x.copy()
    for model in models:
        model.net.train()
    compare(*models, x, ["saliency", "guided_backprop"])
    with pytest.raises(MethodError):
        compare(*models, x, ["saliency", "exact_shapley"], segments=None)
    np.testing.assert_array_equal(x, before)
    for model, state in zip(models, states, strict=True):
        assert model.net.training
        assert model.dtype == "float32"
        for name, array in model.state().items():
            np.testing.assert_array_equal(array, state[name])


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"method": "salience"}, MethodError, "Did you mean 'saliency'"),
        ({"method": []}, InputError, "no method"),
        ({"method": "saliency", "step": 3}, MethodError, "No chosen method has a parameter 'step'"),
        ({"method": "saliency", "against": "lim"}, MethodError, "Did you mean 'lime'"),
        ({"x": None}, InputError, "no input"),
        ({"x": np.full((1, 3, 8, 8), np.nan)}, InputError, "NaN"),
        ({"dtype": "float16"}, InputError, "float64"),
        ({"top": 0}, InputError, "top=0"),
        ({"b": "saved.npz"}, InputError, "cannot be compared"),
        ({"target": 77}, tl.errors.TargetError, "77"),
    ],
)
def test_what_cannot_be_compared_is_said(
    backend: Backend, arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    call = {"b": small_net(backend), "x": pictures(1), "method": "saliency"} | arguments
    with pytest.raises(error, match=said):
        compare(small_net(backend), **call)


# -- two methods -----------------------------------------------------------------------------------------------------


def test_two_methods_are_compared_on_one_scale_and_one_channel(backend: Backend) -> None:
    model = pooled_net(backend)
    (pair,) = compare(model, model, pictures(2), "integrated_gradients", against="gradcam", steps=3).pairs
    assert pair.name == "integrated_gradients / gradcam"
    assert (pair.first.method, pair.second.method) == ("integrated_gradients", "gradcam")
    assert "steps" in pair.first.params
    summed = pair.first.values.astype(np.float64).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pair.values[0], summed / np.abs(summed).max(axis=(1, 2, 3), keepdims=True), rtol=1e-6)
    assert [np.abs(values).max() for values in pair.values] == [1, 1]
    assert any("channels are summed" in note for note in pair.notes)
    assert any("units of two methods differ" in note for note in pair.notes)
    assert pair.measures["score_difference"].max() == 0


# -- saved results ---------------------------------------------------------------------------------------------------


def test_objects_and_files_give_the_same_comparison(backend: Backend, tmp_path: Path) -> None:
    a, b = explained(backend), explained(backend, seed=1)
    files = [a.save(tmp_path / "a.npz"), str(b.save(tmp_path / "b.npz"))]
    (one,), (other,) = compare(a, b).pairs, compare(*files).pairs
    for name in MEASURES:
        np.testing.assert_array_equal(one.measures[name], other.measures[name])
    assert one.name == "saliency"
    assert one.memory == (None, None)
    assert one.notes == other.notes == ()
    assert compare(*files).names == tuple(map(str, files))


def test_what_differs_beside_the_values_is_noted(backend: Backend) -> None:
    a = explained(backend, "integrated_gradients", steps=3)
    b = tl.explain(pooled_net(backend), pictures(3, seed=5), "integrated_gradients", [1, 2, 1], steps=4)
    notes = " ".join(compare(a, b).pairs[0].notes)
    assert "The inputs differ by up to" in notes
    assert "different classes in 1 of 3 samples" in notes
    assert "'steps' differs" in notes


def test_lists_of_arrays_among_the_parameters_are_compared_number_by_number(backend: Backend, tmp_path: Path) -> None:
    def against(*levels: float) -> tl.Explanation:
        return explained(backend, "integrated_gradients", baseline=[np.full((3, 8, 8), level) for level in levels])

    one, same, other = against(0, 1), against(0, 1), against(0, 2)
    assert compare(one, same).pairs[0].notes == ()
    assert compare(one.save(tmp_path / "one.npz"), same).pairs[0].notes == ()
    assert "'baseline' differs" in " ".join(compare(one, other).pairs[0].notes)


def test_zero_maps_agree_with_each_other_and_with_nothing_else(backend: Backend) -> None:
    some = explained(backend)
    zero = replace(some, values=np.zeros_like(some.values))
    worst = compare(zero, zero).worst()
    assert all(worst[name] == measure.best for name, measure in MEASURES.items())
    against = compare(some, zero).worst()
    assert against["relative_l2"] == np.inf
    assert (against["cosine"], against["top_k"]) == (0, 0)
    assert plain(against)["relative_l2"] == "inf"
    assert compare(some, zero).check(relative_l2=1e300)


def test_nan_is_refused_and_its_side_named(backend: Backend) -> None:
    some = explained(backend)
    holed = some.values.copy()
    holed[0, 0, 0, :2] = np.nan, np.inf
    with pytest.raises(NonFiniteError, match=f"2 of {holed.size} values of B .* on {backend.name}"):
        compare(some, replace(some, values=holed))


def test_scores_with_nan_are_not_compared_and_fail_a_limit_on_them(backend: Backend) -> None:
    some = explained(backend)
    found = compare(some, replace(some, scores=np.full_like(some.scores, np.nan)))
    assert found.worst()["score_difference"] is None
    assert [str(f) for f in found.check(score_difference=1, cosine=0.9)] == [
        "saliency: score_difference: not measured for this pair"
    ]


def test_other_shapes_are_refused(backend: Backend) -> None:
    a, b = explained(backend), tl.explain(pooled_net(backend), pictures(2), "saliency", 1)
    with pytest.raises(InputError, match=r"A has values of shape \(3, 3, 8, 8\), B of \(2, 3, 8, 8\)"):
        compare(a, b)


def test_saved_results_take_no_parameters(backend: Backend) -> None:
    a = explained(backend)
    for given in ({"x": pictures(1)}, {"target": 1}, {"steps": 3}, {"dtype": "float64"}, {"against": "lime"}):
        with pytest.raises(InputError, match="as they are"):
            compare(a, a, **given)


def test_runs_are_matched_by_file_name_and_then_across_the_frameworks(backend: Backend, tmp_path: Path) -> None:
    some, other = explained(backend), explained(backend, "input_x_gradient")
    shorter = tl.explain(pooled_net(backend), pictures(2), "saliency", 1)
    for folder, names in {
        "one": {"saliency_torch": some, "gone": some, "short": some, "x": other},
        "two": {"saliency_paddle": some, "new": some, "short": shorter, "x": other},
    }.items():
        for name, explanation in names.items():
            explanation.save(tmp_path / folder / "explanations" / f"{name}.npz")
    found = compare(tmp_path / "one", tmp_path / "two")
    assert {pair.name for pair in found.pairs} == {"saliency_torch / saliency_paddle", "x"}
    assert set(found.missing) == {"gone", "new", "short"}
    assert "missing in" in found.missing["gone"]
    assert str(tmp_path / "two") in found.missing["gone"]
    assert "(2, 3, 8, 8)" in found.missing["short"]
    assert {failure.pair for failure in found.check(cosine=0.5)} == {"gone", "new", "short"}
    assert found.check() == []


def test_names_that_fit_two_files_are_not_matched_by_guessing(backend: Backend, tmp_path: Path) -> None:
    some = explained(backend)
    for name in ("one/s_torch", "one/s_paddle", "one/t", "two/s", "two/t"):
        some.save(tmp_path / f"{name}.npz")
    found = compare(tmp_path / "one", tmp_path / "two")
    assert [pair.name for pair in found.pairs] == ["t"]
    assert set(found.missing) == {"s_torch", "s_paddle", "s"}


def test_files_and_folders_that_cannot_be_compared_are_said(backend: Backend, tmp_path: Path) -> None:
    some = explained(backend)
    some.save(tmp_path / "one" / "a.npz")
    some.save(tmp_path / "two" / "b.npz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_bytes(b"not an explanation")
    with pytest.raises(DataError, match=r"Nothing in .* a: missing in"):
        compare(tmp_path / "one", tmp_path / "two")
    with pytest.raises(DataError, match="no explanations in"):
        compare(tmp_path / "one", tmp_path / "empty")
    with pytest.raises(DataError, match="no file"):
        compare(tmp_path / "none.npz", some)
    with pytest.raises(DataError, match="not a saved explanation"):
        compare(some, tmp_path / "text.npz")
    with pytest.raises(InputError, match="is a folder, the other is not"):
        compare(some, tmp_path / "one")


# -- limits ----------------------------------------------------------------------------------------------------------


def test_a_failure_names_pair_limit_value_and_sample(backend: Backend) -> None:
    some = explained(backend)
    changed = some.values.copy()
    changed[1] *= -1
    (failure,) = compare(some, replace(some, values=changed)).check(cosine=0.5)
    assert (failure.pair, failure.sample) == ("saliency", 1)
    assert failure.value == pytest.approx(-1)
    assert str(failure) == "saliency: cosine < 0.5: -1 (sample 1)"


def test_a_limit_holds_of_every_sample_in_either_direction(backend: Backend) -> None:
    some = explained(backend)
    found = compare(some, some)
    assert found.failures([Threshold.parse("cosine<0.99")]) == []
    assert found.failures([Threshold.parse("relative_l2 > 0")]) == []
    assert len(found.failures([Threshold.parse("relative_l2>=0")])) == 1
    # To make sure that two networks do differ.
    assert len(found.failures([Threshold.parse("cosine>0.5")])) == 1
    assert found.failures([Threshold.parse("same_prediction<=0.5")]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relative_l2", "in quotes"),
        ("relative_l2=1", "in quotes"),
        ("relative_l2>", "in quotes"),
        ("relativ_l2>1e-4", "Did you mean 'relative_l2'"),
        ("cosine<high", "'high'"),
        ("cosine<nan", "finite"),
        ("", "in quotes"),
    ],
)
def test_a_limit_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Threshold.parse(text)


def test_check_refuses_unknown_measures_and_limits(backend: Backend) -> None:
    some = explained(backend)
    found = compare(some, some)
    with pytest.raises(ConfigError, match="Did you mean 'cosine'"):
        found.check(cosin=0.9)
    for wrong in (float("nan"), "0.9", None, True):
        with pytest.raises(ConfigError, match="finite number"):
            found.check(cosine=wrong)


# -- what is reported ------------------------------------------------------------------------------------------------


def test_the_numbers_survive_json(both: tuple[Backend, Backend]) -> None:
    found = compare(*(small_net(b) for b in both), pictures(2), ["saliency", "smoothgrad"], samples=2)
    numbers = json.loads(json.dumps(plain(found.numbers()), allow_nan=False))
    assert (numbers["a"], numbers["b"]) == ("Sequential on torch", "Sequential on paddle")
    for told, pair in zip(numbers["pairs"], found.pairs, strict=True):
        assert told["worst"] == pair.worst()
        assert told["per_sample"]["cosine"] == pair.measures["cosine"].tolist()
        assert told["a"]["seconds"] == pair.first.seconds > 0
        assert told["a"]["target"] == pair.first.target.tolist()
    assert numbers["pairs"][1]["b"]["params"]["samples"] == 2
    assert "relative L2" in str(found)


def test_arrays_among_the_parameters_are_named_by_their_shape(backend: Backend) -> None:
    found = compare(
        small_net(backend), small_net(backend), pictures(1), "expected_gradients", background=pictures(2), samples=2
    )
    assert found.numbers()["pairs"][0]["a"]["params"]["background"] == "array of shape (2, 3, 8, 8)"
    assert found.pairs[0].notes == ()


@pytest.mark.parametrize("resets", [True, False])
def test_memory_is_the_growth_at_the_peak(resets: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not resets:
        monkeypatch.setattr(memory, "_RESET", tmp_path / "none" / "clear_refs")
    with PeakMemory() as peak:
        held = np.ones(32 * 2**17)
        time.sleep(0.2)  # long enough for a sample, on a machine that is busy with other things
        del held
    if peak.mib is None:
        pytest.skip("resident memory is not known here")
    assert 30 < peak.mib < 60
    with PeakMemory() as nothing:
        pass
    assert nothing.mib < 10


def test_a_short_peak_is_seen_after_a_higher_one() -> None:
    np.ones(64 * 2**17)
    with PeakMemory() as peak:
        np.ones(32 * 2**17)
    if peak.mib is None or not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("the kernel's own peak of resident memory cannot be set back here")
    assert 30 < peak.mib < 60


def test_memory_is_freed_before_it_is_measured_again() -> None:
    grown = []
    for _ in range(2):
        with PeakMemory() as peak:
            # Small pieces stay with the C library when they are freed.
            held = [np.ones(2**12) for _ in range(1000)]
            time.sleep(0.2)  # long enough to be seen on a machine that is busy with other things
            del held
        grown.append(peak.mib)
    if None in grown:
        pytest.skip("resident memory is not known here")
    assert all(25 < mib < 60 for mib in grown)


def test_memory_that_cannot_be_measured_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    with PeakMemory() as peak:
        pass
    assert peak.mib is None


def test_a_failing_block_ends_the_measurement() -> None:
    with pytest.raises(ValueError, match="inside"), PeakMemory() as peak:
        raise ValueError("inside")
    assert not peak._sampler.is_alive()


def test_an_explanation_may_hold_other_numbers_of_samples_than_its_inputs(backend: Backend) -> None:
    made = tl.explain(small_net(backend), pictures(1), "filter_visualisation", layer="4", steps=2)
    pair = paired("filters", made, made)
    assert pair.worst()["max_abs"] == 0
