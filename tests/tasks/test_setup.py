"""What stands before the tasks begin: the same network everywhere, the pictures asked for, labels that mean classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from twinlens.backends import Backend, available_backends
from twinlens.datasets import SyntheticFood
from twinlens.errors import DataError, NonFiniteError, TargetError
from twinlens.models import load_model
from twinlens.tasks import parse_config
from twinlens.tasks.rehearsal import rehearse
from twinlens.tasks.setup import Setup, prepare, train

from ..frameworks import ANY, BOTH, need, torch
from ..random_states import random_states

CNN: dict[str, Any] = {"name": "small_cnn", "options": {"size": 32, "widths": [4, 8]}}
SHORT: dict[str, Any] = {"epochs": 1, "batch_size": 11, "pictures": 22, "validation_pictures": 11}


def setup_of(*backends: str, seed: int = 0, **part: Any) -> Setup:
    (parsed,) = parse_config({"model": CNN, "data": {"pictures": 3}, "saliency": {}} | part).parts
    return prepare(parsed, backends or (ANY,), seed, "cpu", lambda message: None)


def same_state(setup: Setup) -> bool:
    first, second = (model.state() for model in setup.models.values())
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.fixture
def food(tmp_path: Path) -> Callable[..., Path]:
    """A Food-11 folder of noise; what is named is corrupt."""

    def make(corrupt: tuple[str, ...] = ()) -> Path:
        rng = np.random.default_rng(0)
        for split in ("training", "validation"):
            (tmp_path / split).mkdir()
            for label in (0, 3, 10):
                for number in (0, 1):
                    cv2.imwrite(str(tmp_path / split / f"{label}_{number}.png"), rng.integers(0, 255, (40, 40, 3)))
        for name in corrupt:
            (tmp_path / name).write_bytes(b"no picture")
        return tmp_path

    return make


# -- pictures --------------------------------------------------------------------------------------------------------


def test_a_number_of_pictures_means_the_first_ones() -> None:
    setup = setup_of()
    made = SyntheticFood(25, 32, 0, "validation")
    assert setup.names == made.names[:3]
    assert np.array_equal(setup.images, made.stack([0, 1, 2])[0])
    assert setup.labels == [0, 1, 2]
    assert all(mask is not None and mask.shape == (32, 32) for mask in setup.masks)


def test_pictures_can_be_chosen_by_number_in_any_order() -> None:
    setup = setup_of(data={"pictures": [14, 2]})
    assert setup.labels == [3, 2]
    assert np.array_equal(setup.images[1], SyntheticFood(3, 32, 0, "validation")[2].image)


def test_the_other_pictures_are_not_among_the_explained_ones() -> None:
    setup = setup_of(data={"pictures": [1, 0]})
    assert len(setup.others) == 22
    assert not any(np.array_equal(image, other) for image in setup.images for other in setup.others)


def test_where_all_pictures_are_explained_there_are_no_others() -> None:
    setup = setup_of(data={"source": "photographs", "size": 32})
    assert setup.names == ["chelsea.png", "coffee.png"]
    assert setup.others.shape[0] == 0


def test_the_pictures_have_the_size_asked_for_or_the_networks_own() -> None:
    assert setup_of().images.shape == (3, 3, 32, 32)
    assert setup_of(data={"pictures": 1, "size": 48}).images.shape == (1, 3, 48, 48)


def test_unreadable_pictures_are_left_out_and_named(food: Callable[..., Path]) -> None:
    root = food(("validation/0_0.png", "validation/3_1.png"))
    setup = setup_of(data={"source": "folder", "path": str(root), "pictures": 3})
    assert setup.names == ["0_1.png", "3_0.png", "10_0.png"]
    assert setup.labels == [0, 3, 10]
    assert len(setup.facts["left_out"]) == 2
    assert all("0_0.png" in reason or "3_1.png" in reason for reason in setup.facts["left_out"])


def test_unreadable_training_pictures_are_named_as_well(food: Callable[..., Path]) -> None:
    root = food(("training/10_1.png",))
    setup = setup_of(model=CNN | {"training": SHORT}, data={"source": "folder", "path": str(root), "pictures": 1})
    assert setup.facts["left_out"] == []
    train(setup, lambda message: None)
    assert len(setup.facts["left_out"]) == 1
    assert "5 pictures" in setup.facts["trained_on"]


def test_a_picture_chosen_by_its_number_has_to_be_readable(food: Callable[..., Path]) -> None:
    root = food(("validation/0_0.png",))
    with pytest.raises(DataError, match=r"0_0\.png"):
        setup_of(data={"source": "folder", "path": str(root), "pictures": [0]})


# -- what is explained -----------------------------------------------------------------------------------------------


def test_labels_are_explained_where_the_data_and_the_network_speak_of_the_same_classes() -> None:
    setup = setup_of(data={"pictures": [4, 7]}).explaining("label")
    assert setup.targets == [4, 7]
    assert setup.titles() == ["Fried food", "Rice"]


@pytest.mark.parametrize(
    "changed",
    [
        {"model": CNN | {"classes": 3}},
        {"data": {"source": "photographs", "size": 32}},
        {"data": {"source": "files", "files": ["a.png"], "size": 32}},
    ],
    ids=["other number of classes", "classes of ImageNet", "no labels"],
)
def test_elsewhere_the_prediction_is_explained(
    changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((40, 40, 3), 90, np.uint8))
    setup = setup_of(**changed)
    assert set(setup.labels) == {None}
    assert setup.explaining("label").targets == setup.network.predict(setup.images).tolist()


def test_the_prediction_or_one_class_can_be_asked_for() -> None:
    setup = setup_of()
    assert setup.explaining("predicted").targets == setup.network.predict(setup.images).tolist()
    assert setup.explaining(6).targets == [6, 6, 6]


def test_two_tasks_of_a_part_may_explain_different_classes() -> None:
    setup = setup_of()
    first, second = setup.explaining(2), setup.explaining(5)
    assert (first.targets, second.targets, setup.targets) == ([2] * 3, [5] * 3, [])


def test_a_class_without_a_name_is_called_by_its_number() -> None:
    setup = setup_of(model=CNN | {"classes": 40}).explaining(20)
    assert setup.titles() == ["class 20"] * 3


# -- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("both")
def test_both_networks_have_bit_equal_weights() -> None:
    setup = setup_of(*BOTH)
    assert [model.backend.name for model in setup.models.values()] == list(BOTH)
    assert same_state(setup)


@pytest.mark.usefixtures("both")
def test_after_training_both_networks_still_have_bit_equal_weights() -> None:
    setup = setup_of("paddle", "torch", model=CNN | {"training": SHORT}, seed=3)
    before = setup.network.state()
    train(setup, lambda message: None)
    assert setup.network.backend.name == "paddle"
    assert any(not np.array_equal(before[name], array) for name, array in setup.network.state().items())
    assert same_state(setup)
    assert setup.history is not None
    assert setup.history.epochs == 1
    assert setup.confusion is not None
    assert setup.confusion.sum() == 11
    assert setup.facts["validation_accuracy"] == np.trace(setup.confusion) / 11
    assert "arrays" in setup.facts["transfer"]


@pytest.mark.usefixtures("both")
def test_a_new_last_layer_leaves_the_pretrained_ones_as_they_are(tmp_path: Path) -> None:
    pretrained = load_model("small_cnn", backend="torch", seed=5, classes=4, **CNN["options"])
    weights = tmp_path / "w.pth"
    torch.save(pretrained.net.state_dict(), weights)
    model = CNN | {"classes": 4, "weights": str(weights), "training": SHORT | {"layers": "head", "pictures": 44}}
    setup = setup_of(*BOTH, model=model)
    train(setup, lambda message: None)
    found, kept = setup.network.state(), pretrained.state()
    assert all(np.array_equal(found[name], kept[name]) for name in kept if not name.startswith("head.fc."))
    assert found["head.fc.weight"].shape == (11, 8)
    assert same_state(setup)
    assert setup.classes[0] == "Bread"


@pytest.mark.usefixtures("both")
def test_a_network_of_one_library_is_found_in_the_other_one() -> None:
    for name in ("torchvision:mobilenet_v2", "paddle:mobilenet_v2"):
        setup = setup_of(*BOTH, model={"name": name, "classes": 3}, data={"pictures": 1, "size": 32})
        assert same_state(setup)
        first, second = (model.probabilities(setup.images) for model in setup.models.values())
        assert first.shape == (1, 3)
        assert np.allclose(first, second, atol=1e-5)


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "paddle:squeezenet1_1"])
def test_a_network_that_the_libraries_build_otherwise_is_found_too(name: str) -> None:
    setup = setup_of(*BOTH, model={"name": name, "classes": 3}, data={"pictures": 1, "size": 64})
    first, second = (model.probabilities(setup.images) for model in setup.models.values())
    assert set(setup.models) == set(BOTH)
    assert np.allclose(first, second, atol=1e-5)


@pytest.mark.usefixtures("both")
def test_a_network_of_the_users_file_is_rebuilt_layer_by_layer(tmp_path: Path) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(
        "import torch\nfrom torch import nn\ndef net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 28 * 28, 5))\n",
        encoding="utf-8",
    )
    setup = setup_of(*BOTH, model={"name": f"{path}:net"}, data={"pictures": 1, "size": 32})
    assert same_state(setup)
    first, second = (model.probabilities(setup.images) for model in setup.models.values())
    assert np.allclose(first, second, atol=1e-5)


@pytest.mark.usefixtures("both")
def test_a_function_of_the_users_file_that_takes_layers_is_built_on_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "def net(nn, hidden=4):\n"
        "    return nn.Sequential({'conv': nn.Conv2d(3, hidden, 5), 'relu': nn.ReLU(),\n"
        "        'pool': nn.AdaptiveAvgPool2d(1), 'flat': nn.Flatten(), 'fc': nn.Linear(hidden, 11)})\n",
        encoding="utf-8",
    )
    model = {"name": f"{path}:net", "options": {"hidden": 6}, "training": SHORT}
    setup = setup_of(*BOTH, model=model, data={"pictures": 2, "size": 32})
    train(setup, lambda message: None)
    assert setup.network.state()["conv.weight"].shape == (6, 3, 5, 5)
    assert setup.network.input_shape == (3, 32, 32)
    assert same_state(setup)


def test_the_same_seed_gives_the_same_network(backend: Backend) -> None:
    first, second, other = (setup_of(backend.name, seed=seed).network.state() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["stage1.conv.weight"], other["stage1.conv.weight"])


def test_setting_up_and_training_leave_global_random_numbers_alone() -> None:
    before = random_states()
    setup = setup_of(*available_backends(), model=CNN | {"training": SHORT})
    rehearse(setup)
    train(setup, lambda message: None)
    assert random_states() == before


# -- the rehearsal ---------------------------------------------------------------------------------------------------


def test_the_rehearsal_lets_a_sound_part_pass_and_costs_little() -> None:
    setup = setup_of(
        saliency={"smoothgrad": {"samples": 10**9}, "integrated_gradients": {"steps": 10**9}},
        lime_shap={"lime": {"samples": 10**9}, "expected_gradients": {"samples": 10**9}, "partition_shap": None},
        feature_maps={"filters": [0]},
    )
    rehearse(setup)


def test_the_rehearsal_finds_weights_that_paddle_hides() -> None:
    setup = setup_of(need("paddle").name, saliency={"smoothgrad": None, "integrated_gradients": None})
    state = setup.network.state()
    state["stage1.conv.weight"][0, 0, 0, 0] = np.nan
    setup.network.load_state(state)
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        rehearse(setup)


def test_the_rehearsal_finds_the_second_tasks_target() -> None:
    setup = setup_of(lime_shap={"target": 11, "expected_gradients": None, "partition_shap": None})
    with pytest.raises(TargetError, match="Target 11 does not exist"):
        rehearse(setup)
