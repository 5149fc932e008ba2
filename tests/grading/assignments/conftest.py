"""Each file of tests here is about the assignment that its NAME says, on both frameworks."""

from __future__ import annotations

import pytest

from twinlens.grading.assignment import load_assignment

from ...frameworks import BOTH
from .trying import Tried, tried, wrong_submissions


@pytest.fixture(params=BOTH)
def one(request: pytest.FixtureRequest) -> Tried:
    return tried(request.module.NAME, request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "any_task" in metafunc.fixturenames:
        tasks = load_assignment(metafunc.module.NAME).assignment.tasks
        metafunc.parametrize("any_task", [task.id for task in tasks])
    if "wrong" in metafunc.fixturenames:
        metafunc.parametrize("wrong", wrong_submissions(metafunc.module.NAME))
