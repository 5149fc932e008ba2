"""Whole runs, as small as they can be: every promised file is there, and its numbers are what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.methods import Explanation
from twinlens.tasks import parse_config, runner
from twinlens.tasks.runner import run
from twinlens.tasks.saliency import share_inside
from twinlens.tasks.setup import Setup

from ..frameworks import BOTH, need
from ..random_states import random_states

TINY: dict[str, Any] = {
    "seed": 1,
    "model": {
        "name": "small_cnn",
        "options": {"size": 32, "widths": [4, 8]},
        "training": {"epochs": 1, "batch_size": 22, "pictures": 44, "validation_pictures": 22},
    },
    "data": {"pictures": 2},
}
TASKS: dict[str, dict[str, Any]] = {
    "saliency": {"smoothgrad": {"samples": 3}, "integrated_gradients": {"steps": 4}, "parity_pictures": 1},
    "feature_maps": {"filters": [0, 1], "visualisation": {"filters": [0, 2], "steps": 3}},
    "lime_shap": {
        "lime": {"samples": 20, "segment_options": {"n_segments": 8, "compactness": 10.0}},
        "expected_gradients": {"samples": 4},
        "partition_shap": {"max_evaluations": 20, "mask": "blur(8,8)"},
        "regions": 2,
    },
}
METHODS = {
    "saliency": ("saliency", "smoothgrad", "integrated_gradients"),
    "lime_shap": ("lime", "expected_gradients", "partition_shap"),
}
VALUE_SHAPES = {"lime": (2, 1, 32, 32)}


class Run:
    """A finished run and the networks that it used."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.setups: list[Setup] = []
        self.folder = folder
        self.random_before = random_states()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "rehearse", self.setups.append)
            run(parse_config(config), folder)
        self.random_after = random_states()
        self.results = json.loads((folder / "results.json").read_text(encoding="utf-8"))

    @property
    def main(self) -> dict[str, Any]:
        found: dict[str, Any] = self.results["parts"]["main"]
        return found

    def files(self, kind: str) -> set[str]:
        return {path.name for path in (self.folder / kind).iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All three tasks on both frameworks."""
    for framework in BOTH:
        need(framework)
    return Run(tmp_path_factory.mktemp("whole") / "run", TINY | TASKS | {"backend": "both"})


@pytest.fixture(scope="module", params=BOTH)
def single(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Saliency and feature maps on one framework."""
    need(request.param)
    tasks = {name: TASKS[name] for name in ("saliency", "feature_maps")}
    folder = tmp_path_factory.mktemp(request.param) / "run"
    return Run(folder, TINY | tasks | {"backend": request.param})


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key != "seconds"}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


# -- the folder ------------------------------------------------------------------------------------------------------


def test_a_run_holds_what_it_promises_and_nothing_else(whole: Run) -> None:
    assert {path.name for path in whole.folder.iterdir()} == {"explanations", "figures", "results.json", "report.html"}
    assert [path.name for path in whole.folder.parent.iterdir()] == ["run"]


def test_every_method_saves_its_explanation_on_every_framework(whole: Run) -> None:
    attributions = {f"main_{m}_{b}.npz" for methods in METHODS.values() for m in methods for b in BOTH}
    filters = {f"main_filter_stage2_conv_{number}_{b}.npz" for number in (0, 2) for b in BOTH}
    assert whole.files("explanations") == attributions | filters


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("method", [method for methods in METHODS.values() for method in methods])
def test_an_explanation_can_be_loaded_and_says_how_it_was_made(whole: Run, method: str, backend: str) -> None:
    found = Explanation.load(whole.folder / "explanations" / f"main_{method}_{backend}.npz")
    assert (found.method, found.backend, found.model) == (method, backend, "small_cnn")
    assert found.values.shape == VALUE_SHAPES.get(method, (2, 3, 32, 32))
    assert np.isfinite(found.values).all()
    assert np.array_equal(found.inputs, whole.setups[0].images)
    assert found.target is not None
    assert found.target.tolist() == [0, 1]
    assert found.seed == (None if method == "saliency" else 1)


def test_every_figure_is_a_picture(whole: Run) -> None:
    names = {
        *(f"main_{kind}_{b}.png" for kind in ("saliency", "lime", "shap", "filters") for b in BOTH),
        *(f"main_saliency_{b}_methods.png" for b in BOTH),
        *(f"main_maps_stage{stage}_conv_{b}.png" for stage in (1, 2) for b in BOTH),
        "main_saliency_agreement.png",
        "main_training.png",
        "main_confusion.png",
    }
    assert whole.files("figures") == names
    for name in names:
        pixels = cv2.imread(str(whole.folder / "figures" / name))
        assert pixels is not None
        assert pixels.shape[0] > 100
        assert pixels.std() > 0


def test_the_report_needs_nothing_but_itself(whole: Run) -> None:
    page = (whole.folder / "report.html").read_text(encoding="utf-8")
    links = re.findall(r"<(?:img|script|link|iframe|source)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']*)", page)
    assert len(links) >= len(whole.files("figures"))
    assert all(link.startswith("data:") for link in links)
    assert "url(http" not in page
    for words in ("Saliency", "Feature maps", "LIME and SHAP on pictures", "How this was made", "small_cnn"):
        assert words in page


# -- the numbers -----------------------------------------------------------------------------------------------------


def test_the_results_name_configuration_versions_and_seed(whole: Run) -> None:
    results = whole.results
    assert (results["seed"], results["backends"]) == (1, list(BOTH))
    assert all(results["versions"][package] for package in ("twinlens", "torch", "paddlepaddle", "numpy"))
    assert results["config"]["parts"][0]["saliency"]["smoothgrad"] == {"samples": 3}
    assert parse_config(results["config"]).model_dump(mode="json") == results["config"]
    assert results["seconds"] > 0


def test_the_results_tell_of_network_data_and_training(whole: Run) -> None:
    main = whole.main
    assert (main["model"], main["synthetic"], main["left_out"]) == ("small_cnn", True, [])
    assert "44 pictures" in main["trained_on"]
    assert 0 <= main["validation_accuracy"] <= 1
    assert [picture["label"] for picture in main["pictures"]] == ["Bread", "Dairy product"]


@pytest.mark.parametrize("task", METHODS)
def test_every_method_has_its_parameters_seconds_and_targets(whole: Run, task: str) -> None:
    for backend in BOTH:
        for method in METHODS[task]:
            found = whole.main[task][backend][method]
            assert found["seconds"] > 0
            assert found["target"] == [0, 1]
            assert "batch_size" in found["params"]
            assert "background" not in found["params"]


def test_both_frameworks_agree_in_double_precision(whole: Run) -> None:
    parity = whole.main["saliency"]["parity"]
    assert set(parity) == set(METHODS["saliency"])
    for found in parity.values():
        assert found["float64_pictures"] == 1
        assert found["float64_relative_l2"] < 1e-8
        assert found["cosine"] > 0.9999
        assert found["relative_l2"] < 5e-3
        assert len(found["float32_noise"]) == 2
        assert found["all_pictures"]["cosine"] > 0.9999


def test_both_frameworks_have_the_same_feature_maps_and_black_box_explanations(whole: Run) -> None:
    for found in whole.main["feature_maps"]["parity"].values():
        assert found["relative_l2"] < 1e-5
    for method, found in whole.main["lime_shap"]["parity"].items():
        assert found["cosine"] > 0.999, method


def test_filter_visualisation_raises_the_filters_activation(whole: Run) -> None:
    for backend in BOTH:
        found = whole.main["feature_maps"][backend]["filter_visualisation"]
        assert found["layer"] == "stage2.conv"
        assert set(found["activation"]) == {"filter 0", "filter 2"}
        assert all(course["after"] > course["before"] for course in found["activation"].values())


def test_the_share_inside_the_object_is_the_saved_maps_own(whole: Run) -> None:
    masks = whole.setups[0].masks
    for backend in BOTH:
        for method in METHODS["saliency"]:
            values = Explanation.load(whole.folder / "explanations" / f"main_{method}_{backend}.npz").values
            shares = []
            for one, mask in zip(values, masks, strict=True):
                assert mask is not None
                inside = sum(abs(float(one[c, y, x])) for c in range(3) for y, x in zip(*np.nonzero(mask), strict=True))
                shares.append(inside / sum(abs(float(value)) for value in one.ravel()))
            found = whole.main["saliency"][backend][method]["inside_mask"]
            assert found["attribution"] == pytest.approx(sum(shares) / 2, rel=1e-6)
            assert found["area"] == pytest.approx(float(np.mean([mask.mean() for mask in masks if mask is not None])))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_share_inside_is_the_sum_over_the_mask_over_the_whole_sum(size: int) -> None:
    rng = np.random.default_rng(size)
    values, mask = rng.normal(size=(3, size, size)), rng.random((size, size)) < 0.5
    inside = whole_sum = 0.0
    for c in range(3):
        for y in range(size):
            for x in range(size):
                whole_sum += abs(values[c, y, x])
                inside += abs(values[c, y, x]) if mask[y, x] else 0.0
    assert share_inside(values, mask) == pytest.approx(inside / whole_sum)


def test_the_share_of_a_zero_map_is_zero_and_of_a_full_mask_one() -> None:
    assert share_inside(np.zeros((3, 4, 4)), np.ones((4, 4), bool)) == 0.0
    assert share_inside(np.ones((3, 4, 4), np.float32), np.ones((4, 4), bool)) == 1.0


# -- one framework ---------------------------------------------------------------------------------------------------


def test_a_run_on_one_framework_has_no_parity(single: Run) -> None:
    (backend,) = single.results["backends"]
    assert set(single.main["saliency"]) == {backend}
    assert set(single.main["feature_maps"]) == {backend}
    assert single.files("explanations") == {
        *(f"main_{method}_{backend}.npz" for method in METHODS["saliency"]),
        *(f"main_filter_stage2_conv_{number}_{backend}.npz" for number in (0, 2)),
    }
    assert not any("agreement" in name for name in single.files("figures"))
    assert "transfer" not in single.main


def test_the_same_configuration_gives_the_same_numbers(single: Run, tmp_path: Path) -> None:
    again = Run(tmp_path / "again", single.results["config"])
    assert without_seconds(again.results) == without_seconds(single.results)


# -- what a run leaves alone -----------------------------------------------------------------------------------------


def test_no_hook_is_left_on_any_layer(whole: Run) -> None:
    tables = ("_forward_hooks", "_forward_pre_hooks", "_forward_post_hooks", "_backward_hooks")
    for model in whole.setups[0].models.values():
        for name, layer in model.backend.modules(model.net).items():
            assert not any(len(getattr(layer, table, ())) for table in tables), name


def test_a_run_on_both_frameworks_leaves_global_random_numbers_alone(whole: Run) -> None:
    assert whole.random_after == whole.random_before


def test_a_run_on_one_framework_leaves_global_random_numbers_alone(single: Run) -> None:
    assert single.random_after == single.random_before


# -- other parts -----------------------------------------------------------------------------------------------------


def test_tables_alone_make_a_run_without_a_network(tmp_path: Path) -> None:
    config = {"tables": {"samples": 200, "repeats": 2}, "seed": 4, "title": "Iris alone"}
    found = Run(tmp_path / "run", config)
    assert found.setups == []
    assert found.results["parts"] == {}
    assert found.results["backends"] == []
    assert found.results["tables"]["tree_shap"]["additivity_error"] < 1e-3
    assert {"iris_lime.png", "iris_shap_force.png", "iris_lime.html"} <= found.files("figures")
    assert found.files("explanations") == {"iris_lime.npz", "iris_tree_shap.npz"}
    assert "Iris alone" in (found.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("both")
def test_parity_can_be_left_to_single_precision(tmp_path: Path) -> None:
    task = {"smoothgrad": None, "integrated_gradients": None, "parity_pictures": 0}
    model = {key: value for key, value in TINY["model"].items() if key != "training"}
    found = Run(tmp_path / "run", TINY | {"model": model, "saliency": task, "backend": "both"})
    assert set(found.main["saliency"]["parity"]["saliency"]) == {"all_pictures"}


def test_each_task_of_a_part_explains_its_own_target(backend: Backend, tmp_path: Path) -> None:
    model = {key: value for key, value in TINY["model"].items() if key != "training"}
    shap = {"target": 7, "lime": None, "partition_shap": None, "expected_gradients": {"samples": 2}}
    saliency = {"target": 3, "smoothgrad": None, "integrated_gradients": None}
    config = TINY | {"model": model, "saliency": saliency, "lime_shap": shap, "backend": backend.name}
    found = Run(tmp_path / "run", config).main
    assert found["saliency"][backend.name]["saliency"]["target"] == [3, 3]
    assert found["lime_shap"][backend.name]["expected_gradients"]["target"] == [7, 7]


@pytest.mark.usefixtures("both")
def test_real_photographs_are_recognised_and_explained_alike_on_both(tmp_path: Path) -> None:
    config = {
        "backend": "both",
        "model": {"name": "efficientnet_lite0", "weights": "pretrained"},
        "data": {"source": "photographs"},
        "saliency": {
            "of": "logit",
            "target": "predicted",
            "smoothgrad": {"samples": 2},
            "integrated_gradients": {"steps": 2},
            "parity_pictures": 1,
        },
    }
    found = Run(tmp_path / "run", config).main
    cats, espresso = (281, 282, 285), 967
    for backend in BOTH:
        cat, coffee = found["saliency"][backend]["saliency"]["target"]
        assert cat in cats
        assert coffee == espresso
    for method, parity in found["saliency"]["parity"].items():
        assert parity["float64_relative_l2"] < 1e-8, method
        assert parity["cosine"] > 0.9999, method
    assert "arrays" in found["transfer"]
