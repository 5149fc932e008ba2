"""The folder of a run appears whole or not at all, and takes the place of nothing but an earlier run."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from twinlens.errors import DataError
from twinlens.tasks.output import plain, run_folder


def write_run(folder: Path, title: str = "first") -> None:
    with run_folder(folder) as output:
        (output.folder / "figures").mkdir()
        (output.folder / "figures" / f"{title}.png").write_bytes(b"png")
        output.results({"twinlens": "0.1.0", "title": title})


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_run_is_not_there_until_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "one"
    with run_folder(target) as output:
        output.results({"twinlens": "0.1.0"})
        assert not target.exists()
    assert names_in(tmp_path) == {"runs", "runs/one", "runs/one/results.json"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_nothing_is_left_not_even_new_parents(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with run_folder(tmp_path / "a" / "b" / "run") as output:
            output.results({"twinlens": "0.1.0"})
            raise error

    with pytest.raises(error):
        interrupted()
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_the_earlier_run_is_still_there(tmp_path: Path, error: type[BaseException]) -> None:
    write_run(tmp_path / "run")
    before = names_in(tmp_path)
    with pytest.raises(error), run_folder(tmp_path / "run"):
        raise error
    assert names_in(tmp_path) == before
    assert json.loads((tmp_path / "run" / "results.json").read_text())["title"] == "first"


def test_when_the_move_fails_the_earlier_run_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "run")
    before, rename = names_in(tmp_path), Path.rename

    def fail_for_the_new_one(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"), run_folder(tmp_path / "run"):
        pass
    assert names_in(tmp_path) == before


def test_a_new_run_replaces_an_earlier_one_wholly(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "first")
    write_run(tmp_path / "run", "second")
    assert names_in(tmp_path) == {"run", "run/figures", "run/figures/second.png", "run/results.json"}


def test_a_run_with_every_kind_of_file_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        with run_folder(tmp_path / "run") as output:
            for name in (
                "figures/a.png",
                "figures/a.html",
                "figures/.DS_Store",
                "figures/.ipynb_checkpoints/a-checkpoint.png",
                "explanations/a.npz",
                "report.html",
            ):
                (output.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (output.folder / name).write_bytes(b"ours")
            output.results({"twinlens": "0.1.0"})


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_run(tmp_path / "run")
    assert (tmp_path / "run" / "results.json").is_file()


def test_a_relative_folder_and_a_link_to_a_run_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("run"), "first")
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    write_run(Path("latest"), "second")
    assert (tmp_path / "latest").is_symlink()
    assert json.loads((tmp_path / "run" / "results.json").read_text())["title"] == "second"


@pytest.mark.parametrize(
    "content",
    [
        {"thesis.tex": b"years of work", ".bashrc": b""},
        {".git/config": b""},
        {"results.json": b'{"accuracy": 1}'},
        {"results.json": b'["twinlens"]'},
        {"results.json": b"\xff\xfe not JSON"},
        {"figures/mine.png": b"png"},
        {"results.json": b'{"twinlens": "0.1.0"}', "notes.txt": b"mine"},
        {"results.json": b'{"twinlens": "0.1.0"}', "figures/a.png": b"png", "figures/notes.txt": b"mine"},
        {"results.json": b'{"twinlens": "0.1.0"}', "explanations/mine.png": b"png"},
        {"results.json": b'{"twinlens": "0.1.0"}', "figures/chosen/a.png": b"png"},
        {"results.json": b'{"twinlens": "0.1.0"}', "figures": b"mine"},
    ],
    ids=lambda content: " and ".join(content),
)
def test_a_folder_of_the_user_is_refused_and_left_alone(tmp_path: Path, content: dict[str, bytes]) -> None:
    home = tmp_path / "home"
    for name, data in content.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(data)
    before = names_in(tmp_path)
    with pytest.raises(DataError, match="not a folder that twinlens wrote: it holds"), run_folder(home):
        pytest.fail("the run must not begin")
    assert names_in(tmp_path) == before


def test_what_the_user_put_among_the_figures_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "figures" / "notes.txt").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"holds 'figures/notes\.txt'"), run_folder(tmp_path / "run"):
        pytest.fail("the run must not begin")


def test_what_the_user_puts_there_during_the_run_is_not_lost(tmp_path: Path) -> None:
    def meanwhile() -> None:
        with run_folder(tmp_path / "run"):
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / "notes.txt").write_bytes(b"mine")

    with pytest.raises(DataError, match=r"notes\.txt"):
        meanwhile()
    assert names_in(tmp_path) == {"run", "run/notes.txt"}


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"mine")
    with pytest.raises(DataError, match="is a file, not a folder"), run_folder(tmp_path / "run"):
        pytest.fail("the run must not begin")
    assert (tmp_path / "run").read_bytes() == b"mine"


def test_the_folder_has_the_rights_that_the_user_gives_to_new_folders(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_run(tmp_path / "run")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o750


def test_results_are_strict_json_without_nan(tmp_path: Path) -> None:
    numbers = {
        "array": np.array([[1.5, np.nan], [np.inf, -np.inf]]),
        "scalar": np.float32(0.5),
        "count": np.int64(3),
        "truth": np.bool_(True),
        "path": Path("a/b"),
        "tuple": (1, None, "x"),
        5: float("nan"),
    }
    with run_folder(tmp_path / "run") as output:
        output.results(numbers | {"twinlens": "0.1.0"})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads((tmp_path / "run" / "results.json").read_text(), parse_constant=refuse)
    assert found["array"] == [[1.5, None], ["inf", "-inf"]]
    assert (found["scalar"], found["count"], found["truth"]) == (0.5, 3, True)
    assert (found["path"], found["tuple"], found["5"]) == ("a/b", [1, None, "x"], None)


def test_plain_numbers_stay_as_they_are() -> None:
    assert plain({"a": [1, 2.5, True, None, "text"]}) == {"a": [1, 2.5, True, None, "text"]}
