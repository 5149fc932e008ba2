"""The 20 newsgroups: some 19,000 letters of twenty discussion groups, through scikit-learn's own fetch."""

from __future__ import annotations

import socket
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .packages import require
from .texts import Corpus, Texts, check_corpus, shortened_names

ARCHIVE = "20news-bydate.tar.gz"
_SECONDS = 10.0
_UNPACKED = "20news_home"


def newsgroups(data_home: str | Path | None = None) -> Corpus:
    """Letters of twenty newsgroups, headers included, in scikit-learn's order.

    They come from scikit-learn's cache, or from the network the first time. A silent network is given up after ten
    seconds, and once more.

    Parameters
    ----------
    data_home : path, optional
        Scikit-learn's data folder; its own default, ``~/scikit_learn_data``, when not given.

    Returns
    -------
    Corpus
        11,314 letters to learn from and 7,532 for testing, with short class names.

    Raises
    ------
    MissingPackageError
        If scikit-learn is not installed.
    DataError
        If the letters are neither in the cache nor to be had from the network.

    References
    ----------
    K. Lang, "NewsWeeder: Learning to filter netnews", ICML 1995.
    """
    datasets = require("sklearn.datasets", "scikit-learn", "load the 20 newsgroups")
    home = Path(datasets.get_data_home(data_home))
    try:
        with _impatient_network(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Retry downloading", UserWarning)
            train, test = (
                datasets.fetch_20newsgroups(data_home=home, subset=subset, n_retries=1, delay=0.5)
                for subset in ("train", "test")
            )
    except (OSError, EOFError, HTTPException, tarfile.TarError) as error:
        # A failed download leaves an empty folder behind.
        with suppress(OSError):
            (home / _UNPACKED).rmdir()
        raise DataError(
            f"The 20 newsgroups are not in '{home}' and cannot be downloaded ({_reason(error)}).",
            f"Set source: planted for the corpus that needs no network, or put {ARCHIVE} into '{home / _UNPACKED}'.",
        ) from error
    return check_corpus(
        Corpus(
            train=_texts(train),
            test=_texts(test),
            class_names=shortened_names([str(name) for name in train.target_names]),
            name="20 newsgroups",
            description=f"{len(train.data)} letters to twenty newsgroups to learn from and {len(test.data)} later ones "
            "for testing, headers included (Lang, 1995).",
        )
    )


@contextmanager
def _impatient_network() -> Iterator[None]:
    """Connections that stay silent are given up: scikit-learn's download knows no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS if before is None else min(before, _SECONDS))
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _texts(bunch: Any) -> Texts:
    return Texts(list(bunch.data), np.asarray(bunch.target, dtype=np.int64))
