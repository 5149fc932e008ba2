"""The assignment on Grad-CAM: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinlens.grading.ways import laid_out

from .every_assignment import EveryAssignment, LabelledPictures
from .trying import Tried, case_and_answers

pytestmark = [
    pytest.mark.filterwarnings("ignore:When training, we now always track:UserWarning"),  # Paddle, in training mode
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),  # torch, at one of the mistakes
]

NAME = "gradcam"


class TestAssignment(EveryAssignment):
    pass


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
    def test_a_kept_hook_is_counted(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_layer", 0)
        message = one.score(case, expected.mistakes["hook_kept"], expected).message
        assert "appended 2 activations for one run" in message


class TestCases(LabelledPictures):
    def test_both_of_the_later_convolutions_are_asked_about(self, one: Tried, any_task: str) -> None:
        assert {int(one.case(any_task, seed).inputs["layer"]) for seed in range(20)} == {2, 3}


class TestDriver:
    def test_nothing_appended_is_an_empty_output(self, one: Tried, tmp_path: Path) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_layer", 0)
        outputs = one.run(case, "def capture_layer(*given):\n    pass\n", tmp_path)
        result = one.score(case, outputs, expected)
        assert (result.status, result.score) == ("bad_output", 0)
        assert "'activations' is empty" in result.message
