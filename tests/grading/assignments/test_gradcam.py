"""The assignment on Grad-CAM: right submissions pass, each mistake is told from all others."""

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

NAME = "gradcam"
TASKS = ("capture_layer", "grad_cam")


@pytest.fixture(params=BOTH)
def one(request: pytest.FixtureRequest) -> Tried:
    return tried(NAME, request.param)


class TestTwentyDraws:
    @pytest.mark.parametrize("task", TASKS)
    def test_the_right_submission_passes_and_all_mistakes_are_told_apart(
        self, one: Tried, task: str, tmp_path: Path
    ) -> None:
        right = source(NAME, one.framework, "right")
        layers = set()
        for seed in range(20):
            case = one.case(task, seed)
            layers.add(int(case.inputs["layer"]))
            expected = one.expected(case)
            result = one.score(case, one.run(case, right, tmp_path), expected)
            assert result.score == result.max_score, (seed, result.message)
            assert one.faults(case, expected) == [], seed
        assert layers == {2, 3}


class TestRight:
    def test_the_activation_is_what_the_convolution_itself_puts_out(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_layer", 0)
        layer = int(case.inputs["layer"])
        size = {2: (12, 12, 16), 3: (16, 6, 8)}[layer]
        assert expected.reference["activations"].shape == (2, 4, *size)
        model = one.model(case)
        with model.capture(f"bn{layer}") as behind:
            model.forward(laid_out(case.inputs["pictures"]))
        assert not np.allclose(behind[f"bn{layer}"], expected.reference["activations"][0])

    def test_every_picture_has_places_for_and_against_the_label(self, one: Tried) -> None:
        for seed in range(20):
            case = one.case("grad_cam", seed)
            maps = one.answers.expected("grad_cam", one.model(case), case.inputs)["maps"]
            assert ((maps > 0).any((1, 2)) & (maps == 0).any((1, 2))).all()


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

    def test_a_kept_hook_is_counted(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_layer", 0)
        message = one.score(case, expected.mistakes["hook_kept"], expected).message
        assert "appended 2 activations for one run" in message

    def test_zeros_earn_nothing(self, one: Tried) -> None:
        for task in TASKS:
            case, expected = case_and_answers(NAME, one.framework, task, 0)
            zeros = {name: np.zeros_like(values) for name, values in expected.reference.items()}
            assert one.score(case, zeros, expected).score == 0


class TestCases:
    def test_labels_are_unlike_the_prediction_and_its_neighbours(self, one: Tried) -> None:
        for seed in range(10):
            case = one.case(TASKS[seed % 2], seed)
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

    def test_nothing_appended_is_an_empty_output(self, one: Tried, tmp_path: Path) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_layer", 0)
        outputs = one.run(case, "def capture_layer(*given):\n    pass\n", tmp_path)
        result = one.score(case, outputs, expected)
        assert (result.status, result.score) == ("bad_output", 0)
        assert "'activations' is empty" in result.message

    def test_a_missing_function_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match="no function 'grad_cam'"):
            one.run(one.case("grad_cam", 0), "x = 1", tmp_path)


class TestWhatStudentsGet:
    def test_no_file_for_students_shows_or_imports_the_answers(self, one: Tried) -> None:
        for path in one.loaded.student_files().values():
            text = path.read_text("utf-8")
            assert "import twinlens" not in text
            assert "from twinlens" not in text
            assert "answers" not in text.replace("answers\ncopied", "").replace("Grad-CAM answers", "")
        starter = (one.loaded.folder / "starter.py").read_text("utf-8")
        assert not [line for line in starter.splitlines() if line.startswith(("import ", "from "))]
