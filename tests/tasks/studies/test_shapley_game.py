"""`shapley_game` as a whole run: files and numbers, with networks on any framework, and without any."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from twinlens.methods.perturbation.exact_shapley import shapley_values
from twinlens.tasks import parse_config
from twinlens.tasks.config import RunConfig
from twinlens.tasks.runner import run
from twinlens.tasks.studies.shapley_game.settings import STREET_BAND

from ...frameworks import ANY
from ...random_states import random_states

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "shapley_game.yaml"
SMALL: dict[str, Any] = {
    "axioms": {"games": 3, "players": 3},
    "kernels": {"players": 5, "widths": [0.25, 0.75]},
    "retrained": {"features": ["LSTAT", "RM", "DIS"], "model": "linear", "repeats": 2, "background": 10},
    "convergence": {
        "features": ["LSTAT", "RM", "DIS", "NOX", "AGE", "TAX"],
        "background": 4,
        "evaluations": [16, 24, 40],
        "seeds": 3,
        "chance_players": 7,
    },
}


def shipped() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return raw


def done(folder: Path, config: RunConfig) -> dict[str, Any]:
    run(config, folder)
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return results


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The shipped configuration with smaller sizes."""
    pytest.importorskip("shap")
    folder = tmp_path_factory.mktemp("whole") / "run"
    raw = shipped()
    settings = {key: value | SMALL.get(key, {}) for key, value in raw["shapley_game"].items()}
    before = random_states()
    results = done(folder, parse_config(raw | {"backend": ANY, "shapley_game": settings}))
    assert random_states() == before
    return folder, results["shapley_game"]


def test_the_shipped_configuration_is_the_default_one() -> None:
    config = parse_config(shipped())
    assert config.shapley_game == parse_config({"shapley_game": {}}).shapley_game
    assert config.shapley_game is not None
    assert config.shapley_game.game == STREET_BAND


def test_a_run_has_its_figures_and_arrays(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = whole
    stems = ("lattice", "retrained_score", "retrained_row", "retrained_lattice", "convergence", "kernels")
    assert {path.stem for path in (folder / "figures").iterdir()} == {f"shapley_game_{stem}" for stem in stems}
    for path in (folder / "figures").iterdir():
        pixels = cv2.imread(str(path))
        assert pixels is not None
        assert pixels.std() > 0
    with np.load(folder / "explanations" / "shapley_game.npz", allow_pickle=False) as arrays:
        for number in range(len(arrays["games"])):
            np.testing.assert_allclose(arrays[f"values_{number}"], shapley_values(arrays[f"worth_{number}"]))
        assert arrays["games"][0] == "A street band"
        np.testing.assert_array_equal(arrays["worth_0"], STREET_BAND.table)


def test_the_report_tells_of_every_part(whole: tuple[Path, dict[str, Any]]) -> None:
    page = (whole[0] / "report.html").read_text(encoding="utf-8")
    for words in (
        "Shapley values: A street band",
        "drums, guitar, singer",
        "Which rule keeps which axiom",
        "permutation importance",
        "KernelSHAP&#39;s weights as LIME&#39;s kernel",
        "within 2 s.e.",
    ):
        assert words in page, words
    assert page.count("1/6") >= 6


def test_the_bands_numbers_are_exact(whole: tuple[Path, dict[str, Any]]) -> None:
    game = whole[1]["game"]
    assert game["shapley"] == pytest.approx({"drums": 4450, "guitar": 5350, "singer": 5200}, abs=1e-9)
    assert game["worth"]["drums + guitar + singer"] == 15000
    assert game["difference_from_orders"] < 1e-9
    assert abs(game["efficiency_residual"]) < 1e-9
    assert sum(game["owen"].values()) == pytest.approx(15000)


def test_axioms_hold_on_every_game_and_fail_for_other_rules(whole: tuple[Path, dict[str, Any]]) -> None:
    axioms = whole[1]["axioms"]
    assert len(axioms["shapley"]) == 5
    assert all(value < 1e-12 for each in axioms["shapley"].values() for value in each.values())
    assert axioms["rules"]["equal shares"]["dummy"] > 0.01
    assert axioms["rules"]["Banzhaf index"]["efficiency"] > 0.01


def test_the_shapley_kernel_gives_the_values_and_limes_does_not(whole: tuple[Path, dict[str, Any]]) -> None:
    kernels = whole[1]["kernels"]
    for each in kernels["relative_difference"].values():
        ours = each.pop("KernelSHAP's weights")
        assert ours < 1e-9
        assert min(each.values()) > 1e-4
    assert kernels["written_game"]["KernelSHAP's weights"] == pytest.approx([4450, 5350, 5200], abs=1e-9)


def test_retraining_shares_out_score_and_prediction(whole: tuple[Path, dict[str, Any]]) -> None:
    found = whole[1]["retrained"]
    assert found["models_fitted"] == 16
    for kind, worth in (("score_shapley", "score_worth"), ("row_shapley", "row_worth")):
        assert sum(found[kind].values()) == pytest.approx(found[worth]["everybody"] - found[worth]["nobody"])
    assert found["efficiency_residual"] < 1e-9
    assert max(found["score_shapley"], key=found["score_shapley"].get) == "LSTAT"
    assert set(found["standard_deviation"]) == {
        *("score_shapley", "permutation_importance", "row_shapley", "row_shap_interventional")
    }


def test_the_networks_methods_agree_with_the_table_of_its_worths(whole: tuple[Path, dict[str, Any]]) -> None:
    found = whole[1]["convergence"]
    (methods,) = found["methods_on_the_network"].values()
    assert set(methods) == {"exact_shapley", "kernelshap", "shapley_sampling"}
    for check in methods.values():
        assert check["difference"] < 1e-9
        assert check["network_runs"] == 4 * check["coalitions"]
    assert found["network_score"]["R²"] > 0.3
    for game in found["games"].values():
        for run_ in game.values():
            assert len(run_["median_error"]) == len(run_["evaluations"]) == 3


@pytest.mark.usefixtures("both")
def test_both_frameworks_play_the_same_game(tmp_path: Path) -> None:
    pytest.importorskip("shap")
    convergence = SMALL["convergence"] | {"table": "iris", "features": None, "row": 100, "evaluations": [14, 20, 30]}
    settings = SMALL | {"retrained": None, "convergence": convergence}
    found = done(tmp_path / "run", parse_config({"backend": "both", "shapley_game": settings}))["shapley_game"]
    assert found["convergence"]["output"] == "logit of virginica"
    assert found["convergence"]["frameworks_apart"]["paddle"] < 1e-12
    assert {"network's row, torch", "network's row, paddle"} <= set(found["axioms"]["shapley"])


def test_without_networks_no_framework_is_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    retrained = {"table": "iris", "features": None, "model": "linear", "repeats": 2, "test_rows": 40, "row": 60}
    game = {"title": "Four", "players": list("wxyz"), "worth": _airport([1, 2, 3, 4])}
    settings = SMALL | {"convergence": None, "retrained": retrained, "game": game}
    results = done(tmp_path / "run", parse_config({"shapley_game": settings}))
    assert results["backends"] == []
    found = results["shapley_game"]
    assert "convergence" not in found
    # The airport game has a closed form: each pays its share of every stretch of the runway that it needs.
    assert list(found["game"]["shapley"].values()) == pytest.approx([1 / 4, 7 / 12, 13 / 12, 25 / 12])
    assert found["retrained"]["score"] == "accuracy"


def test_many_players_have_no_lattice_and_no_list_of_orders(tmp_path: Path) -> None:
    costs = [3, 1, 4, 1, 5, 9]
    game = {"title": "Six", "players": list("abcdef"), "worth": _airport(costs)}
    settings = SMALL | {"convergence": None, "retrained": None, "game": game}
    found = done(tmp_path / "run", parse_config({"shapley_game": settings}))["shapley_game"]["game"]
    assert not (tmp_path / "run" / "figures" / "shapley_game_lattice.png").exists()
    assert "order of joining" not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert sum(found["shapley"].values()) == pytest.approx(9)
    assert found["shapley"]["b"] == found["shapley"]["d"] == pytest.approx(1 / 6)


def test_the_same_configuration_gives_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    retrained = SMALL["retrained"] | {"features": ["LSTAT", "RM"], "model": "forest"}
    settings = SMALL | {"convergence": None, "retrained": retrained}
    first, again = (
        done(tmp_path / name, parse_config({"seed": 3, "shapley_game": settings}))["shapley_game"]
        for name in ("first", "again")
    )
    assert first == again


def test_a_run_says_its_key_numbers(tmp_path: Path) -> None:
    said: list[str] = []
    config = parse_config({"shapley_game": SMALL | {"convergence": None, "retrained": None}})
    run(config, tmp_path / "run", said.append)
    assert re.search(r"drums 4450, guitar 5350, singer 5200 roubles", said[0])
    assert all(line.startswith("shapley_game: ") for line in said)


def _airport(costs: list[int]) -> dict[str, float]:
    """A runway costs what the largest of its users needs."""
    names = "wxyz" if len(costs) == 4 else "abcdef"
    return {
        " ".join(name for j, name in enumerate(names) if place >> j & 1): max(
            (cost for j, cost in enumerate(costs) if place >> j & 1), default=0
        )
        for place in range(1 << len(costs))
    }
