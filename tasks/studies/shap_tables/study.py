"""Shapley values on tables: exact ones of forests and boosted trees, and a network's beside them."""

from __future__ import annotations

from typing import Any

from ....figures.report import Section
from ..base import Context, Findings
from .compare import all_series, compare_numbers
from .compare_report import compare_section
from .networks import Explained, explained_networks, rehearse_methods
from .numbers import network_numbers, say_network, say_trees, trees_numbers
from .questions import Question, questions
from .report import trees_section
from .settings import ShapTables
from .trees import explained_trees, require_trees


def run(settings: ShapTables, context: Context) -> Findings:
    """Explain every table of the settings, first by trees, then by a network of every framework."""
    require_trees()
    asked = questions(settings, context.seed)
    if settings.networks is not None:
        for question in asked:
            rehearse_methods(question, settings.networks, context.backends, context.seed)
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    for question in asked:
        found, numbers[question.key] = _explain(question, settings, context)
        sections += found
    return sections, numbers


def _explain(question: Question, settings: ShapTables, context: Context) -> Findings:
    context.say(f"shap_tables: growing and explaining trees on {question.table.name}")
    trees = explained_trees(question, settings, context.seed)
    for one in trees:
        context.say(say_trees(question, one))
    sections = [trees_section(question, trees, context)]
    numbers: dict[str, Any] = trees_numbers(question, trees)
    network: Explained | None = None
    if settings.networks is not None:
        context.say(f"shap_tables: fitting and explaining a network on {question.table.name}")
        network = explained_networks(question, settings.networks, context)
        numbers["network"] = network_numbers(network)
        for line in say_network(question, network):
            context.say(line)
    series = all_series(question, trees, network)
    numbers["comparison"] = compare_numbers(series, question)
    sections.append(compare_section(question, series, network, context))
    return sections, numbers
