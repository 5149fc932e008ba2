"""What holds of every shipped assignment; each file of tests here says it of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.protocol import Arrays
from twinlens.grading.student.runner import load_weights
from twinlens.grading.ways import laid_out

from .trying import Tried, case_and_answers, shown, source, wrong_submissions


class EveryAssignment:
    def test_right_submissions_pass_and_all_mistakes_are_told_apart_on_twenty_draws(
        self, one: Tried, any_task: str, tmp_path: Path
    ) -> None:
        for seed, public in [(0, True), *((seed, False) for seed in range(20))]:
            case = one.case(any_task, seed, public)
            expected = one.expected(case)
            for name, text in one.right_submissions().items():
                result = one.score(case, one.run(case, text, tmp_path), expected)
                assert result.score == result.max_score, (seed, name, result.message)
            assert one.faults(case, expected) == [], seed

    def test_a_wrong_submission_gets_the_hint_and_the_credit_of_its_mistake(
        self, one: Tried, wrong: str, tmp_path: Path
    ) -> None:
        text = source(one.name, one.framework, wrong)
        for task, mistake in shown(one.name, one.framework, wrong).items():
            case, expected = case_and_answers(one.name, one.framework, task, 1)
            result = one.score(case, one.run(case, text, tmp_path), expected)
            assert result.hint_id == mistake, (task, result.message)
            assert "?" not in result.message
            credit = {known.id: known.credit for known in one.mistakes(task)}
            if mistake in credit:
                assert result.score == pytest.approx(credit[mistake] * result.max_score)
            else:  # a property that does not hold
                assert 0 <= result.score < result.max_score

    def test_every_mistake_of_every_task_is_tried(self, one: Tried) -> None:
        names = wrong_submissions(one.name)
        made = {pair for name in names for pair in shown(one.name, one.framework, name).items()}
        known = {(task, mistake.id) for task in one.tasks for mistake in one.mistakes(task)}
        broken = {(task, each.id) for task in one.tasks for each in one.properties(task)}
        assert known <= made <= known | broken

    def test_zeros_earn_nothing(self, one: Tried, any_task: str) -> None:
        case, expected = case_and_answers(one.name, one.framework, any_task, 1)
        zeros = {name: np.zeros_like(values) for name, values in expected.reference.items()}
        assert one.score(case, zeros, expected).score == 0

    def test_public_and_hidden_draws_differ_and_repeat(self, one: Tried, any_task: str) -> None:
        hidden, again, public = (one.case(any_task, 3, public) for public in (False, False, True))
        for drawn, same, other in [
            (hidden.inputs, again.inputs, public.inputs),
            (hidden.weights, again.weights, public.weights),
        ]:
            assert all(np.array_equal(drawn[name], same[name]) for name in drawn)
            assert not [name for name in numbers(drawn) if np.array_equal(drawn[name], other[name])]

    def test_the_runner_loads_weights_as_twinlens_does(self, one: Tried) -> None:
        case = one.case(one.tasks[0], 0)
        model = one.model(case, "float32")
        load_weights(model.net, {name: 0.5 * values for name, values in case.weights.items()})
        assert all(np.array_equal(values, 0.5 * case.weights[name]) for name, values in model.state().items())

    def test_what_is_not_written_yet_says_so(self, one: Tried, any_task: str, tmp_path: Path) -> None:
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        with pytest.raises(NotImplementedError, match=any_task):
            one.run(one.case(any_task, 0), starter, tmp_path)

    def test_a_missing_function_is_named(self, one: Tried, any_task: str, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match=f"no function '{any_task}'"):
            one.run(one.case(any_task, 0), "x = 1", tmp_path)

    def test_no_file_for_students_shows_or_imports_the_answers(self, one: Tried) -> None:
        for path in one.loaded.student_files().values():
            text = path.read_text("utf-8")
            assert "twinlens" not in text.replace("twinlens check", "")
            assert not [word for word in ("answers.py", "answers/", "import answers", "from answers") if word in text]
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        assert not [line for line in starter.splitlines() if line.startswith(("import ", "from "))]


class LabelledPictures:
    def test_labels_are_unlike_the_prediction_and_its_neighbours(self, one: Tried) -> None:
        for seed in range(10):
            case = one.case(one.tasks[seed % len(one.tasks)], seed)
            predicted = one.model(case).predict(laid_out(case.inputs["pictures"]))
            labels = case.inputs["labels"]
            assert (abs(predicted - labels) > 1).all()
            assert ((labels > 0) & (labels < 6)).all()


def numbers(arrays: Arrays) -> list[str]:
    """Names of the arrays that are drawn from so many values that no two draws are alike."""
    return [name for name, values in arrays.items() if values.dtype.kind == "f" and values.size > 1]
