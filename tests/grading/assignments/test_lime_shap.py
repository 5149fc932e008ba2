"""The assignment on LIME and SHAP: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import twinlens as tl

from .every_assignment import EveryAssignment
from .trying import Tried, case_and_answers

NAME = "lime_shap"


class TestAssignment(EveryAssignment):
    pass


class TestRight:
    def test_the_reference_is_the_exact_method_of_twinlens(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "shap_values", 0)
        rows, background = (case.inputs[name].astype(np.float64) for name in ("rows", "background"))
        found = tl.explain(
            one.model(case), rows, "exact_shapley", target=case.inputs["labels"].tolist(), background=background
        )
        assert np.allclose(found.values, expected.reference["values"], rtol=0, atol=1e-10)

    def test_the_regression_is_that_of_scikit_learn(self, one: Tried, rng: np.random.Generator) -> None:
        linear_model = pytest.importorskip("sklearn.linear_model")
        case = one.case("lime_weights", 0)
        masks, worth = case.inputs["masks"][0], rng.normal(size=len(case.inputs["masks"][0]))
        importance = one.answers.right.nearness(masks, 0.25)
        theirs = linear_model.Ridge(alpha=0.7).fit(masks, worth, sample_weight=importance).coef_
        assert np.allclose(one.answers.right.regression(masks, worth, importance, 0.7), theirs, rtol=0, atol=1e-12)

    def test_the_weights_of_neighbours_are_those_of_the_package(self, one: Tried) -> None:
        lime_image = pytest.importorskip("lime.lime_image")
        metrics = pytest.importorskip("sklearn.metrics")
        masks = one.case("lime_weights", 0).inputs["masks"][0]
        distances = metrics.pairwise_distances(masks, masks[:1], metric="cosine").ravel()
        theirs = lime_image.LimeImageExplainer(kernel_width=0.3).base.kernel_fn(distances)
        assert np.allclose(one.answers.right.nearness(masks, 0.3), theirs, rtol=0, atol=1e-7)


class TestMistakes:
    def test_every_mistake_breaks_a_property_on_twenty_draws(self, one: Tried) -> None:
        for seed in range(20):
            case, expected = case_and_answers(NAME, one.framework, "shap_values", seed)
            for mistake, outputs in expected.mistakes.items():
                verdicts = [p.check(case.inputs, outputs, expected.reference) for p in one.properties("shap_values")]
                assert not all(verdict.holds for verdict in verdicts), (seed, mistake)

    def test_values_in_other_columns_keep_the_points_of_additivity_only(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "shap_values", 1)
        moved = np.roll(expected.reference["values"], 1, axis=1)
        result = one.score(case, {"values": moved}, expected)
        assert result.score == pytest.approx(0.4 * result.max_score)
        assert "A column that the network does not use" in result.message
        assert "not in the order of the exact ones" in result.message

    def test_the_hints_name_what_was_measured(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "classifier_function", 1)
        twice = expected.mistakes["softmax_twice"]
        message = one.score(case, twice, expected).message
        lowest, highest = twice["of_floats"].min(), twice["of_floats"].max()
        assert f"between {lowest:.2f} and {highest:.2f}" in message


class TestCases:
    def test_pictures_are_as_lime_hands_them_over(self, one: Tried) -> None:
        inputs = one.case("classifier_function", 0).inputs
        assert inputs["bytes"].dtype == np.uint8
        assert inputs["floats"].max() <= 1
        for pictures in inputs.values():
            assert pictures.shape[3] == 3
            assert pictures.shape[1] != pictures.shape[2]
            assert len(set(pictures.max((1, 2, 3)))) > 1

    def test_one_picture_and_one_row_come_with_two_labels(self, one: Tried) -> None:
        pictures, rows = (one.case(task, 0).inputs for task in ("lime_weights", "shap_values"))
        assert np.array_equal(pictures["pictures"][0], pictures["pictures"][2])
        assert pictures["labels"][0] != pictures["labels"][2]
        assert np.array_equal(rows["rows"][0], rows["rows"][1])
        assert rows["labels"][0] != rows["labels"][1]

    def test_every_superpixel_is_there_and_no_neighbour_is_wholly_hidden(self, one: Tried) -> None:
        for seed in range(5):
            inputs = one.case("lime_weights", seed).inputs
            for segments, masks in zip(inputs["segments"], inputs["masks"], strict=True):
                assert set(segments.ravel()) == set(range(masks.shape[1]))
                assert masks.any(1).all()
                assert masks[0].all()


class TestDriver:
    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="shap_values returned None"):
            one.run(one.case("shap_values", 0), "def shap_values(*given):\n    pass\n", tmp_path)
