"""The assignment on saliency maps: right submissions pass, each mistake is told from all others."""

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

NAME = "saliency"


class TestAssignment(EveryAssignment):
    pass


class TestRight:
    def test_numpy_arrays_may_be_returned(self, one: Tried, tmp_path: Path) -> None:
        right = one.right_submissions()["right"].replace("def smooth_grad(", "def smooth_in_tensors(")
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


class TestCases(LabelledPictures):
    pass


class TestDriver:
    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="smooth_grad returned None"):
            one.run(one.case("smooth_grad", 0), "def smooth_grad(*given):\n    pass\n", tmp_path)

    def test_an_error_that_has_nothing_to_do_with_gradients_stays_itself(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'shape'"):
            one.run(one.case("smooth_grad", 0), "def smooth_grad(*given):\n    return None.shape\n", tmp_path)
