"""Hostile submissions end with the points that their arrays earn, and neither the grader nor anybody else notices.

Here students' processes load no framework and so start at once; ``test_hostile_on_frameworks.py`` has the same attacks
behind a framework, ``test_hostile_classes.py`` has them among other students.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twinlens.grading.archives import SubmissionError
from twinlens.grading.grade import grade_one
from twinlens.grading.sandbox import Isolation
from twinlens.grading.submission import read_submission

from .attack import LIMITS, Attack
from .handed_in import Known, tables
from .hostile_submissions import attacks, hostile_archives

NAMES = [attack.name for attack in attacks(1, 1, "/")]


def test_every_known_attack_is_tried() -> None:
    numbers = {attack.number for attack in attacks(1, 1, "/")} | {int(name[:2]) for name in hostile_archives("/")}
    assert numbers == set(range(1, 30))


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", NAMES)
def test_an_attack_earns_what_its_arrays_earn(
    name: str, known_attacks: dict[str, Attack], isolation: Isolation
) -> None:
    attack = known_attacks[name]
    loaded = tables()
    limits = LIMITS.model_copy(update={"wall_seconds": attack.wall_seconds})
    loaded = replace(loaded, assignment=loaded.assignment.model_copy(update={"limits": limits}))
    result = grade_one(attack.submission(), loaded, 11, isolation, Known(loaded))
    attack.check(result)
    assert len(result.tasks[0].log_tail.encode()) <= 1024 * LIMITS.log_kb


@pytest.mark.parametrize("name", hostile_archives("/outside"))
def test_a_hostile_zip_is_refused_and_nothing_is_unpacked(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tmp_path / "in" / "lee.zip"
    path.parent.mkdir()
    path.write_bytes(hostile_archives(str(outside))[name])
    with pytest.raises(SubmissionError):
        read_submission(path)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["in", "lee.zip", "outside"]
