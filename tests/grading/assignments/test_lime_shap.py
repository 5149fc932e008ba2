"""The assignment on LIME and SHAP: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import twinlens as tl
from twinlens.grading.soundness import faults

from ...frameworks import BOTH
from .changed_lines import changes, with_mistake
from .trying import SUBMISSIONS, Tried, case_and_answers, tried

NAME = "lime_shap"
TASKS = ("classifier_function", "lime_weights", "shap_values")
CHANGES = [(number, task, mistake) for number, (task, mistake, _) in enumerate(changes(NAME))]


@pytest.fixture(params=BOTH)
def one(request: pytest.FixtureRequest) -> Tried:
    return tried(NAME, request.param)


def submitted(one: Tried, name: str = "right") -> str:
    return (SUBMISSIONS / NAME / one.framework / f"{name}.py").read_text("utf-8")


class TestRight:
    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("name", ["right", "other_way"])
    def test_a_right_submission_has_full_marks_on_twenty_draws(
        self, one: Tried, task: str, name: str, tmp_path: Path
    ) -> None:
        if (one.framework, name) == ("torch", "other_way"):
            pytest.importorskip("shap")
        for seed in range(20):
            case, expected = case_and_answers(NAME, one.framework, task, seed)
            result = one.score(case, one.run(case, submitted(one, name), tmp_path), expected)
            assert result.score == result.max_score, (seed, result.message)

    def test_public_cases_are_passed_as_well(self, one: Tried, tmp_path: Path) -> None:
        for task in TASKS:
            case = one.case(task, 0, public=True)
            result = one.score(case, one.run(case, submitted(one), tmp_path), one.expected(case))
            assert result.status == "passed"

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
        importance = one.answers.nearness(masks, 0.25)
        theirs = linear_model.Ridge(alpha=0.7).fit(masks, worth, sample_weight=importance).coef_
        assert np.allclose(one.answers.regression(masks, worth, importance, 0.7), theirs, rtol=0, atol=1e-12)

    def test_the_weights_of_neighbours_are_those_of_the_package(self, one: Tried) -> None:
        lime_image = pytest.importorskip("lime.lime_image")
        metrics = pytest.importorskip("sklearn.metrics")
        masks = one.case("lime_weights", 0).inputs["masks"][0]
        distances = metrics.pairwise_distances(masks, masks[:1], metric="cosine").ravel()
        theirs = lime_image.LimeImageExplainer(kernel_width=0.3).base.kernel_fn(distances)
        assert np.allclose(one.answers.nearness(masks, 0.3), theirs, rtol=0, atol=1e-7)


class TestMistakes:
    @pytest.mark.parametrize(("number", "task", "mistake"), CHANGES)
    def test_a_wrong_submission_gets_the_hint_and_the_credit_of_its_mistake(
        self, one: Tried, number: int, task: str, mistake: str, tmp_path: Path
    ) -> None:
        case, expected = case_and_answers(NAME, one.framework, task, 1)
        result = one.score(case, one.run(case, with_mistake(NAME, one.framework, number), tmp_path), expected)
        assert result.hint_id == mistake, result.message
        assert "?" not in result.message
        credit = {known.id: known.credit for known in one.mistakes(task)}
        if mistake in credit:
            assert result.score == pytest.approx(credit[mistake] * result.max_score)
        else:
            assert 0 <= result.score < result.max_score

    def test_every_mistake_of_every_task_is_tried(self, one: Tried) -> None:
        tried_here = {(task, mistake) for _, task, mistake in CHANGES}
        assert {(task, mistake.id) for task in TASKS for mistake in one.mistakes(task)} <= tried_here

    @pytest.mark.parametrize("task", TASKS)
    def test_mistakes_are_told_from_the_reference_and_from_each_other_on_twenty_draws(
        self, one: Tried, task: str
    ) -> None:
        for seed in range(20):
            case, expected = case_and_answers(NAME, one.framework, task, seed)
            assert faults(case.inputs, expected, one.mistakes(task), one.properties(task)) == []
        public = one.case(task, 0, public=True)
        assert faults(public.inputs, one.expected(public), one.mistakes(task), one.properties(task)) == []

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

    def test_zeros_earn_nothing(self, one: Tried) -> None:
        for task in TASKS:
            case, expected = case_and_answers(NAME, one.framework, task, 1)
            zeros = {name: np.zeros_like(values) for name, values in expected.reference.items()}
            assert one.score(case, zeros, expected).score == 0

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

    def test_public_and_hidden_draws_differ_and_repeat(self, one: Tried) -> None:
        hidden, again, public = (one.case("shap_values", 3, public) for public in (False, False, True))
        assert np.array_equal(hidden.inputs["rows"], again.inputs["rows"])
        assert not np.array_equal(hidden.inputs["rows"], public.inputs["rows"])
        assert not np.array_equal(hidden.weights["table.output.weight"], public.weights["table.output.weight"])

    def test_both_ways_of_loading_weights_give_the_same_network(self, one: Tried) -> None:
        case = one.case(TASKS[0], 0)
        model = one.model(case, "float32")
        one.network.load(model.net, {name: 0.5 * values for name, values in case.weights.items()})
        assert all(np.array_equal(values, 0.5 * case.weights[name]) for name, values in model.state().items())


class TestDriver:
    def test_what_is_not_written_yet_says_so(self, one: Tried, tmp_path: Path) -> None:
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        for task in TASKS:
            with pytest.raises(NotImplementedError, match=task):
                one.run(one.case(task, 0), starter, tmp_path)

    def test_a_missing_function_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match="no function 'lime_weights'"):
            one.run(one.case("lime_weights", 0), "x = 1", tmp_path)

    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="shap_values returned None"):
            one.run(one.case("shap_values", 0), "def shap_values(*given):\n    pass\n", tmp_path)


class TestWhatStudentsGet:
    def test_no_file_for_students_shows_or_imports_the_answers(self, one: Tried) -> None:
        for path in one.loaded.student_files().values():
            text = path.read_text("utf-8")
            assert "twinlens" not in text.replace("twinlens check", "")
            assert "answers.py" not in text
