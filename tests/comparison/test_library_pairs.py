"""Each family that torchvision and paddle.vision share has a twin that computes the same, or a stated reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model
from twinlens.comparison.exact import exact
from twinlens.comparison.library_pairs import PAIRS, architecture_of
from twinlens.comparison.twin import make_twin, twin
from twinlens.errors import ModelError, WeightsError
from twinlens.models.libraries import LIBRARIES

from ..nets import pictures, randomise

pytestmark = pytest.mark.usefixtures("both")

CLASSES = 5
# One of each family that is built in a blink, at the least side of a picture that tells its layers apart.
SIDES = {
    "resnet18": 32,
    "densenet121": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_0": 47,
    "squeezenet1_1": 47,
}
QUIET: dict[str, Any] = {"inception_v3": {"init_weights": False, "aux_logits": False}}


def random_network(library: str, name: str, seed: int = 1) -> Model:
    options = QUIET.get(name, {}) if library == "torchvision" else {}
    return randomise(tl.load_model(f"{library}:{name}", classes=CLASSES, **options), seed)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check_twin(source: Model, side: int, corrections: int) -> None:
    """Scores within 1e-4 and, in float64, 1e-10; gradients within 1e-9 in float64, and in float32 as far as they go."""
    x = pictures(2, shape=(3, side, side))
    made = make_twin(source, x=x)
    assert made.how == "library"
    assert len(made.corrections) == corrections
    there = made.model
    assert there.backend.name != source.backend.name
    targets = source.predict(x).tolist()
    assert there.forward(x).shape == (2, CLASSES)
    assert relative(there.forward(x), source.forward(x)) < 1e-4
    first, second = exact(source), exact(there)
    assert relative(second.forward(x), first.forward(x)) < 1e-10
    gradient = first.gradient(x, targets)
    assert relative(second.gradient(x, targets), gradient) < 1e-9
    # A ReLU whose input rounds to the other side of 0 moves a gradient by more than rounding does, in torch as well.
    noise = relative(source.gradient(x, targets), gradient)
    assert relative(there.gradient(x, targets), gradient) < max(1e-3, 10 * noise)


def test_all_shared_architectures_are_known() -> None:
    shared = set.intersection(*(set(library.constructors()) for library in LIBRARIES.values()))
    assert set(PAIRS) == shared
    assert len(shared) >= 29


@pytest.mark.parametrize("name", SIDES)
def test_torchvision_has_a_twin_in_paddle(name: str) -> None:
    corrections = {"squeezenet1_0": 2, "squeezenet1_1": 3}
    check_twin(random_network("torchvision", name), SIDES[name], corrections.get(name, 0))


@pytest.mark.parametrize(("name", "corrections"), [("squeezenet1_1", 3), ("mobilenet_v3_small", 0)])
def test_paddle_has_a_twin_in_torchvision(name: str, corrections: int) -> None:
    check_twin(random_network("paddle", name), SIDES[name], corrections)


def test_alexnet_takes_pictures_of_any_size_after_its_correction() -> None:
    source = tl.load_model("torchvision:alexnet", classes=CLASSES)
    x = pictures(1, shape=(3, 64, 64))
    made = make_twin(source, x=x)
    assert made.scores < 1e-4
    assert made.exact_scores is None  # too many weights to be copied for that
    assert len(made.corrections) == 2


def test_vgg_has_the_same_convolutions_under_the_same_names() -> None:
    # The linear layers behind them hold 120 million weights, which is no matter for a quick test.
    tl.load_model("torchvision:squeezenet1_1")  # torchvision may only be imported through the backend
    from paddle.vision.models import vgg as theirs
    from torchvision.models import vgg as mine

    source = randomise(tl.wrap(mine.make_layers(mine.cfgs["A"]), dtype="float64"))
    destination = tl.wrap(theirs.make_layers(theirs.cfgs["A"]), dtype="float64")
    assert tl.transfer(source, destination).how == "name"
    x = pictures(2, shape=(3, 32, 32))
    assert relative(destination.forward(x), source.forward(x)) < 1e-12


def test_the_way_back_is_bit_exact_and_undoes_what_was_corrected() -> None:
    x = pictures(2, shape=(3, 47, 47))
    source = random_network("torchvision", "squeezenet1_1")
    there = twin(source, x=x)
    back = twin(there, x=x)
    assert back.backend.name == "torch"
    state = source.state()
    assert all(array.tobytes() == state[name].tobytes() for name, array in back.state().items())
    np.testing.assert_array_equal(back.forward(x), source.forward(x))


def test_a_copy_between_the_libraries_names_what_they_do_differently() -> None:
    source, destination = (random_network(library, "squeezenet1_1") for library in LIBRARIES)
    report = tl.transfer(source, destination, pictures(1, shape=(3, 64, 64)))
    for word in ("dropout", "ceil_mode", "padding"):
        assert any(word in said for said in report.differences)
        assert word in str(report)
    assert report.scores is not None
    assert report.scores > 0.01


def test_outputs_for_training_are_left_out_and_named() -> None:
    source = tl.load_model("torchvision:inception_v3", classes=CLASSES, init_weights=False)
    destination = tl.load_model("paddle:inception_v3", classes=CLASSES)
    report = tl.transfer(source, destination, pictures(1, shape=(3, 75, 75)))
    assert report.left_out
    assert all(name.startswith("AuxLogits.") for name in report.left_out)
    assert any("0.001" in said for said in report.differences)
    with pytest.raises(WeightsError, match="source lacks 'AuxLogits"):
        tl.transfer(destination, source)


def test_inception_has_a_twin_that_normalises_its_input_alike() -> None:
    options = QUIET["inception_v3"] | {"transform_input": True}
    source = randomise(tl.load_model("torchvision:inception_v3", classes=CLASSES, **options))
    check_twin(source, side=75, corrections=3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_googlenet_is_refused_with_the_reason(library: str) -> None:
    options = {"init_weights": False} if library == "torchvision" else {}
    model = tl.load_model(f"{library}:googlenet", **options)
    with pytest.raises(ModelError, match=r"no batch norms.*three outputs"):
        twin(model)


@pytest.mark.parametrize(
    ("library", "name"),
    [("torchvision", "mobilenet_v3_small"), ("paddle", "mobilenet_v3_small"), ("torchvision", "resnet34")],
)
def test_a_network_that_was_only_wrapped_is_recognised(library: str, name: str) -> None:
    net = tl.load_model(f"{library}:{name}", classes=3).net
    assert architecture_of(tl.wrap(net)) == name


def test_networks_of_the_users_are_not_taken_for_those_of_the_libraries(both: tuple[Backend, Backend]) -> None:
    for backend in both:
        net = backend.nn.Sequential(backend.nn.Linear(3, 2))
        assert architecture_of(tl.wrap(net)) is None
    assert architecture_of(tl.wrap(tl.load_model("torchvision:mnasnet0_5").net)) is None
    assert architecture_of(tl.load_model("paddle:mobilenet_v1")) is None


def test_a_network_of_a_library_that_was_changed_is_not_taken_for_it(both: tuple[Backend, Backend]) -> None:
    source = tl.load_model("torchvision:squeezenet1_1", classes=CLASSES)
    source.net.features = tl.load_model("torchvision:squeezenet1_0").net.features
    x = pictures(2, shape=(3, 47, 47))
    made = make_twin(randomise(source), x=x)
    assert made.how == "conversion"
    assert relative(made.model.forward(x), source.forward(x)) < 1e-4
    destination = tl.load_model("paddle:squeezenet1_1", classes=CLASSES)
    with pytest.raises(WeightsError, match="lacks"):
        tl.transfer(source, destination)
