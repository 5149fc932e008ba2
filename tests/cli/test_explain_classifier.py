"""``twinlens explain`` with a user's own classifier: its checkpoint, its classes, its regions, and faces."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image
from typer.testing import CliRunner

import twinlens as tl
from twinlens.backends import Backend
from twinlens.backends.checkpoint_files import write_checkpoint
from twinlens.cli import app
from twinlens.models.canonical import from_canonical

from ..frameworks import ANY, need

SIDE = 16
PATCH = (slice(4, 8), slice(8, 12))
BOX = [8, 4, 4, 4]

NET = """
LABELS = ["dark", "bright"]
SIZE = 16

def build(nn, classes=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(768, classes))

def one(nn):
    return build(nn, 1)

def other(nn):
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 4), nn.ReLU(), nn.Linear(4, 2))

def maps(nn):
    return nn.Sequential(nn.Conv2d(3, 2, 3))
"""
TORCH = """
import torch

SIZE = 16

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(768, 2))

    def forward(self, x):
        return self.layers(x)
"""
PADDLE = """
import paddle

LABELS = ["dark", "bright"]
SIZE = 16

class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.layers = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(768, 2))

    def forward(self, x):
        return self.layers(x)
"""
GRID = ["--set", "segments=grid", "--set", "segment_options={cells: 4}", "--set", "hide_colour=0"]
LIME = ["--method", "lime", "--set", "samples=120", *GRID]
PLANTED = ["--model", "net.py:build", "--weights", "planted.pth"]


def planted(classes: int = 2, prefix: str = "1.") -> dict[str, np.ndarray]:
    """Class 1 is for the mean of one patch, and against that of another, twice as far."""
    weight = np.zeros((classes, 3, SIDE, SIDE), np.float32)
    weight[-1][:, *PATCH] = 4 / 48
    weight[-1, :, 12:, :4] = -2 / 48
    return {f"{prefix}weight": weight.reshape(classes, -1), f"{prefix}bias": np.zeros(classes, np.float32)}


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    need("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    write_checkpoint(tmp_path / "planted.pth", planted())
    for name, seed in (("a.png", 0), ("b.png", 1)):
        Image.fromarray(picture(seed)).save(tmp_path / name)
    return tmp_path


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["explain", *arguments])


def explained(*arguments: str) -> dict[str, Any]:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(Path("runs/explain/results.json").read_text())
    return found | {"stdout": result.stdout, "stderr": result.stderr}


def one_line(*arguments: str) -> str:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert not Path("runs").exists()
    line: str = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def probability(seed: int = 0) -> float:
    """Of class 1, by hand."""
    x = picture(seed).astype(np.float64).transpose(2, 0, 1) / 255
    score = float((planted()["1.weight"][1].reshape(3, SIDE, SIDE) * x).sum())
    return float(1 / (1 + np.exp(-score)))


def test_the_prediction_is_printed_and_the_green_region_is_the_patch(backend: Backend, folder: Path) -> None:
    found = explained("a.png", *PLANTED, "--backend", backend.name, *LIME)
    p = probability()
    assert p > 0.5
    assert f"a.png ({backend.name}): bright {p:.3f}, dark {1 - p:.3f}" in found["stdout"]
    lime = found["methods"]["lime"][backend.name]
    (regions,) = lime["regions"]
    first, second = regions[:2]
    assert first["box"] == BOX
    assert first["weight"] > 0
    assert first["drawn"]
    assert first["standard_error"] < first["weight"] / 4
    assert second["box"] == [0, 12, 4, 4]
    assert second["weight"] < 0
    assert all(abs(each["weight"]) < 0.2 * first["weight"] for each in regions[2:])
    assert lime["error"]["name"] == "local R²"
    assert lime["error"]["values"][0] > 0.8
    report = Path("runs/explain/report.html").read_text()
    for words in ("bright", "local R²", "The strongest regions"):
        assert words in report


def test_both_frameworks_find_the_same_regions(both: tuple[Backend, Backend], folder: Path) -> None:
    found = explained("a.png", "b.png", *PLANTED, "--backend", "both", *LIME, "--method", "kernelshap")
    for method in ("lime", "kernelshap"):
        ours, theirs = (found["methods"][method][name]["regions"] for name in ("torch", "paddle"))
        for one, other in zip(ours, theirs, strict=True):
            weights = [{each["region"]: each["weight"] for each in several} for several in (one, other)]
            assert weights[0] == pytest.approx(weights[1], abs=1e-5)
            assert [e["region"] for e in one if e["drawn"]] == [e["region"] for e in other if e["drawn"]]
            assert one[0]["box"] == other[0]["box"] == BOX


def _torch_saved(content: Callable[[Any], Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch = need("torch") and importlib.import_module("torch")
        torch.save(content({name: torch.tensor(array) for name, array in planted().items()}), path)

    return write


@pytest.mark.parametrize(
    "write",
    [
        _torch_saved(lambda state: {"model_state_dict": state, "epoch": 7, "optimizer_state_dict": {"lr": 0.1}}),
        _torch_saved(lambda state: {"state_dict": state, "class_to_idx": {"dark": 0, "bright": 1}}),
        _torch_saved(lambda state: {f"module.{name}": tensor for name, tensor in state.items()}),
        _torch_saved(lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}}),
    ],
    ids=["model_state_dict", "state_dict", "DataParallel", "nested DataParallel"],
)
def test_usual_checkpoints_are_read(write: Callable[[Path], None], folder: Path) -> None:
    write(folder / "w.pth")
    found = explained("a.png", "--model", "net.py:build", "--weights", "w.pth", "--method", "saliency")
    assert f"bright {probability():.3f}" in found["stdout"]


def test_a_network_of_paddle_takes_its_own_checkpoint(folder: Path) -> None:
    need("paddle")
    (folder / "paddle_net.py").write_text(PADDLE)
    native = from_canonical(planted(prefix="layers.1."), "paddle", {"layers.1": "linear"})
    write_checkpoint(folder / "w.pdparams", native)
    found = explained("a.png", "--model", "paddle_net.py:Net", "--weights", "w.pdparams", "--backend", "paddle", *LIME)
    assert f"a.png (paddle): bright {probability():.3f}" in found["stdout"]
    assert found["methods"]["lime"]["paddle"]["regions"][0][0]["box"] == BOX


def test_a_single_logit_is_told_and_explained_by_its_sigmoid(backend: Backend, folder: Path) -> None:
    write_checkpoint(folder / "one.pth", {name: array[1:] for name, array in planted().items()})
    arguments = ["--model", "net.py:one", "--weights", "one.pth", "--backend", backend.name]
    found = explained("a.png", *arguments, *LIME)
    assert f"bright {probability():.3f}" in found["stdout"]
    assert any("logit of class 1" in note for note in found["notes"])
    assert found["methods"]["lime"][backend.name]["regions"][0][0]["box"] == BOX


def test_class_names_and_colours_are_given_by_options(folder: Path) -> None:
    found = explained(
        "a.png", *PLANTED, "--labels", "night,day", "--mean", "0.5", "--std", "0.25", "--target", "day",
        "--method", "saliency",
    )  # fmt: skip
    model = tl.load_model("net.py:build", "planted.pth", backend="torch")
    x = picture().transpose(2, 0, 1)[None].astype(np.float32) / 255
    model.preprocess = None
    expected = model.probabilities((x - 0.5) / 0.25)[0, 1]
    (best, _) = found["predictions"]["torch"][0]
    assert {best["name"]: best["probability"]} == {"day": pytest.approx(float(expected), rel=1e-4)}
    assert found["target"] == [1]


def test_a_file_without_a_size_gets_the_usual_one_and_says_so(folder: Path) -> None:
    (folder / "any.py").write_text(
        "def build(nn):\n    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))\n"
    )
    found = explained("a.png", "--model", "any.py:build", "--method", "saliency")
    saved = tl.Explanation.load("runs/explain/explanations/saliency_torch.npz")
    assert saved.inputs.shape == (1, 3, 224, 224)
    assert any("224 pixels" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("options", "signs"),
    [
        ([], {1, -1}),
        (["--regions", "positive"], {1}),
        (["--num-regions", "1"], {1}),
        (["--min-weight", "0.9"], set()),
        (["--regions", "none"], set()),
        (["--palette", "blue-orange", "--hide-rest"], {1, -1}),
    ],
)
def test_what_is_drawn_is_what_was_asked_for(options: list[str], signs: set[int], folder: Path) -> None:
    found = explained("a.png", *PLANTED, *LIME, *options)
    (regions,) = found["methods"]["lime"]["torch"]["regions"]
    drawn = [each for each in regions if each["drawn"]]
    assert {int(np.sign(each["weight"])) for each in drawn} == signs
    assert Path("runs/explain/figures/lime.png").stat().st_size > 1000


def test_many_pictures_fill_several_figures(folder: Path) -> None:
    explained(*["a.png"] * 7, *PLANTED, "--method", "feature_ablation", *GRID[:4])
    assert sorted(path.name for path in Path("runs/explain/figures").iterdir()) == [
        "feature_ablation.png",
        "feature_ablation_2.png",
    ]


def test_regions_that_change_nothing_are_not_drawn_and_that_is_said(folder: Path) -> None:
    # The mean of the patch is all that the network sees, and hidden cells show their mean.
    found = explained("a.png", *PLANTED, "--method", "lime", "--set", "samples=60", *GRID[:4])
    assert not any(each["drawn"] for each in found["methods"]["lime"]["torch"]["regions"][0])
    assert "lime finds no region" in found["stderr"]
    assert any("baseline=blur" in note for note in found["notes"])


def test_one_broken_picture_does_not_lose_the_others(folder: Path) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "diary.jpg").write_text("Dear diary")
    found = explained("empty.jpg", "a.png", "nowhere.png", "diary.jpg", "b.png", *PLANTED, "--method", "saliency")
    assert found["pictures"] == ["a.png", "b.png"]
    assert f"b.png (torch): bright {probability(1):.3f}" in found["stdout"]
    assert list(found["skipped"]) == ["empty.jpg", "nowhere.png", "diary.jpg"]
    assert found["stderr"].count("skipped: ") == 3
    report = Path("runs/explain/report.html").read_text()
    assert "Pictures that were skipped" in report
    assert "0 bytes" in report


def test_one_broken_picture_ends_the_run_where_that_is_asked_for(folder: Path) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    assert "'empty.jpg' is empty" in one_line("a.png", "empty.jpg", *PLANTED, "--on-error", "fail")
    line = one_line("empty.jpg", "nowhere.png", *PLANTED)
    assert "None of the 2 pictures" in line
    assert "'empty.jpg' is empty" in line


def test_pictures_of_every_kind_are_read_as_what_they_show(folder: Path) -> None:
    smooth = np.kron(np.array([[[200, 60, 40], [20, 180, 90]], [[90, 90, 200], [240, 240, 20]]]), np.ones((8, 8, 1)))
    upright = Image.fromarray(smooth.astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    upright.save("plain.png")
    upright.convert("CMYK").save("cmyk.jpg", quality=100, subsampling=0)
    upright.convert("RGBA").save("rgba.png")
    upright.transpose(Image.Transpose.ROTATE_90).save("exif.jpg", quality=100, subsampling=0, exif=turned)
    upright.save("moving.gif", save_all=True, append_images=[Image.new("RGB", (16, 16))])
    upright.convert("L").save("grey.png")
    names = ["plain.png", "cmyk.jpg", "rgba.png", "exif.jpg", "moving.gif", "grey.png"]
    found = explained(*names, *PLANTED, "--method", "saliency")
    inputs = tl.Explanation.load("runs/explain/explanations/saliency_torch.npz").inputs
    for shown in inputs[1:5]:
        assert np.abs(shown - inputs[0]).max() < 0.03
    assert np.ptp(inputs[5], axis=0).max() == 0
    assert any("moving.gif: the first of its 2 frames" in note for note in found["notes"])


# -- faces ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def photographs(folder: Path) -> Path:
    data = Path(skimage.__file__).parent / "data"
    for name in ("astronaut", "coffee"):
        with Image.open(data / f"{name}.png") as opened:
            opened.convert("RGB").save(folder / f"{name}.png")
    return folder


def test_the_face_is_cut_out_and_its_box_is_told(photographs: Path) -> None:
    found = explained(
        "astronaut.png", "coffee.png", *PLANTED, "--crop", "face", "--margin", "0.25", "--method", "saliency"
    )
    assert found["pictures"] == ["astronaut.png"]
    assert "No face was found in 'coffee.png'" in found["skipped"]["coffee.png"]
    (about,) = found["faces"]
    ((left, top, width, height),) = about["faces"]
    assert about["cut"] == pytest.approx([left - width / 4, top - height / 4, 1.5 * width, 1.5 * height], abs=1)
    assert f"astronaut.png: a face at {left},{top}, {width} × {height} pixels" in found["stderr"]
    with Image.open("astronaut.png") as whole:
        x, y, side, _ = about["cut"]
        expected = np.asarray(whole.crop((x, y, x + side, y + side)).resize((16, 16), Image.Resampling.BOX))
    shown = tl.Explanation.load("runs/explain/explanations/saliency_torch.npz").inputs[0]
    np.testing.assert_allclose(shown, expected.transpose(2, 0, 1) / 255, atol=0.05)
    assert Path("runs/explain/figures/faces.png").stat().st_size > 1000
    assert "Faces found" in Path("runs/explain/report.html").read_text()


def test_the_face_of_a_turned_camera_is_the_same(photographs: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open("astronaut.png") as upright:
        upright.transpose(Image.Transpose.ROTATE_90).save("turned.jpg", quality=95, exif=exif)
    found = explained("astronaut.png", "turned.jpg", *PLANTED, "--crop", "face", "--method", "saliency")
    straight, turned = found["faces"]
    assert turned["cut"] == pytest.approx(straight["cut"], abs=8)
    shown = tl.Explanation.load("runs/explain/explanations/saliency_torch.npz").inputs
    assert np.corrcoef(shown[0].ravel(), shown[1].ravel())[0, 1] > 0.97


def test_the_largest_of_several_faces_is_explained(photographs: Path) -> None:
    with Image.open("astronaut.png") as face:
        both = Image.new("RGB", (812, 512))
        both.paste(face.resize((300, 300)), (0, 0))
        both.paste(face, (300, 0))
        both.save("two.png")
    found = explained("two.png", *PLANTED, "--crop", "face", "--method", "saliency")
    first, second = found["faces"][0]["faces"]
    assert first[0] > 300 > second[0] + second[2]
    assert "two.png: the largest of 2 faces at" in found["stderr"]


def test_without_a_face_the_whole_picture_is_explained_where_that_is_asked_for(photographs: Path) -> None:
    found = explained(
        "coffee.png", *PLANTED, "--crop", "face", "--no-face", "whole", "--fit", "stretch", "--method", "saliency"
    )
    assert found["faces"] == [{"picture_size": [600, 400], "faces": [], "cut": None}]
    assert "coffee.png: no face, explained as a whole" in found["notes"]


def test_no_face_is_one_line(photographs: Path) -> None:
    line = one_line("coffee.png", *PLANTED, "--crop", "face")
    assert re.search(r"No face was found in 'coffee\.png'.*--no-face whole", line)


# -- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "a,b,c"], r"3 class names \(a, b, c\) for the 2 classes.*--classes 3"),
        (["--labels", "nowhere.txt"], r"'nowhere.txt' is neither a file.*mask,no mask"),
        (["--classes", "3"], r"1\.weight.*\(2, 768\).*\(3, 768\).*number of classes"),
        (["--model", "net.py:other"], r"do not fit.*missing: '3\.weight'|1\.weight.*\(4, 768\)"),
        (["--model", "net.py:maps", "--weights", "random"], r"scores of shape \(1, 2, 14, 14\).*no classifier"),
        (["--mean", "123.7,116.3,103.5"], r"outside 0\.\.1.*255"),
        (["--std", "a"], r"'a' is not made of numbers"),
        (["--outputs", "logit"], r"cannot mean 'logit'.*logits"),
        (["--outputs", "probabilities"], r"no probabilities.*--outputs"),
        (["--crop", "faces"], r"--crop cannot be 'faces'.*'face'"),
        (["--no-face", "skip"], r"--no-face cannot be 'skip'"),
        (["--on-error", "stop"], r"--on-error cannot be 'stop'"),
        (["--fit", "pad"], r"--fit cannot be 'pad'"),
        (["--margin", "-1"], r"--margin -1"),
        (["--regions", "green"], r"--regions cannot be 'green'"),
        (["--num-regions", "0"], r"--num-regions 0"),
        (["--min-weight", "-0.1"], r"--min-weight -0\.1"),
        (["--palette", "red-green"], r"--palette cannot be 'red-green'.*blue-orange, green-red"),
        (["--size", "8"], r"fails on an input of shape \(1, 3, 8, 8\)"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, folder: Path) -> None:
    defaults = PLANTED if "--model" not in arguments else ["--weights", "planted.pth"]
    defaults = [] if "--weights" in arguments else defaults
    assert re.search(message, one_line("a.png", *defaults, *arguments, "--method", "saliency"))


def test_one_output_between_0_and_1_has_to_be_told_what_it_is(folder: Path) -> None:
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("black.png")
    write_checkpoint(folder / "one.pth", {name: array[1:] for name, array in planted().items()})
    arguments = ["black.png", "--model", "net.py:one", "--weights", "one.pth", "--method", "saliency"]
    assert re.search(r"between 0 and 1: it may be a logit or a probability.*--outputs logits", one_line(*arguments))
    assert explained(*arguments, "--outputs", "logits")["predictions"]["torch"][0][0]["probability"] == 0.5


@pytest.mark.parametrize("wrapped", ["alone", "in a dictionary", "beside its weights"])
def test_the_checkpoint_of_a_whole_model_gives_its_weights_and_is_not_run(
    wrapped: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("torch")
    import torch

    (folder / "torch_net.py").write_text(TORCH)
    monkeypatch.syspath_prepend(folder)
    net = importlib.import_module("torch_net").Net()
    beside = {"model": net, "state_dict": net.state_dict(), "epoch": 3}
    torch.save({"alone": net, "in a dictionary": {"model": net}, "beside its weights": beside}[wrapped], "whole.pth")
    monkeypatch.delitem(sys.modules, "torch_net")
    found = explained("a.png", "--model", "torch_net.py:Net", "--method", "saliency", "--weights", "whole.pth")
    x = torch.tensor(picture().transpose(2, 0, 1)[None] / 255, dtype=torch.float32)
    expected = torch.softmax(net(x), 1)[0].max().detach()
    assert found["predictions"]["torch"][0][0]["probability"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("def preprocess(x):\n    return x.convert('RGB')\n", r"preprocess of 'bad\.py:build' fails.*MEAN and STD"),
        ("def preprocess(x):\n    return None\n", r"preprocess of 'bad\.py:build' returns a NoneType"),
        ("LABELS = ['a', 'b', 'c']\n", r"3 class names"),
        ("MEAN = [123, 116, 103]\n", r"In 'bad\.py'.*outside 0\.\.1"),
    ],
)
def test_what_the_file_says_wrongly_is_one_line(said: str, message: str, folder: Path) -> None:
    (folder / "bad.py").write_text(NET.replace('LABELS = ["dark", "bright"]', "") + said)
    line = one_line("a.png", "--model", "bad.py:build", "--backend", ANY, "--method", "saliency")
    assert re.search(message, line)
