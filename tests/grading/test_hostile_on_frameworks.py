"""Every attack behind a framework that is loaded and has computed: its threads and signal handlers are there too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twinlens.grading.assignment import LoadedAssignment
from twinlens.grading.grade import grade_one
from twinlens.grading.sandbox import Isolation

from ..frameworks import BOTH, need
from .attack import LIMITS_OF_FRAMEWORKS, Attack
from .handed_in import Known, tables_in
from .hostile_submissions import attacks

NAMES = [attack.name for attack in attacks(1, 1, "/")]
UNSEEN = ("endless_output", "much_output", "exit_at_once")
"""What the driver prints before these is pushed out of the log, or never printed."""
IMPORT_SECONDS = 8
IMPORTED_MB = 100
"""NumPy alone takes a third of it, either framework twice as much."""


@pytest.fixture(scope="module")
def with_network(tmp_path_factory: pytest.TempPathFactory) -> LoadedAssignment:
    return tables_in(tmp_path_factory.mktemp("with_network") / "tables", LIMITS_OF_FRAMEWORKS, network=True)


def for_attack(attack: Attack, loaded: LoadedAssignment) -> LoadedAssignment:
    """With the attacked task alone, unless the other one is a target too."""
    tasks = loaded.assignment.tasks if attack.outlasting else loaded.assignment.tasks[:1]
    limits = loaded.assignment.limits.model_copy(update={"wall_seconds": attack.wall_seconds + IMPORT_SECONDS})
    return replace(loaded, assignment=loaded.assignment.model_copy(update={"tasks": tasks, "limits": limits}))


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("name", NAMES)
def test_an_attack_earns_what_its_arrays_earn(
    name: str,
    framework: str,
    known_attacks: dict[str, Attack],
    with_network: LoadedAssignment,
    isolation: Isolation,
) -> None:
    need(framework)
    attack = known_attacks[name].on(framework)
    loaded = for_attack(attack, with_network)
    result = grade_one(attack.submission(), loaded, 11, isolation, Known(loaded))
    attack.check(result)
    attacked = result.tasks[0]
    assert attacked.peak_mb > IMPORTED_MB
    assert f"A network of {framework} has run." in attacked.log_tail or attack.id in UNSEEN
