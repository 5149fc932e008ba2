"""Hostile submissions among those of other students: what the others get, and what the instructor reads.

Once no student's process loads a framework; once all do, half of the hostile ones torch and the other half Paddle.
"""

from __future__ import annotations

import csv
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from twinlens.grading.assignment import LoadedAssignment
from twinlens.grading.grade import grade
from twinlens.grading.result import Result
from twinlens.grading.sandbox import Isolation

from ..frameworks import ANY, BOTH, need
from .attack import LIMITS, LIMITS_OF_FRAMEWORKS, Attack
from .conftest import nothing_harmed
from .handed_in import BY_COLUMN, CENTRED, DOUBLED, TRIPLED, code, tables_in, write
from .hostile_submissions import hostile_archives


@dataclass(frozen=True)
class Classes:
    """Two students graded alone, and then among all hostile ones: the folders of results, and the results by id."""

    attacks: list[Attack]
    folder_alone: Path
    folder_together: Path
    alone: dict[str, Result]
    together: dict[str, Result]


@pytest.fixture(scope="module", params=[False, True], ids=["no_framework", "both_frameworks"])
def classes(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    isolation: Isolation,
    known_attacks: dict[str, Attack],
    secret: Path,
    server: socket.socket,
) -> Classes:
    top = tmp_path_factory.mktemp("classes")
    frameworks = BOTH if request.param else (ANY, ANY)
    for framework in frameworks:
        need(framework)
    limits, wall_seconds = (LIMITS_OF_FRAMEWORKS, 20.0) if request.param else (LIMITS, 8.0)
    loaded = tables_in(top / "tables", limits.model_copy(update={"wall_seconds": wall_seconds}), network=request.param)
    others = {
        "ada.py": code(DOUBLED, CENTRED, framework=frameworks[0]),
        "zoe.py": code(TRIPLED, BY_COLUMN, framework=frameworks[1]),
    }
    alone, together = (write(top / name, others) for name in ("alone", "together"))
    attacks = [attack.on(frameworks[place % 2]) for place, attack in enumerate(known_attacks.values())]
    for attack in attacks:
        write(together / attack.name, attack.all_files)
    for name, archive in hostile_archives(str(top)).items():
        (together / f"{name}.zip").write_bytes(archive)
    write(together, {"=cmd() <script>x.py": known_attacks["29-markup_in_messages"].text})
    before = graded(alone, loaded, 1)
    with nothing_harmed(secret, server):
        after = graded(together, loaded, 2)
    return Classes(attacks, results_of(alone), results_of(together), before, after)


def results_of(folder: Path) -> Path:
    return folder.with_name(f"results_{folder.name}")


def graded(folder: Path, loaded: LoadedAssignment, jobs: int) -> dict[str, Result]:
    return {result.submission.id: result for result in grade([folder], loaded, results_of(folder), jobs, seed=5)}


def row(out: Path, id: str) -> dict[str, str]:
    with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        return next(row for row in csv.DictReader(file) if row["id"] == id)


def test_the_others_have_what_they_had(classes: Classes) -> None:
    used = {"cpu_s", "wall_s", "peak_mb"}
    for id in ("ada", "zoe"):
        assert row(classes.folder_alone, id) == row(classes.folder_together, id)
        first, second = (
            results[id].model_dump(exclude={"tasks": {"__all__": used}})
            for results in (classes.alone, classes.together)
        )
        assert first == second
    assert (classes.together["ada"].score, classes.together["zoe"].score) == (10, 4)


def test_every_hostile_one_has_what_it_has_alone(classes: Classes) -> None:
    for attack in classes.attacks:
        result = classes.together[attack.name]
        assert result.submission.framework == attack.framework
        attack.check(result)
    assert {result.score for name, result in classes.together.items() if name.startswith("25")} == {0}
    assert len(classes.together) == len(classes.attacks) + 2 + 4 + 1


def test_no_markup_of_a_student_reaches_a_page_or_a_table(classes: Classes) -> None:
    out = classes.folder_together
    for path in (*out.glob("feedback/*.html"), out / "summary.html", out / "junit.xml"):
        text = path.read_text("utf-8")
        assert "<script>alert" not in text, path.name
        assert "<script>x" not in text, path.name
        assert "\x1b" not in text, path.name
    with (out / "gradebook.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
