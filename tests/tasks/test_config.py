"""A configuration says what it means: defaults, settings of the command line, parts, and mistakes by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from twinlens.errors import ConfigError
from twinlens.tasks import load_config, parse_config
from twinlens.tasks.config import Data, Saliency
from twinlens.tasks.config_file import with_data

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "configs").glob("*.yaml"))
TWO_PARTS: dict[str, Any] = {
    "model": {"name": "small_cnn", "options": {"size": 32}},
    "saliency": {"of": "loss", "smoothgrad": {"samples": 3, "sigma": 0.2}},
    "parts": [
        {"name": "made"},
        {"name": "taken", "data": {"source": "photographs"}, "saliency": {"of": "logit", "smoothgrad": {"samples": 4}}},
    ],
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(content: dict[str, Any]) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return to_file


def test_there_are_the_configurations_that_the_readme_names() -> None:
    assert {path.name for path in SHIPPED} >= {
        "saliency.yaml",
        "feature_maps.yaml",
        "lime_shap.yaml",
        "homework.yaml",
        "food11.yaml",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid_and_runs_on_both(path: Path) -> None:
    assert load_config(path).backend == "both"


def test_the_homework_holds_all_three_tasks_on_made_pictures_and_on_photographs() -> None:
    config = load_config(ROOT / "configs" / "homework.yaml")
    assert config.tables is not None
    assert [part.data.source for part in config.parts] == ["synthetic", "photographs"]
    assert all(part.saliency and part.feature_maps and part.lime_shap for part in config.parts)


def test_one_task_is_enough_and_the_rest_has_defaults() -> None:
    config = parse_config({"saliency": {}})
    assert (config.backend, config.seed, config.device, config.tables) == ("both", 0, "auto", None)
    (part,) = config.parts
    assert (part.name, part.model.name, part.model.training, part.data) == ("main", "small_cnn", None, Data())
    assert part.saliency == Saliency(of="loss", target="label", channels="max")
    assert part.feature_maps is None
    assert part.lime_shap is None


def test_tables_alone_need_no_part() -> None:
    assert parse_config({"tables": {}}).parts == []


def test_keys_beside_parts_are_the_defaults_of_every_part() -> None:
    made, taken = parse_config(TWO_PARTS).parts
    assert made.model == taken.model
    assert made.saliency is not None
    assert taken.saliency is not None
    assert (made.saliency.of, made.saliency.smoothgrad) == ("loss", {"samples": 3, "sigma": 0.2})
    assert (taken.saliency.of, taken.saliency.smoothgrad) == ("logit", {"samples": 4, "sigma": 0.2})


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("title=Ours", lambda c: c.title == "Ours"),
        ("seed=3", lambda c: c.seed == 3),
        (
            "model.options.widths=[4, 8]",
            lambda c: all(p.model.options == {"size": 32, "widths": [4, 8]} for p in c.parts),
        ),
        ("saliency.of=probability", lambda c: [p.saliency.of for p in c.parts] == ["probability"] * 2),
        ("saliency.smoothgrad=null", lambda c: [p.saliency.smoothgrad for p in c.parts] == [None] * 2),
        ("saliency.smoothgrad.sigma=0.5", lambda c: c.parts[1].saliency.smoothgrad == {"samples": 4, "sigma": 0.5}),
        ("feature_maps.filters=[7]", lambda c: [p.feature_maps.filters for p in c.parts] == [[7]] * 2),
        ("parts.taken.saliency.of=loss", lambda c: [p.saliency.of for p in c.parts] == ["loss", "loss"]),
        ("parts.0.saliency.of=logit", lambda c: [p.saliency.of for p in c.parts] == ["logit", "logit"]),
        ("parts.1.title='Real: ones'", lambda c: c.parts[1].title == "Real: ones"),
        ("model.training.epochs=2", lambda c: all(p.model.training.epochs == 2 for p in c.parts)),
        ("tables.lime_row=9", lambda c: c.tables.lime_row == 9),
    ],
)
def test_a_setting_is_put_over_the_file(write: Any, setting: str, found: Any) -> None:
    assert found(load_config(write(TWO_PARTS), [setting]))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("model.training.epochs=2", [(2, {"samples": 3}, None), (None, None, [0])]),
        ("saliency.smoothgrad.samples=9", [(5, {"samples": 9}, None), (None, None, [0])]),
        ("feature_maps.filters=[4]", [(5, {"samples": 3}, None), (None, None, [4])]),
        ("parts.b.model.training.epochs=1", [(5, {"samples": 3}, None), (1, None, [0])]),
        ("model.training=null", [(None, {"samples": 3}, None), (None, None, [0])]),
    ],
)
def test_a_setting_does_not_switch_on_in_one_part_what_is_on_in_another(
    write: Any, setting: str, expected: list[Any]
) -> None:
    first = {"name": "a", "model": {"training": {"epochs": 5}}, "saliency": {"smoothgrad": {"samples": 3}}}
    second = {"name": "b", "saliency": {"smoothgrad": None}, "feature_maps": {"filters": [0]}}
    config = load_config(write({"parts": [first, second]}), [setting])
    found = [
        (
            part.model.training and part.model.training.epochs,
            part.saliency and part.saliency.smoothgrad,
            part.feature_maps and part.feature_maps.filters,
        )
        for part in config.parts
    ]
    assert found == expected


@pytest.mark.parametrize("content", [{"saliency": {}}, {"parts": [{"name": "main", "saliency": {}}]}])
@pytest.mark.parametrize(
    "settings",
    [["parts=[saliency]"], ["parts=3"], ["parts.0=saliency"], ["parts=[saliency]", "saliency.of=logit"]],
    ids=" ".join,
)
def test_parts_that_are_none_are_told_as_in_a_file(content: dict[str, Any], settings: list[str]) -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(content, "my.yaml", settings)
    assert told.value.cause == f"In --set {settings[0]}: 'parts' is not a list of parts."
    assert told.value.cure == "Begin each part with '- name: ...'."


def test_an_element_of_a_list_is_set_by_its_number(write: Any) -> None:
    path = write({"saliency": {}, "data": {"pictures": [4, 5, 6]}})
    assert load_config(path, ["data.pictures.1=9"]).parts[0].data.pictures == [4, 9, 6]


def test_of_two_settings_the_later_wins_and_options_win_over_both(write: Any) -> None:
    path = write({"saliency": {}, "seed": 1})
    assert load_config(path, ["seed=2", "seed=3"]).seed == 3
    assert load_config(path, ["seed=2"], seed=0).seed == 0
    assert load_config(path, seed=None).seed == 1


def test_a_setting_in_one_part_leaves_the_others_alone_even_where_yaml_shares_them(tmp_path: Path) -> None:
    path = tmp_path / "shared.yaml"
    path.write_text(
        "parts:\n"
        "- {name: a, saliency: &task {smoothgrad: {samples: 3}}, data: &data {pictures: [1, 2]}}\n"
        "- {name: b, saliency: *task, data: *data}\n",
        encoding="utf-8",
    )
    first, second = load_config(path, ["parts.a.saliency.smoothgrad.samples=8", "parts.b.data.pictures.0=0"]).parts
    assert first.saliency is not None
    assert second.saliency is not None
    assert (first.saliency.smoothgrad, second.saliency.smoothgrad) == ({"samples": 8}, {"samples": 3})
    assert (first.data.pictures, second.data.pictures) == ([1, 2], [0, 2])


@pytest.mark.parametrize(
    ("content", "cause", "cure"),
    [
        ({"saliency": {}, "sead": 1}, "'sead'", "Did you mean 'seed'?"),
        ({"saliency": {}, "model": {"trainin": {}}}, "'model.trainin'", "Did you mean 'training'?"),
        ({"parts": [{"saliency": {"off": "loss"}}]}, "'parts.0.saliency.off'", "Did you mean 'of'?"),
        ({"feature_maps": {"visualisation": {"stepps": 3}}}, "'feature_maps.visualisation.stepps'", "'steps'"),
        ({"tables": {"splitt": "none"}}, "'tables.splitt'", "Did you mean 'split'?"),
        ({"saliency": {"target": "best"}}, "'saliency.target' is 'best'", "'label' or 'predicted', or a whole number"),
        ({"lime_shap": {"lime": {"sample": 3}}}, "'lime' has no parameter 'sample'", "Did you mean 'samples'?"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_was_probably_meant(
    content: dict[str, Any], cause: str, cure: str
) -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(content, "my.yaml")
    assert told.value.cause.startswith("In my.yaml: ")
    assert cause in told.value.cause
    assert cure in told.value.cure


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe\.yaml' cannot be read as text .*Name a YAML file"):
        load_config(tmp_path / "pipe.yaml")


def test_a_long_wrong_value_is_shortened() -> None:
    with pytest.raises(ConfigError) as told:
        parse_config({"saliency": {"of": "x" * 5000}})
    assert len(str(told.value)) < 250


def test_a_folder_takes_the_place_of_all_pictures(tmp_path: Path) -> None:
    config = with_data(parse_config(TWO_PARTS), tmp_path)
    assert [(part.data.source, part.data.path) for part in config.parts] == [("folder", tmp_path)] * 2


def test_the_folder_that_the_file_names_already_may_be_given_again(tmp_path: Path) -> None:
    config = parse_config({"saliency": {}, "data": {"source": "folder", "path": str(tmp_path)}})
    assert with_data(config, tmp_path).parts[0].data.path == tmp_path


def test_a_picture_joins_the_photographs_and_leaves_made_pictures_alone(tmp_path: Path) -> None:
    picture = tmp_path / "mine.jpg"
    picture.touch()
    made, taken = with_data(parse_config(TWO_PARTS), picture).parts
    assert (made.data.source, made.data.files) == ("synthetic", [])
    assert (taken.data.source, taken.data.files) == ("photographs", [picture])


def test_a_picture_takes_the_place_of_named_files(tmp_path: Path) -> None:
    picture = tmp_path / "mine.jpg"
    picture.touch()
    config = parse_config({"saliency": {}, "data": {"source": "files", "files": ["other.jpg"]}})
    assert with_data(config, picture).parts[0].data.files == [picture]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("seed: 1\nseed: 2\ntables: {}\n", "seed"),
        ('shapley_game: {band: {worth: {"A B": 1, "A B": 2}}}\n', "A B"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"key '{key}' twice"):
        load_config(path)


def test_a_mapping_that_is_merged_may_be_put_over(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("glass_box: &one {held_out: 0.3}\nice_pdp: {<<: *one, held_out: 0.4}\n", encoding="utf-8")
    config = load_config(path)
    assert config.ice_pdp is not None
    assert config.ice_pdp.held_out == 0.4
