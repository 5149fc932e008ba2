"""The 20 newsgroups: through scikit-learn's fetch, or one line that says what to do instead."""

from __future__ import annotations

import http.client
import socket
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from twinlens.datasets.newsgroups import newsgroups
from twinlens.datasets.texts import shortened_names
from twinlens.errors import DataError

NAMES = {
    "alt.atheism": "atheism",
    "comp.graphics": "graphics",
    "comp.os.ms-windows.misc": "ms-windows.misc",
    "comp.sys.ibm.pc.hardware": "pc.hardware",
    "comp.sys.mac.hardware": "mac.hardware",
    "comp.windows.x": "x",
    "misc.forsale": "misc.forsale",
    "rec.autos": "autos",
    "rec.motorcycles": "motorcycles",
    "rec.sport.baseball": "baseball",
    "rec.sport.hockey": "hockey",
    "sci.crypt": "crypt",
    "sci.electronics": "electronics",
    "sci.med": "med",
    "sci.space": "space",
    "soc.religion.christian": "christian",
    "talk.politics.guns": "guns",
    "talk.politics.mideast": "mideast",
    "talk.politics.misc": "politics.misc",
    "talk.religion.misc": "religion.misc",
}
"""The twenty newsgroups and what the course calls them."""


@pytest.fixture
def timeouts(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """What the download would have waited for; there is no network."""
    seen: list[float | None] = []

    def unreachable(url: str, path: Any) -> None:
        seen.append(socket.getdefaulttimeout())
        raise URLError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets._base.urlretrieve", unreachable)
    return seen


@pytest.fixture(params=[None, 3.0, 600.0])
def default_timeout(request: pytest.FixtureRequest) -> Iterator[float | None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(request.param)
    yield request.param
    socket.setdefaulttimeout(before)


def letters(subset: str) -> Bunch:
    return Bunch(
        data=[f"{subset} letter {number}" for number in range(20)], target=np.arange(20), target_names=list(NAMES)
    )


def test_class_names_are_shortened_until_they_just_differ() -> None:
    assert shortened_names(list(NAMES)) == list(NAMES.values())


def test_letters_and_labels_are_those_that_scikit_learn_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def fetch(**arguments: Any) -> Bunch:
        asked.append(arguments)
        return letters(arguments["subset"])

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    corpus = newsgroups(tmp_path)
    assert [one["subset"] for one in asked] == ["train", "test"]
    assert all(one["data_home"] == tmp_path for one in asked)
    # The course's letter 1340 is found by scikit-learn's own order and with its header.
    assert not any({"shuffle", "random_state", "remove", "categories"} & set(one) for one in asked)
    assert corpus.train.texts == letters("train").data
    assert corpus.test.texts == letters("test").data
    assert corpus.test.labels.tolist() == list(range(20))
    assert corpus.class_names == list(NAMES.values())


def test_without_a_network_one_line_says_what_to_do(timeouts: list[float | None], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError) as caught:
            newsgroups(tmp_path / "home")
    line = str(caught.value)
    assert "\n" not in line
    for words in ("Name or service not known", "source: planted", "20news-bydate.tar.gz", str(tmp_path / "home")):
        assert words in line
    assert len(timeouts) == 2


@pytest.mark.usefixtures("timeouts")
def test_a_failed_download_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        newsgroups(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_network_is_given_up_and_the_users_timeout_is_back(
    timeouts: list[float | None], default_timeout: float | None, tmp_path: Path
) -> None:
    with pytest.raises(DataError):
        newsgroups(tmp_path)
    assert all(seconds is not None and seconds <= 10 for seconds in timeouts)
    assert socket.getdefaulttimeout() == default_timeout


@pytest.mark.parametrize(
    "error",
    [
        OSError("The SHA256 checksum of 20news-bydate.tar.gz (0) differs from expected (1)."),
        TimeoutError("timed out"),
        ConnectionResetError(104, "Connection reset by peer"),
        http.client.IncompleteRead(b""),
        tarfile.ReadError("not a gzip file"),
        EOFError("Compressed file ended before the end-of-stream marker was reached"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_way_a_download_fails_is_one_line(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(**arguments: Any) -> None:
        raise error

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fail)
    with pytest.raises(DataError, match="cannot be downloaded"):
        newsgroups(tmp_path)
