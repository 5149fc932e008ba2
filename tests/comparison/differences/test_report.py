"""The report says where and why, in words, in a tree and in JSON."""

from __future__ import annotations

import json

import pytest

from twinlens.backends import Backend
from twinlens.comparison.differences import diff
from twinlens.comparison.differences.result import Cause, Difference, Place

from .nets import pair, picture


def test_the_tree_marks_the_place(both: tuple[Backend, Backend]) -> None:
    found = diff(*pair(*both, activation="gelu"), picture())
    text = str(found)
    (marked,) = [line for line in text.splitlines() if "<-- HERE" in line]
    assert "act4 (silu)" in marked
    assert "activation" in marked
    assert "Net (torch, float32)" in text
    assert "Net (paddle, float32)" in text
    assert text.splitlines()[-1] == found.verdict == "The networks part at 'block.act4' (silu): activation."


def test_what_agrees_is_folded(both: tuple[Backend, Backend]) -> None:
    text = str(diff(*pair(*both, slope=0.5), picture()))
    assert "block (block)" in text
    assert "conv4" not in text
    assert "Beside float64" not in text
    agreeing = str(diff(*pair(*both), picture()))
    assert "HERE" not in agreeing
    assert "Beside float64" in agreeing
    assert agreeing.endswith("The networks agree on this input, forward and backward.")


def test_training_alone_is_told_apart(both: tuple[Backend, Backend]) -> None:
    found = diff(*pair(*both, momentum=0.4), picture())
    assert found.agrees
    assert found.first == "norm2"
    assert found.verdict == "The networks agree on this input, and would part in training at 'norm2': momentum."


@pytest.mark.parametrize(
    ("confidence", "said"), [("certain", "at 'conv': scale."), ("likely", "at 'conv': probably scale.")]
)
def test_the_verdict_is_no_surer_than_its_cause(confidence: str, said: str) -> None:
    cause = Cause("scale", "", 1.0, 0.0, confidence)
    place = Place("conv", "conv", 0, "forward", "at 'conv'", 1.0, 1.0, (cause,))
    assert Difference("A", "B", "conv", False, (place,), (), None, (), 1.0, 1.0, False).verdict.endswith(said)


def test_what_is_not_explained_is_said_to_be_so(both: tuple[Backend, Backend]) -> None:
    found = diff(*pair(*both, functional=lambda kit, x: kit.f.relu(x) + x**3 * 0.1), picture())
    assert found.first == "pad"
    assert found.causes == ()
    assert "no experiment explains it" in str(found)


def test_everything_is_json(both: tuple[Backend, Backend]) -> None:
    found = diff(*pair(*both, stride=2), picture(), teacher_forced=True)
    read = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert read["first"] == "conv3"
    assert read["verdict"] == found.verdict
    assert read["places"][0]["relative_l2"] == "inf"
    assert read["places"][0]["causes"][0]["name"] == "stride"
    assert [row["layer"] for row in read["rows"]] == [row.layer for row in found.rows]
