"""What a study is told, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ..strict import Strict

if TYPE_CHECKING:
    from ...figures.report import Section
    from ..output import Output

Findings: TypeAlias = "tuple[list[Section], dict[str, Any]]"
"""The report's sections, and the numbers for ``results.json``."""


class StudySettings(Strict):
    """The settings of a study."""

    @property
    def needs_networks(self) -> bool:
        """Whether the study runs networks, so that a framework has to be installed."""
        return False


@dataclass(frozen=True)
class Context:
    """The run that a study is part of.

    Attributes
    ----------
    output : Output
        Where figures, explanations and pages go.
    backends : sequence of str
        The frameworks to run networks on; empty where no study of the run needs one.
    seed : int
        Where everything random comes from.
    device : str
        For networks.
    say : callable
        Told, in a few words, what is going on.
    """

    output: Output
    backends: Sequence[str]
    seed: int
    device: str
    say: Callable[[str], None]
