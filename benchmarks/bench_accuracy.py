"""How long until a result is as good: twinlens beside the library of the field, at the same or a smaller error."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import twinlens as tl
from twinlens.datasets import photographs

Row = tuple[str, str, str, str, str, str]


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def integrated_gradients(rounds: int) -> list[Row]:
    """IG to a completeness residual of 1 %, beside captum at the source's 200 steps."""
    trained = tl.load_model("efficientnet_lite0", "pretrained", backend="torch")
    return [_paths(model, rounds) for model in (tl.load_model("torchvision:resnet18"), trained)]


def _paths(model: tl.Model, rounds: int) -> Row:
    import torch
    from captum import attr

    def network(pictures: torch.Tensor) -> torch.Tensor:
        return model.net(pictures if model.preprocess is None else model.preprocess(pictures))

    x = photographs(224).stack([0, 1])[0]
    targets = model.predict(x).tolist()
    model.net.eval()
    peer, native = attr.IntegratedGradients(network), torch.tensor(x)
    ratios = []
    for _ in range(rounds):
        ours, mine = timed(lambda: tl.explain(model, x, "integrated_gradients", targets, steps=8, tolerance=0.01))
        (_, delta), other = timed(
            lambda: peer.attribute(
                native, target=torch.tensor(targets), n_steps=200, return_convergence_delta=True, internal_batch_size=16
            )
        )
        ratios.append(other / mine)
    theirs = np.abs(delta.numpy() / ours.error.scale).max()
    return (
        f"integrated gradients, residual ≤ 1 %, {model.name}",
        "captum, 200 steps",
        f"{ours.error.relative.max():.2%}, {ours.evaluations} gradients",
        f"{theirs:.2%}, {400} gradients",
        f"{np.median(ratios):.1f}",
        "4",
    )


def kernelshap(rounds: int) -> list[Row]:
    """KernelSHAP of the 150 rows of iris with 100 background rows, beside shap; errors against all coalitions."""
    import shap
    from sklearn.datasets import load_iris

    table = load_iris().data.astype(np.float32)
    rng = np.random.default_rng(0)
    table = table[rng.permutation(len(table))]
    background, rows = table[:100], table
    model = tl.load_model("mlp", seed=1)
    targets = model.predict(rows).tolist()

    def probability(values: np.ndarray, target: int) -> np.ndarray:
        return model.probabilities(values.astype(np.float32))[:, target]

    exact = np.stack(
        [shapley(lambda v, t=t: probability(v, t), row, background) for row, t in zip(rows, targets, strict=True)]
    )

    def theirs() -> np.ndarray:
        explainer = shap.KernelExplainer(model.probabilities, background, silent=True)
        values = np.asarray(explainer.shap_values(rows, silent=True))
        return values[np.arange(len(rows)), :, targets]

    ratios = []
    for _ in range(rounds):
        ours, mine = timed(
            lambda: tl.explain(model, rows, "kernelshap", targets, background=background, of="probability").values
        )
        found, other = timed(theirs)
        ratios.append(other / mine)
    row = (
        "KernelSHAP, iris, 100 background rows",
        "shap.KernelExplainer",
        f"{np.abs(ours - exact).max():.1e} off exact Shapley",
        f"{np.abs(found - exact).max():.1e} off exact Shapley",
        f"{np.median(ratios):.1f}",
        "10",
    )
    return [row]


def shapley(value: Callable[[np.ndarray], np.ndarray], row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by the definition: the mean marginal contribution over all orders of the columns."""
    count = len(row)
    game = {}
    for present in itertools.product([False, True], repeat=count):
        game[present] = value(np.where(np.array(present), row, background)).astype(np.float64).mean()
    total = np.zeros(count)
    orders = list(itertools.permutations(range(count)))
    for order in orders:
        present = [False] * count
        for player in order:
            before = game[tuple(present)]
            present[player] = True
            total[player] += game[tuple(present)] - before
    return total / len(orders)


def lime(rounds: int) -> list[Row]:
    """How alike the weights of two seeds are: image LIME at half the evaluations beside the package at 1,000."""
    model = tl.load_model("efficientnet_lite0", "pretrained")
    x = photographs(224).stack([0, 1])[0]
    return [_stability(model, x, superpixels, max(4, rounds)) for superpixels in (50, 150)]


def _stability(model: tl.Model, x: np.ndarray, superpixels: int, seeds: int) -> Row:
    targets = model.predict(x).tolist()
    options = {"segment_options": {"n_segments": superpixels, "compactness": 10.0}}

    def stability(method: str, samples: int) -> tuple[float, int]:
        from scipy.stats import spearmanr

        found = [tl.explain(model, x, method, targets, samples=samples, seed=seed, **options) for seed in range(seeds)]
        weights = [[_per_segment(each, i) for i in range(len(x))] for each in found]
        pairs = itertools.combinations(range(len(weights)), 2)
        alike = [spearmanr(weights[a][i], weights[b][i]).statistic for a, b in pairs for i in range(len(x))]
        return float(np.mean(alike)), int(found[0].extras["segments"].max()) + 1

    (theirs, count), (ours, _) = stability("lime_package", 1000), stability("lime", 500)
    return (
        f"image LIME, {count} superpixels, Spearman across seeds",
        "lime, 1,000 evaluations",
        f"{ours:.3f} at 500 evaluations",
        f"{theirs:.3f}",
        "2.0" if ours >= theirs else "below 2",
        "2",
    )


def _per_segment(made: tl.Explanation, index: int) -> np.ndarray:
    cut = made.extras["segments"][index]
    return np.array([made.values[index, 0][cut == segment][0] for segment in range(cut.max() + 1)])


PARTS = {"integrated_gradients": integrated_gradients, "kernelshap": kernelshap, "lime": lime}


def main() -> None:
    """Measure, and print one row per part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="timed runs of each; for LIME the seeds, at least 4")
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS))
    arguments = parser.parse_args()
    table = Table(title="Same accuracy", title_justify="left")
    for column in ("what", "library", "twinlens", "the library", "times less", "wanted"):
        table.add_column(column)
    for name in arguments.only:
        for row in PARTS[name](arguments.rounds):
            table.add_row(*row)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
