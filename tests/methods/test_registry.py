"""The table of methods is complete, and wrong names are answered with the right one."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend
from twinlens.methods.registry import get_method, methods, register

from ..nets import pictures, small_net
from .calls import CALLS

NAMES = sorted(methods())


def test_every_method_has_a_call_in_the_tests_of_all() -> None:
    assert sorted(CALLS) == NAMES


def test_the_methods_are_there_by_name() -> None:
    assert len(methods()) >= 45
    assert all(name == method.name for name, method in methods().items())


def test_the_table_goes_from_family_to_family_and_each_by_name() -> None:
    found = {family: list(group) for family, group in itertools.groupby(methods().values(), lambda one: one.family)}
    assert list(found) == ["gradients", "backpropagation", "cams", "attention", "perturbation", "layers"]
    assert sum(map(len, found.values())) == len(methods())
    for group in found.values():
        assert [method.name for method in group] == sorted(method.name for method in group)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_its_place_in_the_taxonomy(name: str) -> None:
    method = get_method(name)
    assert method.family in ("gradients", "backpropagation", "cams", "attention", "perturbation", "layers")
    assert any(year in method.paper for year in map(str, range(2009, 2030)))
    assert method.needs in ("gradient", "activations", "scores")
    assert method.time in ("intrinsic", "post hoc")
    assert method.access in ("model-specific", "model-agnostic")
    assert method.scope in ("local", "global")
    assert method.error
    assert method.summary.endswith((".", ":")) or "`" in method.summary
    # What needs nothing but scores sees a black box, which is what model-agnostic means.
    assert (method.needs == "scores") == (method.access == "model-agnostic")


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_documented(name: str) -> None:
    method = get_method(name)
    text = inspect.getdoc(method.function) or ""
    for parameter in method.defaults:
        assert f"\n{parameter} : " in text, f"{name}: {parameter}"


def test_parameters_mean_the_same_in_all_methods() -> None:
    shared = {
        "target", "steps", "samples", "baseline", "sigma", "layer", "window", "stride", "segments", "background",
        "of", "seed", "batch_size", "tolerance", "max_evaluations", "max_seconds",
    }  # fmt: skip
    defaults: dict[str, set[str]] = {}
    for method in methods().values():
        for parameter, default in method.defaults.items():
            if parameter in shared and default is not inspect.Parameter.empty:
                defaults.setdefault(parameter, set()).add(type(default).__name__)
    # None beside a type means "left out", a tuple several; two other types under one name would be two meanings.
    assert {name: kinds for name, kinds in defaults.items() if len(kinds - {"NoneType", "tuple"}) > 1} == {}


def test_a_misspelt_method_is_answered_with_the_right_one(backend: Backend) -> None:
    with pytest.raises(tl.errors.MethodError, match=r"'integrated_gradient'.*Did you mean 'integrated_gradients'"):
        tl.explain(small_net(backend), pictures(1), "integrated_gradient")
    with pytest.raises(tl.errors.MethodError, match=r"Choose one of: .*gradcam"):
        tl.explain(small_net(backend), pictures(1), "zzz")
    for wrong in (None, 3, ["saliency"]):
        with pytest.raises(tl.errors.MethodError, match="no method"):
            tl.explain(small_net(backend), pictures(1), wrong)


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_parameter_is_answered_with_the_right_one(backend: Backend, name: str) -> None:
    parameter = next(iter(get_method(name).defaults))
    with pytest.raises(tl.errors.MethodError, match=f"no parameter '{parameter}x'.*Did you mean '{parameter}'"):
        tl.explain(small_net(backend), pictures(1), name, **{f"{parameter}x": 1})


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        register("saliency", family="gradients", paper="", needs="gradient", error="")(lambda: None)
    assert get_method("saliency").function.__name__ == "saliency"


def test_the_table_is_a_copy() -> None:
    methods().clear()
    assert "saliency" in methods()


def test_all_parameters_are_recorded_defaults_too(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(1), "smoothgrad", samples=3)
    assert found.params == get_method("smoothgrad").defaults | {"samples": 3}
    assert (found.params["sigma"], found.params["of"]) == (0.15, "logit")
    assert found.seed == 0
    assert tl.explain(small_net(backend), pictures(1), "saliency").seed is None
    assert found.backend == backend.name
    assert found.model == "Sequential"
    assert found.seconds > 0


def test_what_is_recorded_does_not_change_with_the_callers_array(backend: Backend) -> None:
    x = pictures(2)
    before = x.copy()
    found = tl.explain(small_net(backend), x, "saliency")
    x[:] = 0
    np.testing.assert_array_equal(found.inputs, before)


@pytest.mark.parametrize("thing", [None, "resnet18", 3])
def test_only_a_model_is_explained(thing: object) -> None:
    with pytest.raises(tl.errors.InputError, match="not a twinlens Model"):
        tl.explain(thing, pictures(1))  # type: ignore[arg-type]


def test_a_bare_network_is_told_to_be_wrapped(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="Wrap it first"):
        tl.explain(small_net(backend).net, pictures(1))


@pytest.mark.parametrize(
    "x",
    [np.zeros((0, 3, 8, 8)), np.zeros(8), np.full((1, 3, 8, 8), np.nan), np.zeros((1, 3, 8, 8), np.uint8), "cat.jpg"],
    ids=["no samples", "no batch", "nan", "bytes", "path"],
)
def test_an_input_that_cannot_be_explained_is_refused(backend: Backend, x: object) -> None:
    with pytest.raises(tl.errors.InputError):
        tl.explain(small_net(backend), x, "saliency")
