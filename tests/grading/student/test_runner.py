"""The runner that is copied beside a submission: weights with torch's names arrive whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinlens.grading.student import runner

from ...frameworks import BOTH, need, paddle, torch


@pytest.fixture(params=BOTH)
def framework(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


def network(framework: str) -> Any:
    """What the two frameworks name or store differently: statistics and a square linear layer, not an embedding."""
    if framework == "torch":
        nn = torch.nn
        return nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
    nn = paddle.nn
    return nn.Sequential(nn.Embedding(4, 4), nn.Linear(4, 4), nn.BatchNorm1D(4), nn.Linear(4, 2, bias_attr=False))


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "0.weight": (4, 4), "1.weight": (4, 4), "1.bias": (4,), "2.weight": (4,), "2.bias": (4,),
        "2.running_mean": (4,), "2.running_var": (4,), "3.weight": (2, 4),
    }  # fmt: skip
    return {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


def answer(framework: str, net: Any, numbers: np.ndarray) -> np.ndarray:
    net.eval()
    found = net(torch.tensor(numbers) if framework == "torch" else paddle.to_tensor(numbers))
    return np.asarray(found.detach().numpy())


class TestLoadWeights:
    def test_the_network_answers_as_computed_by_hand(self, framework: str) -> None:
        given, numbers = weights(), np.array([2, 0, 3])
        net = network(framework)
        runner.load_weights(net, given)
        x = given["0.weight"][numbers] @ given["1.weight"].T + given["1.bias"]
        x = (x - given["2.running_mean"]) / np.sqrt(given["2.running_var"] + 1e-5)
        by_hand = (x * given["2.weight"] + given["2.bias"]) @ given["3.weight"].T
        np.testing.assert_allclose(answer(framework, net, numbers), by_hand, rtol=1e-4)

    def test_double_weights_are_taken_as_the_networks_own_kind(self, framework: str) -> None:
        net = network(framework)
        runner.load_weights(net, {name: values.astype(np.float64) for name, values in weights().items()})
        assert answer(framework, net, np.array([1])).dtype == np.float32

    def test_a_single_layer_is_a_network(self, framework: str) -> None:
        net = torch.nn.Linear(3, 2) if framework == "torch" else paddle.nn.Linear(3, 2)
        given = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.ones(2, np.float32)}
        runner.load_weights(net, given)
        np.testing.assert_array_equal(answer(framework, net, np.ones((1, 3), np.float32)), [[4, 13]])

    def test_the_given_arrays_stay_as_they_are(self, framework: str) -> None:
        net, given = network(framework), weights()
        runner.load_weights(net, given)
        runner.load_weights(net, {name: 0 * values for name, values in given.items()})
        assert all(values.all() for values in given.values())

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"2.running_var": None}, "'2.running_var' is missing"),
            ({"2.other": np.ones(4)}, "'2.other' is unexpected"),
            ({"2._mean": np.ones(4)}, "'2._mean' is unexpected"),
            ({"2.num_batches_tracked": np.array(3)}, "'2.num_batches_tracked' is unexpected"),
            ({"3.weight": np.ones((4, 2))}, r"'3.weight' has shape \(4, 2\) and not \(2, 4\)"),
            ({"1.bias": None, "bias": np.ones(4)}, "'1.bias' is missing, 'bias' is unexpected"),
        ],
    )
    def test_what_does_not_fit_is_named_and_nothing_is_loaded(
        self, framework: str, change: dict[str, np.ndarray | None], named: str
    ) -> None:
        net = network(framework)
        before = {name: np.array(tensor.numpy()) for name, tensor in net.state_dict().items()}
        given = {name: values for name, values in {**weights(), **change}.items() if values is not None}
        with pytest.raises(ValueError, match=named):
            runner.load_weights(net, given)
        assert all(np.array_equal(tensor.numpy(), before[name]) for name, tensor in net.state_dict().items())


def test_how_many_batches_were_seen_is_the_networks_own() -> None:
    need("torch")
    net = network("torch")
    net[2].num_batches_tracked.fill_(7)
    runner.load_weights(net, weights())
    assert int(net[2].num_batches_tracked) == 7


class TestBuildNetwork:
    def built(self, monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, given: dict[str, Any]) -> Any:
        (folder / "network.py").write_text(text)
        monkeypatch.setattr(runner, "HERE", folder)
        monkeypatch.setitem(runner.sys.modules, "network", None)  # type: ignore[arg-type]  # given back afterwards
        return runner.build_network("torch", given)

    def test_an_assignments_own_way_of_loading_comes_first(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        text = "def build(framework):\n    return {}\n\n\ndef load(net, weights):\n    net['got'] = sorted(weights)\n"
        assert self.built(monkeypatch, tmp_path, text, {"b": 1, "a": 2}) == {"got": ["a", "b"]}

    def test_without_weights_nothing_is_loaded(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert self.built(monkeypatch, tmp_path, "def build(framework):\n    return framework\n", {}) == "torch"
