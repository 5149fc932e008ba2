"""The assignment on feature maps: right submissions pass, each mistake is told from all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .every_assignment import EveryAssignment
from .trying import Tried, case_and_answers

NAME = "feature_maps"


class TestAssignment(EveryAssignment):
    pass


class TestRight:
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
    def test_the_hints_name_what_was_measured(self, one: Tried) -> None:
        case, expected = case_and_answers(NAME, one.framework, "capture_features", 1)
        messages = {name: one.score(case, arrays, expected).message for name, arrays in expected.mistakes.items()}
        assert messages["hook_kept"] == "One forward gave 2 captures; remove the handle."
        together, other = expected.mistakes["train_mode"]["first"][2], expected.mistakes["train_mode"]["second"][0]
        change = 100 * np.abs(other - together).max() / np.abs(together).max()
        assert f"changes by {change:.0f} % with its batch mates" in messages["train_mode"]


class TestCases:
    def test_pictures_are_not_square_and_of_several_scales(self, one: Tried) -> None:
        for task in one.tasks[1:]:
            pictures = one.case(task, 0).inputs["pictures"]
            assert pictures.shape[2] != pictures.shape[3]
            peaks = np.abs(pictures).max((1, 2, 3))
            assert peaks.max() > 2 * peaks.min()

    def test_layers_are_numbered_alike_everywhere(self, one: Tried) -> None:
        assert one.answers.LAYERS == one.network.LAYERS == one.driver.LAYERS


class TestDriver:
    def test_returning_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(TypeError, match="edit_features returned None"):
            one.run(one.case("edit_features", 0), "def edit_features(*given):\n    pass\n", tmp_path)

    def test_capturing_nothing_is_named(self, one: Tried, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="put nothing into the list"):
            one.run(one.case("capture_features", 0), "def capture_features(*given):\n    pass\n", tmp_path)
