"""Wrong configurations, files and options, each with what its error has to say."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import safetensors.numpy

from twinlens.models import load_model

Content = bytes | Callable[[], bytes]

CNN: dict[str, Any] = {"name": "small_cnn", "options": {"size": 32, "widths": [4, 8]}}
TRAINED = CNN | {"training": {"epochs": 1, "pictures": 44, "validation_pictures": 22}}
ONE: dict[str, Any] = {"source": "synthetic", "pictures": 1}
ONLY_SALIENCY: dict[str, Any] = {"smoothgrad": None, "integrated_gradients": None}
# Training is asked for, so that a mistake that shows only after it is found out.
BASE: dict[str, Any] = {"backend": "torch", "model": TRAINED, "data": ONE, "saliency": ONLY_SALIENCY}
UNTRAINED = BASE | {"model": CNN}


@dataclass(frozen=True)
class Case:
    """One mistake: `cause` and `cure` are pieces of the line that the command line prints."""

    name: str
    cause: str
    cure: str
    config: Mapping[str, Any] | bytes | None = field(default_factory=lambda: BASE)
    args: Sequence[str] = ()
    files: Mapping[str, Content] = field(default_factory=dict)


def weights(**changes: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": CNN | changes}


def lime(**params: Any) -> dict[str, Any]:
    small = {"samples": 20, "segment_options": {"n_segments": 8, "compactness": 10.0}}
    task = {"lime": small | params, "expected_gradients": None, "partition_shap": None}
    return {"backend": "torch", "model": TRAINED, "data": ONE, "lime_shap": task}


def shap(method: str, **params: Any) -> dict[str, Any]:
    task = {"lime": None, "expected_gradients": None, "partition_shap": None} | {method: params}
    return {"backend": "torch", "model": TRAINED, "data": ONE, "lime_shap": task}


def maps(**keys: Any) -> dict[str, Any]:
    return {"backend": "torch", "model": TRAINED, "data": ONE, "feature_maps": {"visualisation": None} | keys}


def gradients(**keys: Any) -> dict[str, Any]:
    return BASE | {"saliency": ONLY_SALIENCY | keys}


def folder(**keys: Any) -> dict[str, Any]:
    return BASE | {"data": {"source": "folder", "path": "food", "pictures": 1} | keys}


def files(*names: str) -> dict[str, Any]:
    return UNTRAINED | {"data": {"source": "files", "files": list(names)}}


def tables(**keys: Any) -> dict[str, Any]:
    return {"backend": "torch", "tables": {"samples": 100, "repeats": 1} | keys}


@cache
def _state() -> dict[str, Any]:
    model = load_model("small_cnn", backend="torch", size=32, widths=(4, 8))
    return model.state()


def _safetensors(change: Callable[[dict[str, Any]], None] | None = None) -> bytes:
    state = {name: np.array(array) for name, array in _state().items()}
    if change is not None:
        change(state)
    return safetensors.numpy.save(state)


def _with_nan() -> bytes:
    def spoil(state: dict[str, Any]) -> None:
        state["head.fc.weight"][0, 0] = np.nan

    return _safetensors(spoil)


def _with_wrong_shape() -> bytes:
    def reshape(state: dict[str, Any]) -> None:
        state["head.fc.weight"] = np.zeros((7, 8), np.float32)

    return _safetensors(reshape)


class _Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile_was_here",)


def _jpeg(size: int = 40) -> bytes:
    import cv2

    pixels = np.random.default_rng(size).integers(0, 255, (size, size, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


FOOD: dict[str, Content] = {
    f"food/{split}/{label}_{number}.jpg": _jpeg
    for split in ("training", "validation")
    for label in (0, 3)
    for number in (0, 1)
}
TORCH_ONLY = b"import torch\ndef net():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 5))\n"
USER = {
    "net.py": b"def nothing():\n    return None\n"
    b"def raises():\n    raise RuntimeError('first line\\nsecond line')\n"
    b"def array():\n    import numpy\n    return numpy.zeros(3)\n"
    b"def flat(nn, classes=2):\n    return nn.Sequential({'flatten': nn.Flatten()})\n",
    "torch_only.py": TORCH_ONLY,
    "broken.py": b"def net(:\n",
}


def user(function: str, **keys: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": {"name": function}, "data": ONE | {"size": 32}} | keys


def zoo(name: str, **keys: Any) -> dict[str, Any]:
    return UNTRAINED | {"model": {"name": name} | keys}


CASES = [
    # the file
    Case("no file", "no configuration file 'config.yaml'", "Check the path", None),
    Case("empty file", "'config.yaml' holds no keys", "See the files in configs/", b""),
    Case("binary file", "cannot be read as text", "Name a YAML file", b"\x89PNG\xff\xfe\x00"),
    Case("not YAML", "not valid YAML (line 2)", "Check indentation", b"model: {name\nsaliency: ["),
    Case("a list", "holds no keys", "See the files", b"- saliency\n- feature_maps\n"),
    Case("a sentence", "holds no keys", "See the files", b"explain everything"),
    Case("a folder", "cannot be read as text", "Name a YAML file", files={"config.yaml/x": b""}),
    Case(
        "another directory", "no configuration file 'nowhere/c.yaml'", "Check the path", args=("CONFIG:nowhere/c.yaml",)
    ),
    Case("nothing to do", "nothing to do", "Add one of: saliency", {"title": "x"}),
    Case("no task", "The part 'main' has no task", "Give it one of", {"model": CNN}),
    Case("number as key", "the key '1' is not a text", "quotes", BASE | {1: 2}),
    # keys and kinds
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
    # options
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
        files={"a.jpg": _jpeg},
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
    # methods
    Case(
        "unknown parameter",
        "'smoothgrad' has no parameter 'sample'",
        "Did you mean 'samples'?",
        gradients(smoothgrad={"sample": 3}),
    ),
    Case("no samples", "samples=0", "Pass samples=1 or more", gradients(smoothgrad={"samples": 0})),
    Case("samples as text", "samples='1e3'", "Pass samples=1 or more", gradients(smoothgrad={"samples": "1e3"})),
    Case("negative noise", "sigma=-1", "Pass sigma=0 or more", gradients(smoothgrad={"sigma": -1})),
    Case(
        "unknown aggregate",
        "aggregate='median'",
        "Choose mean or absolute",
        gradients(smoothgrad={"aggregate": "median"}),
    ),
    Case("no batch in a method", "batch_size=0", "Use a number", gradients(smoothgrad={"batch_size": 0})),
    Case("no steps", "steps=-3", "Pass steps=1 or more", gradients(integrated_gradients={"steps": -3})),
    Case(
        "unknown rule",
        "rule='simpson'",
        "Choose one of: gauss_legendre",
        gradients(integrated_gradients={"rule": "simpson"}),
    ),
    Case(
        "baseline as text", "baseline 'white'", "Pass a number", gradients(integrated_gradients={"baseline": "white"})
    ),
    Case(
        "unknown quantity in a method",
        "of='margin'",
        "Choose one of: logit",
        gradients(integrated_gradients={"of": "margin"}),
    ),
    Case("target out of range", "Target 11 does not exist", "from 0 to 10", gradients(target=11)),
    Case("unknown segmentation", "segments='watershed'", "Choose one of: slic", lime(segments="watershed")),
    Case("segmentation as a list", "segments=['slic']", "Choose one of: slic", lime(segments=["slic"])),
    Case(
        "unknown option of SLIC",
        "'slic' has no option 'n_segment'",
        "n_segments",
        lime(segment_options={"n_segment": 3}),
    ),
    Case(
        "SLIC of text", "segmentation 'slic' failed", "Check its options", lime(segment_options={"n_segments": "many"})
    ),
    Case("segment options as a number", "segment_options=5", "mapping", lime(segment_options=5)),
    Case(
        "a single superpixel",
        "a single superpixel",
        "more or smaller segments",
        lime(segments="grid", segment_options={"cells": 1}),
    ),
    Case("a grid finer than pixels", "cells=64", "Pass 1 to 32", lime(segments="grid", segment_options={"cells": 64})),
    Case("hide with a word", "hide_colour='red'", "number", lime(hide_colour="red")),
    Case("unknown mask", "mask='fog'", "blur(16,16)", shap("partition_shap", mask="fog")),
    Case("a mask without width", "mask='blur(0,0)'", "blur(16,16)", shap("partition_shap", mask="blur(0,0)")),
    Case("no evaluations", "max_evaluations=0", "Pass max_evaluations=1", shap("partition_shap", max_evaluations=0)),
    Case(
        "background as a parameter",
        "no parameter 'background'",
        "Choose one of",
        shap("expected_gradients", background=0),
    ),
    Case(
        "no background pictures",
        "'lime_shap.background_pictures' is 0",
        "greater than 0",
        args=("--set", "lime_shap.background_pictures=0"),
    ),
    Case(
        "no method left",
        "lime_shap has no method left",
        "Keep one of",
        lime() | {"lime_shap": dict.fromkeys(("lime", "expected_gradients", "partition_shap"))},
    ),
    # layers
    Case("unknown layer", "no layer 'stage1.cnv'", "Did you mean 'stage1.conv'?", maps(layers=["stage1.cnv"])),
    Case(
        "a layer without maps",
        "Layer 'head.fc' has no two-dimensional maps",
        "Choose a convolution",
        maps(layers=["head.fc"]),
    ),
    Case(
        "filter out of range",
        "Filter 4 does not exist: layer 'stage1.conv' has 4",
        "Use 0 to 3",
        maps(layers=["stage1.conv"], filters=[0, 4]),
    ),
    Case("no layers", "'feature_maps.layers' is []", "not empty", maps(layers=[])),
    Case("no filters", "'feature_maps.filters' is []", "not empty", maps(filters=[])),
    Case(
        "filter to visualise out of range",
        "Filter 99 does not exist",
        "Use 0 to 7",
        maps(filters=[0], visualisation={"layer": "stage2.conv", "filters": [99]}),
    ),
    # networks
    Case("unknown network", "no model 'smal_cnn'", "Did you mean 'small_cnn'?", zoo("smal_cnn")),
    Case("unknown option", "'small_cnn' has no option 'depth'", "size", zoo("small_cnn", options={"depth": 3})),
    Case(
        "option of the wrong kind",
        "'small_cnn' cannot be built",
        "Check its options",
        zoo("small_cnn", options={"widths": 5}),
    ),
    Case("size as text", "'small_cnn' cannot be built", "Check its options", zoo("small_cnn", options={"size": "big"})),
    Case(
        "pictures too small",
        "Pictures of 4 x 4 pixels cannot be halved 3 times",
        "at least 8",
        zoo("small_cnn", options={"size": 4}),
    ),
    Case(
        "data too small for the network",
        "input of shape (1, 3, 16, 16)",
        "Check the shape",
        zoo("small_cnn", options={"widths": [2] * 6}) | {"data": ONE | {"size": 16}},
    ),
    Case("pictures smaller than any", "size=8", "16 or more", BASE | {"data": ONE | {"size": 8}}),
    Case(
        "printed kernels",
        "The printed kernels do not fit 256 x 256 pixels",
        "divisor",
        zoo("lenet", options={"divisor": 1}),
    ),
    Case("one class", "classes=1 cross entropy is constant", "Use one output a class", zoo("lenet", classes=1)),
    Case("one class of the small one", "one output", 'of="logit"', zoo("small_cnn", classes=1, options=CNN["options"])),
    Case("a network for tables", "'mlp' does not take pictures", "Choose another model.name", zoo("mlp")),
    Case("unknown library", "'keras' in 'keras:resnet18'", "file.py:function", zoo("keras:resnet18")),
    Case(
        "unknown torchvision network",
        "torchvision.models has no 'resnet19'",
        "Did you mean 'resnet1",
        zoo("torchvision:resnet19"),
    ),
    Case(
        "unknown Paddle network",
        "paddle.vision.models has no 'resnet19'",
        "Did you mean 'resnet1",
        zoo("paddle:resnet19") | {"backend": "paddle"},
    ),
    Case(
        "a Paddle network on torch",
        "needs the framework 'paddle'",
        "Use --backend paddle or both",
        zoo("paddle:resnet18"),
    ),
    Case(
        "a library network without an equal",
        "'torchvision:squeezenet1_1' is built of other layers on paddle",
        "Use --backend torch",
        zoo("torchvision:squeezenet1_1") | {"backend": "both", "data": ONE | {"size": 32}},
    ),
    Case(
        "a library network that the other lacks",
        "'torchvision:mnasnet0_5' cannot be built on paddle",
        "Use --backend torch",
        zoo("torchvision:mnasnet0_5") | {"backend": "both", "data": ONE | {"size": 32}},
    ),
    Case("no pretrained weights", "no pretrained weights for 'small_cnn'", "Train it", weights(weights="pretrained")),
    Case(
        "classes beside pretrained weights",
        "have 1000 outputs, not 5",
        "Leave classes out",
        zoo("efficientnet_lite0", weights="pretrained", classes=5),
    ),
    Case(
        "a file without a function", "does not say which function", "Write file.py:function", user("net.py"), files=USER
    ),
    Case("a missing file", "no file 'nett.py'", "Check the path", user("nett.py:net"), files=USER),
    Case(
        "a missing function",
        "'net.py' has no function 'nothin'",
        "Did you mean 'nothing'?",
        user("net.py:nothin"),
        files=USER,
    ),
    Case(
        "a file that does not run",
        "'broken.py' does not run: SyntaxError",
        "Run it with Python",
        user("broken.py:net"),
        files=USER,
    ),
    Case(
        "a function that raises",
        "'net.py:raises' raised RuntimeError: first line",
        "Call it in Python",
        user("net.py:raises"),
        files=USER,
    ),
    Case(
        "a function without a result",
        "returned a NoneType",
        "Return a torch.nn.Module",
        user("net.py:nothing"),
        files=USER,
    ),
    Case(
        "a function with another result",
        "returned a ndarray",
        "Return a torch.nn.Module",
        user("net.py:array"),
        files=USER,
    ),
    Case(
        "a file without a picture size",
        "picture size that 'torch_only.py:net' wants",
        "Set data.size",
        user("torch_only.py:net", data=ONE),
        files=USER,
    ),
    Case(
        "a torch file for both",
        "network of torch, not of paddle",
        "Use --backend torch",
        user("torch_only.py:net", backend="both"),
        files=USER,
    ),
    Case(
        "a torch file for Paddle",
        "network of torch, not of paddle",
        "Use --backend torch",
        user("torch_only.py:net", backend="paddle"),
        files=USER,
    ),
    Case(
        "no convolution",
        "has no convolution",
        "feature_maps.layers",
        {"backend": "torch", "model": {"name": "torch_only.py:net"}, "data": ONE | {"size": 32}, "feature_maps": {}},
        files=USER,
    ),
    # weights
    Case("missing weights", "no weights file 'none.pth'", "Check the path", weights(weights="none.pth")),
    Case(
        "weights of another kind", "the ending '.npy'", ".safetensors", weights(weights="w.npy"), files={"w.npy": _npy}
    ),
    Case(
        "empty weights", "'w.pth' is empty", "Save or download it again", weights(weights="w.pth"), files={"w.pth": b""}
    ),
    Case("corrupt weights", "'w.pth'", "file", weights(weights="w.pth"), files={"w.pth": b"\x00\x01corrupt" * 9}),
    Case(
        "truncated weights",
        "'w.safetensors' is damaged",
        "Save or download it again",
        weights(weights="w.safetensors"),
        files={"w.safetensors": lambda: _safetensors()[:-100]},
    ),
    Case(
        "hostile weights",
        "asks for",
        "Save the state dict alone",
        weights(weights="w.pdparams"),
        files={"w.pdparams": lambda: pickle.dumps({"a": _Hostile()})},
    ),
    Case(
        "hostile torch weights",
        "asks for",
        "Save the state dict alone",
        weights(weights="w.pth"),
        files={"w.pth": lambda: pickle.dumps({"a": _Hostile()}, 2)},
    ),
    Case(
        "weights of other shapes",
        "head.fc.weight",
        "(11, 8)",
        weights(weights="w.safetensors"),
        files={"w.safetensors": _with_wrong_shape},
    ),
    Case(
        "weights with NaN",
        "scores hold NaN",
        "Check its weights",
        weights(weights="w.safetensors"),
        files={"w.safetensors": _with_nan},
    ),
    Case(
        "a folder of weights",
        "'w.pth' is a folder",
        "Name the file in it",
        weights(weights="w.pth"),
        files={"w.pth/x": b""},
    ),
    # pictures
    Case("missing folder", "'food' does not exist", "Name the folder", folder()),
    Case(
        "empty folder",
        "no picture in 'food'",
        "Name a folder with pictures",
        folder(split="training"),
        files={"food/notes.txt": b"x"},
    ),
    Case(
        "missing split",
        "has no validation part",
        "Choose one of these",
        folder(),
        files={name: c for name, c in FOOD.items() if "training" in name},
    ),
    Case(
        "unknown split",
        "Split 'evening' does not exist",
        "Choose one of: training",
        folder(split="evening"),
        files=FOOD,
    ),
    Case(
        "nothing but corrupt pictures",
        "No picture of",
        "again",
        folder(),
        files=dict.fromkeys(FOOD, b"\xff\xd8 no picture"),
    ),
    Case("label out of range", "11_0.jpg", "0 to 10", folder(), files=FOOD | {"food/validation/11_0.jpg": _jpeg}),
    Case(
        "more labels than outputs",
        "Label 3 is beyond the network's 2 outputs",
        "classes=4",
        folder() | {"model": TRAINED | {"classes": 2}},
        files=FOOD,
    ),
    Case(
        "training pictures of one class",
        "have the label 3",
        "second class",
        folder(),
        files={name: c for name, c in FOOD.items() if "/0_" not in name},
    ),
    Case(
        "training pictures without labels",
        "without a label",
        "labelled part",
        folder(),
        files={name.replace("0_", "a").replace("3_", "b"): c for name, c in FOOD.items()},
    ),
    Case(
        "nothing to train on",
        "nothing to train on in 'photographs'",
        "Use a folder",
        BASE | {"data": {"source": "photographs"}},
    ),
    Case(
        "picture number out of range",
        "asks for picture 9: there are 4",
        "Use 0 to 3",
        folder(pictures=[0, 9]),
        files=FOOD,
    ),
    Case(
        "a named picture that is corrupt",
        "0_0.jpg",
        "again",
        folder(pictures=[0]),
        files=FOOD | {"food/validation/0_0.jpg": b"\xff\xd8"},
    ),
    Case(
        "a corrupt picture that may not be",
        "0_0.jpg",
        "again",
        folder(on_error="fail"),
        files=FOOD | {"food/validation/0_0.jpg": b"\xff\xd8"},
    ),
    Case("no files", "The source 'files' needs files", "Set data.files", BASE | {"data": {"source": "files"}}),
    Case("a missing picture", "'none.jpg' is not a file", "Check its spelling", files("none.jpg")),
    Case(
        "a corrupt picture",
        "'a.jpg' is cut short",
        "download it again",
        files("a.jpg"),
        files={"a.jpg": lambda: _jpeg()[:50]},
    ),
    Case(
        "a picture of zero bytes",
        "'a.jpg' is empty (0 bytes)",
        "download it again",
        files("a.jpg"),
        files={"a.jpg": b""},
    ),
    Case(
        "no picture at all",
        "'a.jpg' is damaged or is not a picture",
        "Save it again",
        files("a.jpg"),
        files={"a.jpg": b"Dear diary"},
    ),
    Case(
        "a picture from --data that is corrupt",
        "'a.jpg' is empty",
        "again",
        UNTRAINED | {"data": {"source": "photographs"}},
        ("--data", "a.jpg"),
        {"a.jpg": b""},
    ),
    # tables
    Case("LIME's row out of range", "Row 150 does not exist in the table", "from 0 to 149", tables(lime_row=150)),
    Case("SHAP's row out of range", "Row 999 does not exist in the table", "from 0 to 149", tables(shap_row=999)),
    Case("LIME's class out of range", "no class 3", "from 0 to 2", tables(lime_target=3)),
    Case("a class for a regressor", "The regressor on the table", "Leave the target out", tables(shap_target=1)),
    Case("unknown feature", "no feature 'petal'", "Choose one of: petal", tables(dependence="petal")),
    Case("too few samples", "samples 5 ", "at least 100", tables(samples=5)),
    Case("too many test rows", "test_rows is 150", "Choose from 3 to", tables(test_rows=150)),
]
