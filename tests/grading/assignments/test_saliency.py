"""The assignment on saliency maps: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.ways import laid_out

from ...frameworks import BOTH
from .trying import Tried, case_and_answers, shown, source, tried, wrong_submissions

pytestmark = [
    pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning"),  # Paddle, in training mode
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),  # torch, at one of the mistakes
]

NAME = "saliency"
TASKS = ("compute_saliency_maps", "smooth_grad", "integrated_gradients")


@pytest.fixture(params=BOTH)
def one(request: pytest.FixtureRequest) -> Tried:
    return tried(NAME, request.param)


class TestTwentyDraws:
    @pytest.mark.parametrize("task", TASKS)
    def test_the_right_submission_passes_and_all_mistakes_are_told_apart(
        self, one: Tried, task: str, tmp_path: Path
    ) -> None:
        right = source(NAME, one.framework, "right")
        for seed in range(20):
            case = one.case(task, seed)
            expected = one.expected(case)
            result = one.score(case, one.run(case, right, tmp_path), expected)
            assert result.score == result.max_score, (seed, result.message)
            assert one.faults(case, expected) == [], seed


class TestRight:
    def test_numpy_arrays_may_be_returned(self, one: Tried, tmp_path: Path) -> None:
        right = source(NAME, one.framework, "right").replace("def smooth_grad(", "def smooth_in_tensors(")
        right += "\n\ndef smooth_grad(*given):\n    return smooth_in_tensors(*given).numpy()\n"
        case, expected = case_and_answers(NAME, one.framework, "smooth_grad", 0)
        assert one.score(case, one.run(case, right, tmp_path), expected).status == "passed"

    def test_integrated_gradients_come_near_the_rise_of_the_score(self, one: Tried) -> None:
        case = one.case("integrated_gradients", 0)
        inputs = {**case.inputs, "steps": np.array(200)}
        model = one.model(case)
        total = one.answers.expected("integrated_gradients", model, inputs)["attributions"].sum((1, 2, 3))
        scores = (model.forward(laid_out(inputs[name])) for name in ("pictures", "baseline"))
        rise = np.subtract(*(found[np.arange(4), inputs["labels"]] for found in scores))
        assert np.allclose(total, rise, rtol=1e-3, atol=1e-4)


class TestMistakes:
    @pytest.mark.parametrize("name", wrong_submissions(NAME))
    def test_a_wrong_submission_gets_the_hint_and_the_credit_of_its_mistake(
        self, one: Tried, name: str, tmp_path: Path
    ) -> None:
        for task, mistake_id in shown(NAME, one.framework, name).items():
            case, expected = case_and_answers(NAME, one.framework, task, 1)
            result = one.score(case, one.run(case, source(NAME, one.framework, name), tmp_path), expected)
            (mistake,) = (mistake for mistake in one.mistakes(task) if mistake.id == mistake_id)
            assert result.hint_id == mistake_id, (task, result.message)
            assert result.score == pytest.approx(mistake.credit * result.max_score)
            assert "?" not in result.message

    def test_every_mistake_of_every_task_is_tried(self, one: Tried) -> None:
        made = {pair for name in wrong_submissions(NAME) for pair in shown(NAME, one.framework, name).items()}
        assert made == {(task, mistake.id) for task in TASKS for mistake in one.mistakes(task)}

    def test_zeros_earn_nothing(self, one: Tried) -> None:
        for task in TASKS:
            case, expected = case_and_answers(NAME, one.framework, task, 0)
            zeros = {name: np.zeros_like(values) for name, values in expected.reference.items()}
            assert one.score(case, zeros, expected).score == 0

    def test_the_hints_name_what_was_measured(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "compute_saliency_maps", 0)
        messages = {
            name: one.score(case, arrays, expected).message
            for name, arrays in expected.mistakes.items()
            if name in ("batch_normalised", "accumulated", "training_mode")
        }
        peaks = expected.mistakes["batch_normalised"]["normalised"].max((1, 2))
        assert f"Picture {peaks.argmin()} peaks at {peaks.min():.2f}" in messages["batch_normalised"]
        assert "gives 2 times the first" in messages["accumulated"]
        assert f"Picture {int(case.inputs['alone'])} changes by " in messages["training_mode"]


class TestCases:
    def test_labels_are_unlike_the_prediction_and_its_neighbours(self, one: Tried) -> None:
        for seed in range(10):
            case = one.case(TASKS[seed % 3], seed)
            predicted = one.model(case).predict(laid_out(case.inputs["pictures"]))
            labels = case.inputs["labels"]
            assert (abs(predicted - labels) > 1).all()
            assert ((labels > 0) & (labels < 6)).all()

    def test_public_and_hidden_draws_differ_and_repeat(self, one: Tried) -> None:
        hidden, again, public = (one.case(TASKS[0], 3, public) for public in (False, False, True))
        assert np.array_equal(hidden.inputs["pictures"], again.inputs["pictures"])
        assert not np.array_equal(hidden.inputs["pictures"], public.inputs["pictures"])
        assert not np.array_equal(hidden.weights["conv1.weight"], public.weights["conv1.weight"])

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
        with pytest.raises(AttributeError, match="no function 'smooth_grad'"):
            one.run(one.case("smooth_grad", 0), "x = 1", tmp_path)

    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="smooth_grad returned None"):
            one.run(one.case("smooth_grad", 0), "def smooth_grad(*given):\n    pass\n", tmp_path)

    def test_an_error_that_has_nothing_to_do_with_gradients_stays_itself(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'shape'"):
            one.run(one.case("smooth_grad", 0), "def smooth_grad(*given):\n    return None.shape\n", tmp_path)


class TestWhatStudentsGet:
    def test_no_file_for_students_shows_or_imports_the_answers(self, one: Tried) -> None:
        for path in one.loaded.student_files().values():
            text = path.read_text("utf-8")
            assert "import twinlens" not in text
            assert "from twinlens" not in text
            assert "answers" not in text.replace("answers copied", "").replace("classic answers", "")
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        assert not [line for line in starter.splitlines() if line.startswith(("import ", "from "))]
