"""Names, tensors and networks find their backend; frameworks are imported only when asked for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import (
    Backend,
    Model,
    available_backends,
    default_backend,
    get_backend,
    get_backends,
    registry,
    wrap,
)
from twinlens.errors import BackendError

from ..frameworks import BOTH, need, paddle, torch
from .nets import build, convolutional, layer_class, pictures


def test_a_name_finds_its_backend(backend: Backend) -> None:
    assert get_backend(backend.name) is backend
    assert get_backend(backend) is backend
    assert backend.version == {"torch": torch, "paddle": paddle}[backend.name].__version__


def test_a_tensor_and_a_network_find_their_backend(backend: Backend) -> None:
    assert get_backend(backend.asarray(np.ones(2))) is backend
    assert get_backend(convolutional(backend)) is backend
    assert get_backend(next(iter(convolutional(backend).parameters()))) is backend


def test_subclasses_of_networks_are_recognised(backend: Backend) -> None:
    assert get_backend(build(backend, lambda net, x: x)) is backend


def test_subclasses_of_tensors_are_recognised() -> None:
    class Pixels(torch.Tensor):
        pass

    assert get_backend(torch.ones(2).as_subclass(Pixels)).name == "torch"


@pytest.mark.parametrize("thing", [np.ones(2), 3, None, [1.0], object(), dict(a=1)])
def test_an_object_of_neither_framework_is_an_error(thing: object) -> None:
    with pytest.raises(BackendError, match=f"'{type(thing).__name__}' is neither"):
        get_backend(thing)


@pytest.mark.parametrize(("name", "hint"), [("Torch", "'torch'"), ("paddlepaddle", "'paddle'"), ("jax", "Choose one")])
def test_an_unknown_name_is_an_error_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(BackendError, match=hint):
        get_backend(name)


@pytest.mark.usefixtures("both")
def test_several_backends_come_in_the_order_asked_for() -> None:
    assert [backend.name for backend in get_backends(["paddle", "torch"])] == ["paddle", "torch"]
    with pytest.raises(BackendError, match="jax"):
        get_backends(["torch", "jax"])


def uninstall(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Hide frameworks from whoever looks for them."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in names else found(name, *a))
    monkeypatch.setattr(registry, "_load", registry._load.__wrapped__)


@pytest.mark.parametrize(("name", "package"), [("torch", "torch torchvision"), ("paddle", "paddlepaddle")])
def test_a_framework_that_is_not_installed_is_an_error_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    uninstall(monkeypatch, name)
    assert name not in available_backends()
    with pytest.raises(BackendError, match=rf"'{name}' is not installed\. Install it with: pip install {package}"):
        get_backend(name)


@pytest.mark.usefixtures("both")
def test_torch_is_the_default_where_both_are_installed() -> None:
    assert default_backend().name == "torch"


def test_a_framework_that_is_installed_alone_is_the_default(monkeypatch: pytest.MonkeyPatch, backend: Backend) -> None:
    uninstall(monkeypatch, *(name for name in BOTH if name != backend.name))
    assert available_backends() == [backend.name]
    assert default_backend().name == backend.name


def test_without_a_framework_the_default_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, *BOTH)
    with pytest.raises(BackendError, match=r"pip install torch torchvision"):
        default_backend()


def test_a_tensor_of_the_other_framework_is_an_error(both: tuple[Backend, Backend]) -> None:
    for own, other in (both, both[::-1]):
        model = wrap(convolutional(own))
        with pytest.raises(BackendError, match=f"is a {other.name} tensor, the model runs on {own.name}"):
            model.forward(other.asarray(pictures()))


def test_a_subclassed_tensor_of_the_other_framework_is_an_error(both: tuple[Backend, Backend]) -> None:
    class Pixels(torch.Tensor):
        pass

    with pytest.raises(BackendError, match="torch tensor"):
        wrap(convolutional(both[1])).forward(torch.ones(1, 3, 8, 8).as_subclass(Pixels))


@pytest.fixture
def static_mode() -> Iterator[Any]:
    """Paddle in static mode, with a network that was made before."""
    need("paddle")
    net = paddle.nn.Linear(6, 3)
    paddle.enable_static()
    yield net
    paddle.disable_static()


def test_paddle_in_static_mode_is_an_error_with_its_cure(static_mode: Any) -> None:
    model = Model(static_mode, registry._load("paddle"))
    x = np.ones((2, 6), "float32")
    calls: list[Callable[[], Any]] = [
        lambda: get_backend("paddle"),
        lambda: tl.wrap(static_mode),
        lambda: tl.load_model("small_cnn", backend="paddle"),
        lambda: tl.explain(model, x, "saliency", 1),
        lambda: model.forward(x),
        lambda: model.state(),
        lambda: model.backend.asarray(x),
    ]
    for call in calls:
        with pytest.raises(BackendError, match=r"static mode\. Call paddle\.disable_static\(\) first\."):
            call()


def test_paddle_in_static_mode_is_no_matter_for_torch(static_mode: Any) -> None:
    assert wrap(torch.nn.Linear(6, 3)).forward(np.ones((2, 6))).shape == (2, 3)


def test_only_networks_can_be_wrapped(backend: Backend) -> None:
    for thing in (backend.asarray(np.ones(2)), backend.name, backend, np.ones(3), layer_class(backend)):
        with pytest.raises(BackendError):
            wrap(thing)


def loaded_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*({{'torch', 'paddle', 'torchvision'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["twinlens", "twinlens.backends", "twinlens.errors"])
def test_importing_the_package_loads_no_framework(module: str) -> None:
    assert loaded_after(f"import {module}") == set()


def test_asking_which_frameworks_there_are_loads_none() -> None:
    assert loaded_after("from twinlens.backends import available_backends; available_backends()") == set()


def test_a_framework_does_not_load_the_other(backend: Backend) -> None:
    assert loaded_after(f"from twinlens.backends import get_backend; get_backend('{backend.name}')") == {backend.name}


def test_looking_at_an_object_of_neither_loads_nothing() -> None:
    statement = """
from twinlens.backends import get_backend
from twinlens.errors import BackendError
try:
    get_backend(3)
except BackendError:
    pass
"""
    assert loaded_after(statement) == set()


def test_mixing_two_frameworks_in_one_hook_is_the_users_error_and_stays_one(both: tuple[Backend, Backend]) -> None:
    own, other = both
    model = wrap(convolutional(own))

    def foreign(_layer: Any, _inputs: Any, _output: Any) -> Any:
        return other.asarray(np.ones((3, 4), "float32"))

    with model.hook("fc2", post=foreign), pytest.raises(Exception, match="not one tensor"):
        model.forward(pictures())
