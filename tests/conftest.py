"""Every test that takes `backend` runs once on each framework."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import numpy as np
import pytest

from twinlens.backends import Backend, available_backends

from .frameworks import BOTH, need


def pytest_configure(config: pytest.Config) -> None:
    missing = [name for name in BOTH if name not in available_backends()]
    if missing and os.environ.get("TWINLENS_REQUIRE_BOTH"):
        pytest.exit(f"TWINLENS_REQUIRE_BOTH is set and {', '.join(missing)} is not installed.", returncode=4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs second derivatives of Paddle where it has none, and says so (see `test_operations.py`)."""
    if "paddle" not in available_backends() or not need("paddle").version.startswith("2."):
        return
    for item in items:
        if re.search(r"test_second_derivatives\.py|\[.*shapleycam|test_shapleycam\.py(?!.*\[torch)", item.nodeid):
            item.add_marker(pytest.mark.skip(reason="Paddle 3 began to differentiate twice"))


@pytest.fixture(params=BOTH)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Torch, then Paddle."""
    return need(request.param)


@pytest.fixture
def both() -> tuple[Backend, Backend]:
    """Torch and Paddle together, for comparisons."""
    return need("torch"), need("paddle")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _global_random_state_is_left_alone() -> Iterator[None]:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    yield
    assert np.random.get_state()[1].tobytes() == before, "the test changed NumPy's global random state"  # noqa: NPY002
