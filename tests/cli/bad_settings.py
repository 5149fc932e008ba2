"""Configuration files, keys and options that cannot be meant."""

from __future__ import annotations

from typing import Any

from ..frameworks import ANY
from .case import BASE, CNN, ONLY_SALIENCY, UNTRAINED, Case, jpeg


def gradients(**keys: Any) -> dict[str, Any]:
    return BASE | {"saliency": ONLY_SALIENCY | keys}


def tables(**keys: Any) -> dict[str, Any]:
    return {"backend": ANY, "tables": {"samples": 100, "repeats": 1} | keys}


FILES = [
    Case("no file", "no configuration file 'config.yaml'", "Check the path", None),
    Case("empty file", "'config.yaml' holds no keys", "See the files in configs/", b""),
    Case("binary file", "cannot be read as text", "Name a YAML file", b"\x89PNG\xff\xfe\x00"),
    Case("not YAML", "not valid YAML (line 2)", "Check indentation", b"model: {name\nsaliency: ["),
    Case("a date that is none", "not valid YAML (line 2)", "Check", b"saliency: {}\ntitle: 2000-13-45"),
    Case("a bool that is none", "not valid YAML (line 1)", "Check", b"title: !!bool maybe"),
    Case("brackets within brackets", "not valid YAML", "Check", b"title: " + 3000 * b"["),
    Case("a list", "holds no keys", "See the files", b"- saliency\n- feature_maps\n"),
    Case("a sentence", "holds no keys", "See the files", b"explain everything"),
    Case("a folder", "cannot be read as text", "Name a YAML file", files={"config.yaml/x": b""}),
    Case(
        "another directory", "no configuration file 'nowhere/c.yaml'", "Check the path", args=("CONFIG:nowhere/c.yaml",)
    ),
    Case("nothing to do", "nothing to do", "Add one of: saliency", {"title": "x"}),
    Case("no task", "The part 'main' has no task", "Give it one of", {"model": CNN}),
    Case("number as key", "the key '1' is not a text", "quotes", BASE | {1: 2}),
]

KEYS = [
    Case("unknown key", "the key 'saliensy' is not known", "Did you mean 'saliency'?", {"saliensy": {}, "tables": {}}),
    Case("unknown key in a task", "'saliency.chanels'", "Did you mean 'channels'?", gradients(chanels="max")),
    Case("unknown key of the model", "'model.nam'", "Did you mean 'name'?", BASE | {"model": {"nam": "small_cnn"}}),
    Case(
        "unknown key of the training",
        "'model.training.epoch'",
        "Did you mean 'epochs'?",
        BASE | {"model": CNN | {"training": {"epoch": 1}}},
    ),
    Case(
        "unknown key in a part",
        "'parts.0.data.sise'",
        "Did you mean 'size'?",
        BASE | {"parts": [{"data": {"sise": 3}}]},
    ),
    Case("unknown key of tables", "'tables.repeat'", "Did you mean", tables(repeat=3)),
    Case(
        "text for a number",
        "'data.pictures' is 'five'",
        "a whole number, or a list",
        BASE | {"data": {"pictures": "five"}},
    ),
    Case("no pictures", "'data.pictures' is 0", "greater than 0", BASE | {"data": {"pictures": 0}}),
    Case(
        "negative picture",
        "'data.pictures.1' is -1",
        "greater than or equal to 0",
        BASE | {"data": {"pictures": [0, -1]}},
    ),
    Case("text for a mapping", "'model' is 'small_cnn'", "a mapping", BASE | {"model": "small_cnn"}),
    Case("unknown choice", "'saliency.of' is 'los'", "'loss'", gradients(of="los")),
    Case("unknown split of a table", "'tables.split' is 'half'", "'stratified'", tables(split="half")),
    Case("unknown source", "'data.source' is 'web'", "'synthetic'", BASE | {"data": {"source": "web"}}),
    Case(
        "source without a path",
        "The source 'folder' needs a path",
        "Set data.path",
        BASE | {"data": {"source": "folder"}},
    ),
    Case(
        "no epochs",
        "'model.training.epochs' is 0",
        "greater than 0",
        BASE | {"model": CNN | {"training": {"epochs": 0}}},
    ),
    Case(
        "no batch", "'model.training.batch_size' is 0", "greater than 0", args=("--set", "model.training.batch_size=0")
    ),
    Case("parts are no list", "'parts' is not a list", "- name:", {"parts": {"name": "a"}}),
    Case("twice the same part", "Two parts have the name 'main'", "name of its own", UNTRAINED | {"parts": [{}, {}]}),
    Case(
        "part named like a path",
        "'parts.0.name' is '../up'",
        "letters, digits",
        UNTRAINED | {"parts": [{"name": "../up"}]},
    ),
]

OPTIONS = [
    Case(
        "setting without a value",
        "--set saliency.of is not a setting",
        "Write --set key=value",
        args=("--set", "saliency.of"),
    ),
    Case("setting with an empty key", "--set .a=1 is not a setting", "Write --set", args=("--set", ".a=1")),
    Case(
        "setting of broken YAML", "--set title=[1: the value is not valid YAML", "Quote it", args=("--set", "title=[1")
    ),
    Case(
        "setting of a date that is none",
        "--set title=2000-13-45: the value is not valid YAML",
        "Quote it",
        args=("--set", "title=2000-13-45"),
    ),
    Case("setting of an unknown key", "'saliency.off'", "Did you mean 'of'?", args=("--set", "saliency.off=loss")),
    Case(
        "setting in a list",
        "there is no 'other' in the list",
        "Choose one of: 0",
        args=("--set", "parts.other.title=x"),
    ),
    Case("unknown backend", "'backend' is 'jax'", "'torch', 'paddle' or 'both'", args=("--backend", "jax")),
    Case("unknown device", "no device 'gpu'", "Choose one of: cpu", args=("--device", "gpu")),
    Case("missing device", "no device 'cuda:99'", "Choose one of: cpu", args=("--device", "cuda:99")),
    Case("negative seed", "'seed' is -1", "greater than or equal to 0", args=("--seed", "-1")),
    Case("seed too large", "'seed' is 4294967296", "less than 4294967296", args=("--seed", "4294967296")),
    Case("data nowhere", "nothing at 'nowhere'", "a Food-11 folder or a picture", args=("--data", "nowhere")),
    Case(
        "a picture that no part takes",
        "can take 'a.jpg'",
        "Give a Food-11 folder",
        args=("--data", "a.jpg"),
        files={"a.jpg": jpeg},
    ),
    Case(
        "out is a file",
        "is a file, not a folder",
        "Choose another --out",
        args=("--out", "mine.txt"),
        files={"mine.txt": b"x"},
    ),
    Case(
        "out below a file",
        "cannot be written",
        "Choose another --out",
        args=("--out", "mine.txt/run"),
        files={"mine.txt": b"x"},
    ),
    Case(
        "out is a folder of mine",
        "it holds 'thesis.tex'",
        "Choose another --out",
        args=("--out", "home"),
        files={"home/thesis.tex": b"x"},
    ),
    Case(
        "out is another program's",
        "not a folder that twinlens wrote",
        "Choose another --out",
        args=("--out", "home"),
        files={"home/results.json": b"[1, 2]"},
    ),
]

TABLES = [
    Case("pictures for a table", "can take '.'", "a task on pictures", tables(), ("--data", ".")),
    Case("LIME's row out of range", "Row 150 does not exist in the table", "from 0 to 149", tables(lime_row=150)),
    Case("SHAP's row out of range", "Row 999 does not exist in the table", "from 0 to 149", tables(shap_row=999)),
    Case("LIME's class out of range", "no class 3", "from 0 to 2", tables(lime_target=3)),
    Case("a class for a regressor", "The regressor on the table", "Leave the target out", tables(shap_target=1)),
    Case("unknown feature", "no feature 'petal'", "Choose one of: petal", tables(dependence="petal")),
    Case("too few samples", "samples 5 ", "at least 100", tables(samples=5)),
    Case("too many test rows", "test_rows is 150", "Choose from 3 to", tables(test_rows=150)),
]

CASES = [*FILES, *KEYS, *OPTIONS, *TABLES]
