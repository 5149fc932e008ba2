"""Folders and picture files that cannot be used."""

from __future__ import annotations

from typing import Any

from .case import BASE, TRAINED, UNTRAINED, Case, Content, jpeg

FOOD: dict[str, Content] = {
    f"food/{split}/{label}_{number}.jpg": jpeg
    for split in ("training", "validation")
    for label in (0, 3)
    for number in (0, 1)
}


def folder(**keys: Any) -> dict[str, Any]:
    return BASE | {"data": {"source": "folder", "path": "food", "pictures": 1} | keys}


def files(*names: str) -> dict[str, Any]:
    return UNTRAINED | {"data": {"source": "files", "files": list(names)}}


CASES = [
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
    Case("label out of range", "11_0.jpg", "0 to 10", folder(), files=FOOD | {"food/validation/11_0.jpg": jpeg}),
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
        files={"a.jpg": lambda: jpeg()[:50]},
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
]
