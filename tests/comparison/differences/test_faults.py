"""Every planted fault is found at its place, and called by its name."""

from __future__ import annotations

import pytest

from twinlens.backends import Backend
from twinlens.comparison.differences import diff

from ...frameworks import need
from .faults import FAULTS, Fault
from .nets import pair, picture


@pytest.mark.parametrize("frameworks", [("torch", "paddle"), ("paddle", "torch")], ids="-".join)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_named(fault: Fault, frameworks: tuple[str, str]) -> None:
    if fault.only not in (None, frameworks[1]):
        pytest.skip(f"only {fault.only} can do this")
    a, b = map(need, frameworks)
    first, second = pair(a, b, **fault.options)
    if fault.weights is not None:
        state = second.state()
        fault.weights(state)
        second.load_state(state)

    found = diff(first, second, picture())

    assert found.first == fault.first
    assert [cause.name for cause in found.causes] == [fault.cause], found.causes
    # Paddle 2.6 gives group norm of half precision another order of rounding than this experiment repeats.
    rounded = fault.name in ("bfloat16", "float16") and b.name == "paddle" and b.version.startswith("2.")
    assert found.causes[0].confidence == ("likely" if rounded else "certain")
    assert fault.says in found.causes[0].text


def test_there_are_enough_layers_and_faults(backend: Backend) -> None:
    leaves = [row for row in diff(*pair(backend, backend), picture()).rows if row.layer not in ("", "block")]
    assert len(leaves) >= 20
    assert len({fault.cause for fault in FAULTS}) >= 15
