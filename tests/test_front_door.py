"""The front door: the public names, and nothing heavy behind it before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend

from .nets import pictures, small_net

HEAVY = (
    "torch", "torchvision", "paddle", "scipy", "sklearn", "skimage", "matplotlib", "cv2", "pandas", "shap", "lime",
    "xgboost",
)  # fmt: skip


def loaded_after(code: str) -> set[str]:
    """Top-level packages that a fresh Python has loaded after running some code."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import twinlens",
        "import twinlens as tl; tl.methods()['lime'].summary",
        "import twinlens as tl; tl.wrap, tl.explain, tl.transfer, tl.parity, tl.agreement, tl.available_backends()",
        "import twinlens as tl; tl.neuron",
        "import twinlens as tl\ntry: tl.wrap(3)\nexcept tl.errors.BackendError: pass",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    assert not loaded_after(code) & set(HEAVY)


def test_one_framework_does_not_bring_the_other() -> None:
    for mine, other in (("torch", "paddle"), ("paddle", "torch")):
        if mine in tl.available_backends():
            assert other not in loaded_after(f"import twinlens as tl; tl.get_backend('{mine}')")


def test_every_public_name_is_there() -> None:
    for name in tl.__all__:
        assert getattr(tl, name) is not None
        assert name in dir(tl)
    assert tl.__version__


@pytest.mark.parametrize("name", ["backends", "comparison", "datasets", "figures", "methods", "models"])
def test_the_packages_are_reached_through_the_door(name: str) -> None:
    assert isinstance(getattr(tl, name), ModuleType)
    assert name in dir(tl)


def test_the_methods_package_can_be_called() -> None:
    assert tl.methods()["saliency"] == tl.methods.get_method("saliency")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        tl.explian  # noqa: B018
    assert not hasattr(tl, "__wrapped__")


def test_from_a_network_to_an_explanation_and_to_its_twin(both: tuple[Backend, Backend]) -> None:
    first, second, x = small_net(both[0], seed=1), small_net(both[1], seed=2), pictures(2)
    report = tl.transfer(first, second)
    assert report.numbers > 0
    maps = [tl.explain(tl.wrap(model.net), x, "integrated_gradients", target=1, steps=5) for model in (first, second)]
    assert tl.agreement(maps[0].values, maps[1].values).worst()["cosine"] > 0.9999
    assert tl.parity(first, second, x, "saliency").double.worst()["relative_l2"] < 1e-8
    assert all(isinstance(found, tl.Explanation) for found in maps)


def test_a_neuron_is_a_model_that_any_method_explains(backend: Backend) -> None:
    model, x = small_net(backend), pictures(2)
    unit = tl.neuron(model, "4", (3, 1, 2))
    assert isinstance(unit, tl.Model)
    with model.capture("4") as seen:
        model.forward(x)
    np.testing.assert_allclose(unit.forward(x)[:, 0], seen["4"][:, 3, 1, 2], rtol=1e-6)
    assert tl.explain(unit, x, "occlusion", window=4).values.any()


def test_the_default_method_is_integrated_gradients(backend: Backend) -> None:
    found = tl.explain(small_net(backend), pictures(1))
    assert found.method == "integrated_gradients"
    assert found.params["steps"] == 50
    np.testing.assert_array_equal(found.inputs, pictures(1))


@pytest.mark.parametrize("thing", [None, "resnet18", 3, np.ones(3), {"weight": 1}, object()])
def test_what_is_no_network_cannot_be_wrapped(thing: object) -> None:
    with pytest.raises(tl.errors.BackendError) as caught:
        tl.wrap(thing)
    assert "\n" not in str(caught.value)


def test_an_error_of_ours_is_one_line_whatever_it_quotes() -> None:
    error = tl.errors.InputError("two\nlines", "and\ttabs\n")
    assert str(error) == "two lines and tabs"
    assert isinstance(error, tl.errors.TwinlensError)
