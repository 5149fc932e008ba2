"""Settings in words become the parameters of methods."""

from __future__ import annotations

import pytest

import twinlens as tl
from twinlens.tasks.asked import parsed_settings

METHODS = [tl.methods()[name] for name in ("lime", "noise_tunnel")]


def test_a_setting_with_a_point_is_one_entry_of_a_parameter() -> None:
    settings = ["inner_params.steps=5", "samples=7", "inner_params.layer=4", "segment_options={cells: 2}"]
    found = parsed_settings([*settings, "segment_options.ratio=0.5"], METHODS)
    assert found == {
        "inner_params": {"steps": 5, "layer": "4"},
        "samples": 7,
        "segment_options": {"cells": 2, "ratio": 0.5},
    }


def test_names_of_layers_that_are_numbers_are_kept_as_names() -> None:
    refinecam = [tl.methods()["refinecam"]]
    assert parsed_settings(["layers=[7, 4, head]"], refinecam) == {"layers": ["7", "4", "head"]}


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (["inner_param.steps=5"], tl.errors.MethodError, "no.*'inner_param'.*inner_params|parameter 'inner_param'"),
        (["inner_params.=5"], tl.errors.ConfigError, "is not a setting"),
        (["samples=5", "samples.steps=5"], tl.errors.ConfigError, "entry of samples=5.*Leave one"),
    ],
)
def test_what_is_no_entry_of_a_parameter_is_named(settings: list[str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        parsed_settings(settings, METHODS)
