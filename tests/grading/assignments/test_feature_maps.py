"""The assignment on feature maps: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.soundness import faults

from ...frameworks import BOTH
from .changed_lines import changes, with_mistake
from .trying import SUBMISSIONS, Tried, case_and_answers, tried

NAME = "feature_maps"
TASKS = ("capture_features", "edit_features", "remove_hook", "filter_visualisation")
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
        for seed in range(20):
            case, expected = case_and_answers(NAME, one.framework, task, seed)
            result = one.score(case, one.run(case, submitted(one, name), tmp_path), expected)
            assert result.score == result.max_score, (seed, result.message)

    def test_public_cases_are_passed_as_well(self, one: Tried, tmp_path: Path) -> None:
        for task in TASKS:
            case = one.case(task, 0, public=True)
            result = one.score(case, one.run(case, submitted(one), tmp_path), one.expected(case))
            assert result.status == "passed"

    def test_the_ascent_raises_the_filter(self, one: Tried) -> None:
        case = one.case("filter_visualisation", 0)
        reached = one.answers.expected("filter_visualisation", one.model(case), case.inputs)["together"]
        layer = one.driver.LAYERS[int(case.inputs["layer"])]
        model = one.model(case)
        with model.capture(layer) as before:
            model.forward(case.inputs["pictures"])
        with model.capture(layer) as after:
            model.forward(reached)
        channel = int(case.inputs["channel"])
        assert (after[layer][:, channel].sum((1, 2)) > before[layer][:, channel].sum((1, 2))).all()


class TestMistakes:
    @pytest.mark.parametrize(("number", "task", "mistake"), CHANGES)
    def test_a_wrong_submission_gets_the_hint_and_the_credit_of_its_mistake(
        self, one: Tried, number: int, task: str, mistake: str, tmp_path: Path
    ) -> None:
        case, expected = case_and_answers(NAME, one.framework, task, 1)
        result = one.score(case, one.run(case, with_mistake(NAME, one.framework, number), tmp_path), expected)
        (known,) = (each for each in one.mistakes(task) if each.id == mistake)
        assert result.hint_id == mistake, result.message
        assert result.score == pytest.approx(known.credit * result.max_score)
        assert "?" not in result.message

    def test_every_mistake_of_every_task_is_tried(self, one: Tried) -> None:
        assert {(task, mistake) for _, task, mistake in CHANGES} == {
            (task, mistake.id) for task in TASKS for mistake in one.mistakes(task)
        }

    @pytest.mark.parametrize("task", TASKS)
    def test_mistakes_are_told_from_the_reference_and_from_each_other_on_twenty_draws(
        self, one: Tried, task: str
    ) -> None:
        for seed in range(20):
            case, expected = case_and_answers(NAME, one.framework, task, seed)
            assert faults(case.inputs, expected, one.mistakes(task), one.properties(task)) == []
        public = one.case(task, 0, public=True)
        assert faults(public.inputs, one.expected(public), one.mistakes(task), one.properties(task)) == []

    def test_zeros_earn_nothing(self, one: Tried) -> None:
        for task in TASKS:
            case, expected = case_and_answers(NAME, one.framework, task, 1)
            zeros = {name: np.zeros_like(values) for name, values in expected.reference.items()}
            assert one.score(case, zeros, expected).score == 0

    def test_the_hints_name_what_was_measured(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_features", 1)
        messages = {name: one.score(case, arrays, expected).message for name, arrays in expected.mistakes.items()}
        assert messages["hook_kept"] == "One forward gave 2 captures; remove the handle."
        together, other = expected.mistakes["train_mode"]["first"][2], expected.mistakes["train_mode"]["second"][0]
        change = 100 * np.abs(other - together).max() / np.abs(together).max()
        assert f"changes by {change:.0f} % with its batch mates" in messages["train_mode"]


class TestCases:
    def test_pictures_are_not_square_and_of_several_scales(self, one: Tried) -> None:
        for task in TASKS[1:]:
            pictures = one.case(task, 0).inputs["pictures"]
            assert pictures.shape[2] != pictures.shape[3]
            peaks = np.abs(pictures).max((1, 2, 3))
            assert peaks.max() > 2 * peaks.min()

    def test_public_and_hidden_draws_differ_and_repeat(self, one: Tried) -> None:
        hidden, again, public = (one.case(TASKS[1], 3, public) for public in (False, False, True))
        assert np.array_equal(hidden.inputs["pictures"], again.inputs["pictures"])
        assert hidden.inputs["pictures"].shape != public.inputs["pictures"].shape
        assert not np.array_equal(hidden.weights["conv1.weight"], public.weights["conv1.weight"])

    def test_both_ways_of_loading_weights_give_the_same_network(self, one: Tried) -> None:
        case = one.case(TASKS[0], 0)
        model = one.model(case, "float32")
        one.network.load(model.net, {name: 0.5 * values for name, values in case.weights.items()})
        assert all(np.array_equal(values, 0.5 * case.weights[name]) for name, values in model.state().items())

    def test_layers_are_numbered_alike_everywhere(self, one: Tried) -> None:
        assert one.answers.LAYERS == one.network.LAYERS == one.driver.LAYERS


class TestDriver:
    def test_what_is_not_written_yet_says_so(self, one: Tried, tmp_path: Path) -> None:
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        for task in TASKS:
            with pytest.raises(NotImplementedError, match=task):
                one.run(one.case(task, 0), starter, tmp_path)

    def test_a_missing_function_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match="no function 'edit_features'"):
            one.run(one.case("edit_features", 0), "x = 1", tmp_path)

    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="edit_features returned None"):
            one.run(one.case("edit_features", 0), "def edit_features(*given):\n    pass\n", tmp_path)

    def test_capturing_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="put nothing into the list"):
            one.run(one.case("capture_features", 0), "def capture_features(*given):\n    pass\n", tmp_path)


class TestWhatStudentsGet:
    def test_no_file_for_students_shows_or_imports_the_answers(self, one: Tried) -> None:
        for path in one.loaded.student_files().values():
            text = path.read_text("utf-8")
            assert "twinlens" not in text.replace("twinlens check", "")
            assert "answers.py" not in text
