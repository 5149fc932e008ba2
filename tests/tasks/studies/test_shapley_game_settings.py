"""What is wrong with a game or its settings is told in one line, before anything is computed or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from twinlens.cli import app
from twinlens.errors import ConfigError
from twinlens.tasks import parse_config

from ...frameworks import ANY

PAIR: dict[str, Any] = {"": 0, "a": 1, "b": 2, "a b": 4}
OFF: dict[str, Any] = {"retrained": None, "convergence": None}


def game(players: Any = ("a", "b"), worth: Any = PAIR, **keys: Any) -> dict[str, Any]:
    return OFF | {"game": {"players": list(players), "worth": worth} | keys}


def less(name: str) -> dict[str, Any]:
    return {key: value for key, value in PAIR.items() if key != name}


def retrained(**keys: Any) -> dict[str, Any]:
    return {"convergence": None, "retrained": {"repeats": 2} | keys}


def convergence(**keys: Any) -> dict[str, Any]:
    return {"retrained": None, "convergence": {"seeds": 2} | keys}


MISTAKES = {
    "missing coalition": (game(worth=less("b")), "The coalition 'b' has no worth.", "all 4 coalitions"),
    "missing coalitions": (game(worth={"a": 1}), "'' has no worth, and 2 more are missing", "'' (nobody) too"),
    "no coalition": (game(worth={}), "'' has no worth, and 3 more", "all 4"),
    "unknown player": (game(worth=PAIR | {"a c": 1}), "has the player 'c', who does not play", "Choose one of: a, b"),
    "value twice": (game(worth=PAIR | {"b a": 1}), "'a b' and 'b a' are the same", "Keep one"),
    "player twice in a coalition": (game(worth=PAIR | {"a a": 1}), "has the player 'a' twice", "once"),
    "player twice": (game("aab"), "The player 'a' is named twice", "once"),
    "one player": (game("a"), "number of players in the game is 1", "2 to 8"),
    "too many players": (game("abcdefghi"), "number of players in the game is 9", "2 to 8"),
    "a name of two words": (game(["a b", "c"]), "The player 'a b' is not one word", "without spaces"),
    "an empty name": (game(["", "c"]), "The player '' is not one word", "without spaces"),
    "worth is a text": (game(worth=PAIR | {"a": "much"}), "'shapley_game.game.worth.a' is 'much'", "a number"),
    "worth is a truth": (game(worth=PAIR | {"a": True}), "'shapley_game.game.worth.a' is True", "a number"),
    "worth is not finite": (game(worth=PAIR | {"a": float("inf")}), "is inf", "a finite number"),
    "worth is nothing": (game(worth=PAIR | {"a": None}), "is None", "a number"),
    "no players": (OFF | {"game": {"worth": PAIR}}, "The game has no players", "configs/shapley_game.yaml"),
    "no worths": (OFF | {"game": {"players": ["a", "b"]}}, "The game has no worth", "configs/shapley_game.yaml"),
    "unknown in a union": (game(unions=[["a", "c"]]), "has the player 'c', who does not play", "Choose one of: a, b"),
    "in two unions": (game(unions=[["a"], ["a", "b"]]), "The player 'a' is in two unions", "one union"),
    "unknown key": ({"bend": 1}, "'shapley_game.bend' is not known", ""),
    "width of nothing": (OFF | {"kernels": {"widths": [0.0]}}, "'shapley_game.kernels.widths.0' is 0.0", "greater"),
    "too many features": (retrained(features=list("abcdefghi")), "2**9 subsets", "8 features"),
    "one repeat": (retrained(repeats=1), "'shapley_game.retrained.repeats' is 1", "2"),
    "unknown model": (retrained(model="tree"), "'shapley_game.retrained.model' is 'tree'", "'forest'"),
    "one seed": (convergence(seeds=1), "'shapley_game.convergence.seeds' is 1", "2"),
}
LATER = {
    "unknown table": (retrained(table="bostn"), "no table 'bostn'", "boston"),
    "unknown feature": (retrained(features=["RM", "LSTATT"]), "no feature 'LSTATT'", "Did you mean 'LSTAT'?"),
    "feature twice": (retrained(features=["RM", "RM"]), "The feature 'RM' is named twice", "once"),
    "all of many features": (retrained(features=None), "13 features of the table 'boston'", "2 to 8"),
    "no such row": (retrained(row=506), "Row 506 does not exist", "0 to 505"),
    "no such file": (retrained(table="none.csv"), "none.csv", ""),
    "more rows held out than there are": (retrained(test_rows=505), "test_rows is 505", "Choose from"),
}
LATER_ON_NETWORKS = {
    "too few evaluations": (convergence(evaluations=[20, 40, 80]), "20 evaluations are too few", "begin at 24"),
    "no such row of the network": (convergence(row=9999), "Row 9999 does not exist", "0 to 505"),
    "categories for the network": (
        convergence(table="fruits.csv", evaluations=[40, 80, 160]),
        "The column 'smell' of the table 'fruits' holds categories",
        "Leave it out",
    ),
}


@pytest.mark.parametrize(("settings", "cause", "cure"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_settings_is_named(settings: dict[str, Any], cause: str, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"shapley_game": settings}, "c.yaml")
    assert cause in str(caught.value)
    assert cure in str(caught.value).split(cause, 1)[1]


@pytest.mark.parametrize(
    ("settings", "cause", "cure", "on_networks"),
    [(*case, False) for case in [MISTAKES["missing coalition"], *LATER.values()]]
    + [(*case, True) for case in LATER_ON_NETWORKS.values()],
    ids=["missing coalition", *LATER, *LATER_ON_NETWORKS],
)
def test_a_mistake_ends_the_command_with_one_line_and_nothing_written(
    settings: dict[str, Any],
    cause: str,
    cure: str,
    on_networks: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn")
    if on_networks:
        from ...frameworks import need

        need(ANY)
    monkeypatch.chdir(tmp_path)
    lines = [f"{'foul' if i % 3 else 'none'},{i % 7},{i},{i % 5}" for i in range(40)]
    Path("fruits.csv").write_text("\n".join(["smell,size,weight,price", *lines]), encoding="utf-8")
    Path("c.yaml").write_text(yaml.safe_dump({"backend": ANY, "shapley_game": settings}), encoding="utf-8")
    before = {path.name for path in tmp_path.iterdir()}
    result = CliRunner().invoke(app, ["run", "c.yaml", "--out", "out"])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert cause in line
    assert cure in line.split(cause, 1)[1]
    assert {path.name for path in tmp_path.iterdir()} == before


def test_networks_are_needed_for_the_convergence_alone() -> None:
    assert parse_config({"shapley_game": {}}).studies["shapley_game"].needs_networks
    assert not parse_config({"shapley_game": {"convergence": None}}).studies["shapley_game"].needs_networks


def test_who_is_in_no_union_is_one_alone() -> None:
    settings = parse_config({"shapley_game": game("abc", {**_all("abc")}, unions=[["c", "a"]])}).shapley_game
    assert settings is not None
    assert settings.game.partition == [[2, 0], [1]]


def _all(players: str) -> dict[str, float]:
    return {
        " ".join(name for j, name in enumerate(players) if place >> j & 1): place for place in range(1 << len(players))
    }
