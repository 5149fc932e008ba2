"""Methods whose package is not installed are skipped, as in the tests of all methods."""

from __future__ import annotations

import pytest

from ..calls import PACKAGES


@pytest.fixture(autouse=True)
def _the_package_that_the_method_needs(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    method = callspec and callspec.params.get("method")
    if method in PACKAGES:
        pytest.importorskip(PACKAGES[method])
