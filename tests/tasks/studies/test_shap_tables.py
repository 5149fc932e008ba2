"""SHAP on tables from a configuration to a report: additive, exact where it can be, and plain about bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.backends import Backend
from twinlens.errors import ConfigError, DataError, MethodError, TargetError, TwinlensError
from twinlens.methods import Explanation
from twinlens.tasks import load_config, parse_config
from twinlens.tasks.output import Output
from twinlens.tasks.runner import run
from twinlens.tasks.studies.base import Context
from twinlens.tasks.studies.shap_tables.compare import all_series
from twinlens.tasks.studies.shap_tables.networks import explained_networks
from twinlens.tasks.studies.shap_tables.questions import questions
from twinlens.tasks.studies.shap_tables.settings import ShapTables, TableChoice
from twinlens.tasks.studies.shap_tables.trees import explained_trees

from ...frameworks import ANY, BOTH, need
from ...random_states import random_states

CONFIG = Path(__file__).parents[3] / "configs" / "shap_tables.yaml"
SMALL: dict[str, Any] = {
    "forest": {"trees": 8, "max_depth": 4},
    "boosting": {"trees": 15, "max_depth": 3},
    "rows": 24,
    "background": 12,
}
METHODS = {"deepshap": {}, "expected_gradients": {"samples": 24}, "kernelshap": {"samples": 60}}
NETWORKS = {"hidden": [6], "rows": 4, "exact_features": 4, "methods": METHODS}


class Run:
    """A finished run."""

    def __init__(self, folder: Path, study: dict[str, Any], backend: str = "both") -> None:
        raw = load_config(CONFIG).model_dump(mode="json", exclude_unset=True)
        raw.pop("parts", None)
        said: list[str] = []
        before = random_states()
        run(parse_config(raw | {"backend": backend, "shap_tables": raw["shap_tables"] | study}), folder, said.append)
        assert random_states() == before, "global generators belong to the user"
        self.said, self.folder = said, folder
        self.report = (folder / "report.html").read_text(encoding="utf-8")
        self.numbers = json.loads((folder / "results.json").read_text(encoding="utf-8"))["shap_tables"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both tables and networks of both frameworks."""
    for framework in BOTH:
        need(framework)
    boston, iris = load_config(CONFIG).model_dump(mode="json")["shap_tables"]["tables"]
    boston |= {"without": ["ZN", "INDUS", "CHAS", "NOX", "AGE", "RAD", "TAX", "PTRATIO"]}
    study = SMALL | {"tables": [boston, iris], "networks": NETWORKS}
    return Run(tmp_path_factory.mktemp("shap") / "run", study)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Iris alone, without networks."""
    tables = [{"table": "iris", "row": 77, "dependence": "petal width (cm)"}]
    return Run(tmp_path_factory.mktemp("trees") / "run", SMALL | {"tables": tables, "networks": None})


def test_every_table_has_its_trees_its_network_and_their_comparison(whole: Run) -> None:
    assert set(whole.numbers) == {"boston", "iris"}
    for found in whole.numbers.values():
        assert set(found["trees"]) == {"random forest", "XGBoost"}
        assert found["network"]["score"] is not None
        assert {one["model"] for one in found["comparison"]["series"]} == {"random forest", "XGBoost", "network"}


@pytest.mark.parametrize("absent", ["path_dependent", "interventional"])
def test_base_and_values_of_the_row_add_up_to_the_prediction(whole: Run, absent: str) -> None:
    for found in whole.numbers.values():
        for one in found["trees"].values():
            values = one[absent]
            total = values["base_value"] + sum(values["shap_values"].values())
            assert total == pytest.approx(values["prediction"], abs=1e-4 * max(1.0, abs(values["prediction"])))
            assert values["relative_additivity_error"] < 1e-4
            assert one["interaction_error"] < 1e-4


def test_saved_values_add_up_for_every_row(whole: Run) -> None:
    files = sorted((whole.folder / "explanations").glob("*_tree_shap.npz"))
    assert len(files) == 4
    for path in files:
        with np.load(path, allow_pickle=False) as saved:
            assert len(saved["rows"]) == 24
            assert len(saved["background"]) == 12
            for absent in ("path_dependent", "interventional"):
                total = saved[f"{absent}_base"] + saved[f"{absent}_values"].sum(axis=1)
                np.testing.assert_allclose(total, saved[f"{absent}_predictions"], rtol=1e-4, atol=1e-4)


def test_the_unit_of_every_value_is_stated(whole: Run) -> None:
    iris, boston = whole.numbers["iris"]["trees"], whole.numbers["boston"]["trees"]
    assert iris["random forest"]["unit"] == "probability of virginica"
    assert iris["XGBoost"]["unit"] == "margin (score before the softmax) of virginica"
    assert {one["unit"] for one in boston.values()} == {"MEDV ($1000)"}
    assert 0 <= iris["random forest"]["path_dependent"]["base_value"] <= 1
    units = {(one["model"], one["unit"]) for one in whole.numbers["iris"]["comparison"]["series"]}
    assert ("network", iris["random forest"]["unit"]) in units
    assert ("network", iris["XGBoost"]["unit"]) in units


def test_all_that_are_compared_share_one_base_value_per_model(whole: Run) -> None:
    for series in (found["comparison"]["series"] for found in whole.numbers.values()):
        for one in series:
            assert np.isfinite(one["base_value"])
            assert one["error"]["relative"] >= 0
        network = {one["unit"]: one["base_value"] for one in series if one["model"] == "network"}
        for one in series:
            if one["model"] == "network":
                assert one["base_value"] == network[one["unit"]]


def test_shares_of_a_model_add_up_to_one_and_correlations_with_itself_are_one(whole: Run) -> None:
    for comparison in (found["comparison"] for found in whole.numbers.values()):
        for one in comparison["series"]:
            assert sum(one["share"].values()) == pytest.approx(1)
        for name in ("rank_correlation_of_means", "mean_rank_correlation_by_row"):
            matrix = np.array(comparison[name])
            np.testing.assert_array_equal(np.diag(matrix), 1)
            np.testing.assert_array_equal(matrix, matrix.T)
            assert np.abs(matrix).max() <= 1 + 1e-12


def test_the_frameworks_agree_on_every_method(whole: Run) -> None:
    for found in whole.numbers.values():
        for one in found["network"]["methods"]:
            if one["method"] == "exact_shapley":
                continue
            assert one["backends"] == list(BOTH)
            assert one["apart_in_single_precision"] <= 1e-4, one["method"]
            assert one["apart_in_double_precision"] <= 1e-10, one["method"]
            assert one["frameworks_agree"] is True


def test_exact_values_are_computed_for_few_columns_only_and_kernelshap_reaches_them(whole: Run) -> None:
    methods = {table: [one["method"] for one in found["network"]["methods"]] for table, found in whole.numbers.items()}
    assert "exact_shapley" not in methods["boston"]
    assert methods["iris"].count("exact_shapley") == 2
    series = [one for one in whole.numbers["iris"]["comparison"]["series"] if one["model"] == "network"]
    # Sixty samples hold all coalitions of four columns.
    assert all(one["relative_l2_from_exact"] < 1e-5 for one in series if one["method"].startswith("kernelshap"))
    assert {one["relative_l2_from_exact"] for one in series if one["method"].startswith("exact")} == {0.0}


def test_the_explanations_of_the_network_are_saved_and_use_the_rows_of_the_comparison(whole: Run) -> None:
    comparison = whole.numbers["iris"]["comparison"]
    for backend in BOTH:
        found = Explanation.load(whole.folder / "explanations" / f"iris_deepshap_probability_{backend}.npz")
        assert found.values.shape == (4, 4)
        assert len(found.params["background"]) == 12
        assert (found.backend, found.seed) == (backend, None)
        series = next(one for one in comparison["series"] if one["method"] == "deepshap, probability")
        means = np.abs(found.values).mean(axis=0)
        np.testing.assert_allclose(means, list(series["mean_abs"].values()), rtol=1e-4)
    assert 106 in comparison["rows"]
    assert len(comparison["background_rows"]) == 12


def test_every_figure_is_written_and_in_the_report(whole: Run) -> None:
    kinds = ("force", "waterfall", "bar", "beeswarm", "dependence", "interaction_matrix", "interactions")
    expected = {f"{table}_{model}_{kind}.png" for table in ("boston", "iris") for model in ("random_forest", "xgboost")
                for kind in kinds}  # fmt: skip
    expected |= {f"{table}_{kind}.png" for table in ("boston", "iris") for kind in ("shares", "ranks", "row")}
    expected |= {f"{t}_{m}_stacked.html" for t in ("boston", "iris") for m in ("random_forest", "xgboost")}
    assert {path.name for path in (whole.folder / "figures").iterdir()} == expected
    assert len(re.findall('<img[^>]*src="data:image', whole.report)) == len(expected) - 4
    assert whole.report.count("<iframe") == 4


def test_the_report_says_what_column_b_is_and_asks_the_network_for_nothing(whole: Run) -> None:
    assert "encodes race" in whole.report
    links = re.findall(r"<(?:img|script|link|source)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']*)", whole.report)
    assert all(link.startswith("data:") for link in links)


def test_the_key_numbers_are_said(whole: Run) -> None:
    said = "\n".join(whole.said)
    for words in ("boston, random forest: root mean squared error", "iris, XGBoost: accuracy", "base value", "add up",
                  "deepshap of MEDV ($1000): frameworks"):  # fmt: skip
        assert words in said


def test_trees_alone_need_no_framework(trees: Run) -> None:
    found = trees.numbers["iris"]
    assert "network" not in found
    assert not list((trees.folder / "explanations").glob("*_torch.npz"))
    assert [one["model"] for one in found["comparison"]["series"]] == ["random forest"] * 2 + ["XGBoost"] * 2
    assert found["label"] == "versicolor", "the row's own class is explained where none is named"
    for one in found["trees"].values():
        assert one["dependence"][0] == "petal width (cm)"
        assert one["dependence"][1] != "petal width (cm)"


def test_settings_without_networks_say_so() -> None:
    assert ShapTables().needs_networks
    assert not ShapTables(networks=None).needs_networks


def settings_of(**study: Any) -> ShapTables:
    return ShapTables(**(SMALL | {"tables": [{"table": "iris", "row": 77}]} | study))


def test_the_same_seed_gives_the_same_values_and_another_seed_others() -> None:
    settings = settings_of(networks=None)
    question = questions(settings, 1)[0]
    first, again, other = (explained_trees(question, settings, seed) for seed in (1, 1, 2))
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one.drawn.values, two.drawn.values)
        np.testing.assert_array_equal(one.interactions, two.interactions)
        # XGBoost draws nothing with these settings.
        assert np.array_equal(one.drawn.values, three.drawn.values) == (one.name == "XGBoost")
    np.testing.assert_array_equal(question.rows, questions(settings, 1)[0].rows)
    assert not np.array_equal(question.rows, questions(settings, 2)[0].rows)


def test_a_linear_network_is_explained_alike_by_every_method(backend: Backend, tmp_path: Path) -> None:
    networks = NETWORKS | {"hidden": [], "methods": METHODS | {"expected_gradients": {"samples": 120}}}
    settings = settings_of(networks=networks)
    assert settings.networks is not None
    question = questions(settings, 0)[0]
    context = Context(Output(tmp_path), [backend.name], 0, "cpu", lambda message: None)
    network = explained_networks(question, settings.networks, context)
    found = [one for one in all_series(question, [], network) if "logit" in one.method]
    assert [one.method for one in found] == [f"{method}, logit" for method in (*METHODS, "exact_shapley")]
    data = question.table.data
    centred = data[question.compared] - data[question.background].mean(axis=0)
    for one in found:
        # Of a linear function, any way from the background to the row gives w (x - mean of the background).
        weights = one.values / centred
        assert np.abs(weights - weights.mean(axis=0)).max() < 1e-3 * np.abs(weights).max(), one.method
        assert one.truth is not None
        assert one.truth < 1e-4, one.method
    assert all(one.within is None for one in network.values), "one framework has nothing to agree with"


def test_a_table_from_a_file_has_the_interventional_values_drawn_if_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(size=(60, 3))
    target = 1000 + 3 * data[:, 0] + data[:, 1] * data[:, 2]
    lines = ["p,q,r,yield", *(",".join(map(repr, map(float, row))) for row in np.column_stack([data, target]))]
    (tmp_path / "field.csv").write_text("\n".join(lines), encoding="utf-8")
    tables = [{"table": str(tmp_path / "field.csv")}]
    settings = settings_of(tables=tables, networks=None, absent="interventional")
    question = questions(settings, 0)[0]
    assert (question.key, question.label) == ("field", None)
    for one in explained_trees(question, settings, 0):
        assert one.unit == "yield"
        assert one.drawn is one.values["interventional"]
        assert np.abs(one.drawn.values).mean(axis=0).argmax() == 0
        assert one.features(question)[0] == 0


def test_the_shown_row_is_always_among_those_explained_and_compared() -> None:
    for row in (0, 77, 149):
        question = questions(settings_of(tables=[{"table": "iris", "row": row}]), 0)[0]
        assert question.rows[question.shown] == row
        assert row in question.compared
        np.testing.assert_array_equal(question.rows[question.among_rows], question.compared)
        assert np.isin(question.background, question.split.train).all()


def test_two_views_of_one_table_write_files_of_their_own() -> None:
    tables = [{"table": "iris", "label": "setosa"}, {"table": "iris", "label": "virginica"}]
    assert [one.key for one in questions(settings_of(tables=tables), 0)] == ["iris", "iris_2"]


# -- bad input -------------------------------------------------------------------------------------------------------


def asked(**choice: Any) -> Any:
    settings = {key: choice.pop(key) for key in ("background", "test_rows") if key in choice}
    return questions(ShapTables(tables=[TableChoice(**({"table": "iris"} | choice))], **settings), 0)


BAD: list[tuple[dict[str, Any], type[TwinlensError], str]] = [
    ({"table": "bostn"}, DataError, "Did you mean 'boston'"),
    ({"row": 150}, DataError, "Row 150 .* 0 to 149"),
    ({"dependence": "petal widht (cm)"}, ConfigError, r"no feature.*Did you mean 'petal width \(cm\)'"),
    ({"interaction": "colour"}, ConfigError, "interaction: the table has no feature 'colour'"),
    ({"dependence": "petal width (cm)", "interaction": "petal width (cm)"}, ConfigError, "both 'petal width"),
    ({"label": "virginca"}, TargetError, "Did you mean 'virginica'"),
    ({"table": "boston", "label": "dear"}, TargetError, "no classes"),
    ({"background": 121}, ConfigError, "background is 121, but only 120 rows .* 5 to 120"),
    ({"test_rows": 149}, ConfigError, "test_rows is 149"),
    ({"without": ["petal width (cm)", "petal length (cm)", "sepal width (cm)"]}, DataError, "the only feature"),
]


@pytest.mark.parametrize(("choice", "error", "text"), BAD)
def test_bad_input_is_one_line_that_names_it(choice: dict[str, Any], error: type[TwinlensError], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        asked(**choice)
    assert "\n" not in str(caught.value)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("cells", "text"),
    [("1,2,x\n2,nan,y\n", "nan"), ("1,2,x\n2,3,x\n" * 8, "'x' in every row"), ("1,2,x\n2,,y\n" * 8, "empty")],
)
def test_a_file_that_cannot_be_learnt_from_is_one_line(cells: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b,kind\n" + cells, encoding="utf-8")
    with pytest.raises(DataError, match=text) as caught:
        asked(table=str(tmp_path / "bad.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("study", "text"),
    [
        ({"background": 4}, "background"),
        ({"rows": 3}, "rows"),
        ({"networks": {"rows": 1}}, "networks.rows"),
        ({"networks": {"methods": {"saliency": {}}}}, "No method 'saliency' explains rows by background rows"),
        ({"networks": {"methods": {"kernelshap": {"sampels": 9}}}}, "Did you mean 'samples'"),
        ({"networks": {"methods": {"kernelshap": {"of": "loss"}}}}, "no parameter 'of'"),
        ({"tables": []}, "tables"),
        ({"tables": [{"table": "iris", "rwo": 3}]}, "rwo"),
        ({"absent": "mean"}, "absent"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_they_are_read(study: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parse_config({"shap_tables": study})
    assert "\n" not in str(caught.value)


def test_a_parameter_that_does_not_fit_the_table_fails_before_trees_are_grown(tmp_path: Path) -> None:
    need(ANY)
    networks = NETWORKS | {"methods": {"kernelshap": {"samples": 3}}}
    study = SMALL | {"tables": [{"table": "iris"}], "networks": networks}
    said: list[str] = []
    with pytest.raises(MethodError, match="samples=3 is too few"):
        run(parse_config({"backend": ANY, "shap_tables": study}), tmp_path / "run", said.append)
    assert said == []
    assert not (tmp_path / "run").exists()
