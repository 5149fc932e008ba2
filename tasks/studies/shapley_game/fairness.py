"""The axioms, checked on every game of the study and on ways of sharing that break one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ....figures.report import Row, Section, TableItem, TextItem
from ....methods.perturbation.shapley_game import Floats
from ..base import Context, Findings
from .axioms import AXIOMS, HOLDS, largest_residuals, random_games
from .rules import RULES, SHAPLEY
from .settings import Axioms


def axioms_section(settings: Axioms, games: Mapping[str, Sequence[Floats]], context: Context) -> Findings:
    """Measure how far Shapley values and other rules are from each axiom.

    Parameters
    ----------
    settings : Axioms
    games : mapping of str to sequence of ndarray (2**K,)
        Groups of games of the same players, by name.
    context : Context
    """
    rng = np.random.default_rng([context.seed, 1])
    chance = random_games(settings.games, settings.players, rng)
    # Additivity needs a second game of the same players.
    groups = {
        name: [*group, rng.permutation(group[0])] if len(group) == 1 else list(group) for name, group in games.items()
    }
    groups[f"{settings.games} random games of {settings.players} players"] = chance
    kept = {name: largest_residuals(RULES[SHAPLEY], group) for name, group in groups.items()}
    rules = {name: largest_residuals(rule, chance) for name, rule in RULES.items()}
    worst = max(residual for each in kept.values() for residual in each.values())
    context.say(f"shapley_game: the four axioms hold on {len(groups)} groups of games up to {worst:.1g}")
    verdicts = [[name, *(_verdict(residual) for residual in residuals.values())] for name, residuals in rules.items()]
    tables = [
        TableItem(
            "Shapley values: residual of each axiom",
            ["games", *AXIOMS],
            [[name, *(f"{residual:.1e}" for residual in each.values())] for name, each in kept.items()],
            "Largest residual over the games, as a share of the range of what coalitions are worth. "
            "Additivity is judged on a game and a second one of the same players.",
        ),
        TableItem(
            "Which rule keeps which axiom",
            ["rule", *AXIOMS],
            verdicts,
            f"On the random games. Kept: the residual is at most {HOLDS:g}; otherwise the residual.",
        ),
    ]
    meaning = "; ".join(f"{name}: {what}" for name, what in AXIOMS.items())
    text = TextItem(
        f"{meaning[0].upper()}{meaning[1:]}. Shapley values are the only rule that keeps all four (Shapley, 1953). The "
        "exact rules below keep three and break one: no axiom follows from the others. The two estimates keep some "
        "axioms whatever they draw, and miss the others by their sampling error."
    )
    section = Section("Shapley values: the axioms", "", [Row([text]), Row(tables)])
    return [section], {"shapley": kept, "rules": rules, "holds_up_to": HOLDS}


def _verdict(residual: float) -> str:
    return "kept" if residual <= HOLDS else f"broken: {residual:.2g}"
