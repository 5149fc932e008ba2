"""What a random forest says of its features, and what it says of columns that mean nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...tables_split import Split
from ..table_encoding import Array, Encoding
from .permutation import Importance, permutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....datasets import Table


@dataclass(frozen=True, eq=False)
class RandomColumns:
    """Importance of a table's features beside that of random columns, over several draws of these.

    Attributes
    ----------
    names : list of str
        The table's features, then the random columns.
    random : (D + R,) bool
        Which of them are random.
    impurity, training, held_out : Importance
        Impurity importance, and permutation importance on the rows trained on and on those held out; mean and
        standard deviation over the draws.
    """

    names: list[str]
    random: Array
    impurity: Importance
    training: Importance
    held_out: Importance


def forest(table: Table, encoding: Encoding, trees: int, seed: int) -> Any:
    """Make a random forest that takes the table's own rows."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if table.class_names else RandomForestRegressor
    return encoding.before(kind(n_estimators=trees, random_state=seed))


def impurity_importance(fitted: Any, encoding: Encoding) -> Importance:
    """Mean decrease in impurity by column, and its standard error over the trees.

    References
    ----------
    L. Breiman, "Random forests", Machine Learning 45 (2001).
    """
    trees = fitted[-1].estimators_
    by_tree = np.array([encoding.summed(tree.feature_importances_) for tree in trees])
    spread = by_tree.std(axis=0, ddof=min(1, len(trees) - 1)) / np.sqrt(len(trees))
    return Importance(encoding.summed(fitted[-1].feature_importances_), spread)


def random_columns(
    table: Table,
    split: Split,
    values: Sequence[int],
    *,
    forests: int,
    trees: int,
    permutations: int,
    seed: int,
) -> RandomColumns:
    """Train forests on a table with random columns added.

    Parameters
    ----------
    table : Table
    split : Split
        Which rows to train on.
    values : sequence of int
        A random column for each, with so many equally likely values; a continuous one comes on top.
    forests : int
        How many times to draw the columns and grow a forest.
    trees, permutations : int
        Of each forest.
    seed : int
        Of all draws.

    Returns
    -------
    RandomColumns

    References
    ----------
    C. Strobl et al., "Bias in random forest variable importance measures", BMC Bioinformatics 8 (2007).
    """
    names = [*(f"random, {count} values" for count in values), "random, continuous"]
    draws: dict[str, list[Array]] = {"impurity": [], "training": [], "held_out": []}
    for rng in (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(forests)):
        added = [rng.integers(count, size=len(table.data)) for count in values] + [rng.random(len(table.data))]
        longer = replace(
            table, data=np.column_stack([table.data, *added]), feature_names=[*table.feature_names, *names]
        )
        encoding, forest_seed = Encoding.of(longer), int(rng.integers(2**31))
        fitted = forest(longer, encoding, trees, forest_seed).fit(longer.data[split.train], table.target[split.train])
        draws["impurity"].append(impurity_importance(fitted, encoding).mean)
        for part, rows in (("training", split.train), ("held_out", split.test)):
            found = permutation(
                fitted,
                longer.data[rows],
                table.target[rows],
                [[column] for column in range(longer.data.shape[1])],
                classes=bool(table.class_names),
                permutations=permutations,
                seed=forest_seed,
            )
            draws[part].append(found.mean)
    every = [*table.feature_names, *names]
    return RandomColumns(
        names=every,
        random=np.arange(len(every)) >= len(table.feature_names),
        **{part: Importance(np.mean(found, axis=0), np.std(found, axis=0, ddof=1)) for part, found in draws.items()},
    )
