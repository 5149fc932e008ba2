"""The faster copy of a torch network computes what the network computes, or it is not used."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twinlens as tl
from twinlens.backends import Backend, Model

from ..frameworks import need, torch
from ..nets import PICTURE, pictures, random_state, small_net

MANY = 1000


def torch_net(forward: Callable[[Any, Any], Any], **layers: Any) -> Any:
    """A float64 module of these layers and this forward, with random weights and batch-norm statistics."""
    need("torch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in layers.items():
                self.add_module(name, layer)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    net = Net()
    model = tl.wrap(net)
    model.load_state(random_state({name: array.shape for name, array in model.state().items()}, 0))
    return net.double().eval()


def convolution(channels: int = 3, filters: int = 4, **options: Any) -> Any:
    return need("torch") and torch.nn.Conv2d(channels, filters, 3, padding=1, **options)


def norm(channels: int = 4, **options: Any) -> Any:
    return need("torch") and torch.nn.BatchNorm2d(channels, **options)


def folded(net: Any, shape: tuple[int, ...] = PICTURE) -> Any:
    from twinlens.backends.torch_folding import streamlined

    return streamlined(net, torch.zeros(1, *shape, dtype=torch.float64), MANY)


def norms(net: Any) -> int:
    return sum(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in net.modules())


def same(net: Any, quick: Any, shape: tuple[int, ...] = PICTURE) -> None:
    """Scores and input gradients agree to rounding in double precision."""
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(3, *shape)))
    found = []
    for each in (net, quick):
        leaf = x.clone().requires_grad_()
        scores = each(leaf)
        found.append((scores.detach().numpy(), torch.autograd.grad((scores**2).sum(), leaf)[0].numpy()))
    for mine, its in zip(*found, strict=True):
        np.testing.assert_allclose(its, mine, rtol=1e-12, atol=1e-12 * np.abs(mine).max())


def sequence(net: Any, x: Any) -> Any:
    return net.n(net.c(x)).relu().mean((2, 3))


# -- what is folded ------------------------------------------------------------------------------------------


def test_a_batch_norm_behind_its_convolution_is_folded_exactly() -> None:
    net = small_net(need("torch"), dtype="float64").net.eval()
    quick = folded(net)
    assert (norms(net), norms(quick)) == (2, 0)
    same(net, quick)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_with_or_without_bias_factors_and_groups(bias: bool, affine: bool, groups: int) -> None:
    net = torch_net(sequence, c=convolution(4, 4, bias=bias, groups=groups), n=norm(affine=affine))
    quick = folded(net, (4, 8, 8))
    assert norms(quick) == 0
    same(net, quick, (4, 8, 8))


def test_a_batch_norm_that_is_called_by_keyword_is_folded_too() -> None:
    net = torch_net(lambda net, x: net.n(input=net.c(input=x)).mean((2, 3)), c=convolution(), n=norm())
    quick = folded(net)
    assert norms(quick) == 0
    same(net, quick)


def test_sequences_and_volumes_are_folded_too() -> None:
    need("torch")
    for dimensions, shape in ((1, (3, 8)), (3, (3, 5, 5, 5))):
        layers = {
            "c": getattr(torch.nn, f"Conv{dimensions}d")(3, 4, 3),
            "n": getattr(torch.nn, f"BatchNorm{dimensions}d")(4),
        }
        net = torch_net(lambda net, x: net.n(net.c(x)).relu().flatten(2).mean(2), **layers)
        quick = folded(net, shape)
        assert norms(quick) == 0
        same(net, quick, shape)


def test_a_residual_network_is_folded_whole() -> None:
    def forward(net: Any, x: Any) -> Any:
        out = net.n1(net.c1(x)).relu_()
        out = net.n2(net.c2(out))
        out += net.n3(net.c3(x))
        return out.relu_().mean((2, 3))

    layers = {f"c{i}": convolution(4 if i == 2 else 3) for i in (1, 2, 3)} | {f"n{i}": norm() for i in (1, 2, 3)}
    net = torch_net(forward, **layers)
    quick = folded(net)
    assert norms(quick) == 0
    same(net, quick)


def test_convolutions_that_share_their_weights_are_folded_each_for_itself() -> None:
    net = torch_net(
        lambda net, x: net.n2(net.c2(net.n1(net.c1(x)).relu())).mean((2, 3)),
        c1=convolution(4),
        c2=convolution(4),
        n1=norm(),
        n2=norm(),
    )
    net.c2.weight = net.c1.weight
    quick = folded(net, (4, 8, 8))
    assert norms(quick) == 0
    assert net.c2.weight is net.c1.weight
    same(net, quick, (4, 8, 8))


# -- what is not folded --------------------------------------------------------------------------------------


def _also_read(net: Any, x: Any) -> Any:
    out = net.c(x)
    # Silent for the example, which is black, and loud for other pictures.
    return net.n(out).relu().mean((2, 3)) + (out.mean((2, 3)).abs() - 0.2).relu()


def _returned_too(net: Any, x: Any) -> Any:
    out = net.c(x)
    return net.n(out).mean((2, 3)), out


def _in_place_between(net: Any, x: Any) -> Any:
    return net.n(torch.nn.functional.relu_(net.c(x))).mean((2, 3))


def _part_in_place_between(net: Any, x: Any) -> Any:
    out = net.c(x)
    out[:, :1] *= 2
    return net.n(out).mean((2, 3))


def _reused_convolution(net: Any, x: Any) -> Any:
    return net.n(net.c(x)).mean((2, 3)) + net.c(x).mean((2, 3))


def _reused_norm(net: Any, x: Any) -> Any:
    return net.n(net.n(net.c(x)).relu()).mean((2, 3))


@pytest.mark.parametrize(
    "forward",
    [_also_read, _in_place_between, _part_in_place_between, _reused_convolution, _reused_norm],
    ids=lambda forward: forward.__name__,
)
def test_where_folding_would_change_something_the_batch_norm_stays(forward: Any) -> None:
    net = torch_net(forward, c=convolution(), n=norm())
    quick = folded(net)
    assert quick is None or norms(quick) == 1
    if quick is not None:
        same(net, quick)


def test_a_convolution_whose_output_is_also_returned_is_not_folded() -> None:
    net = torch_net(_returned_too, c=convolution(), n=norm())
    assert norms(folded(net)) == 1


def test_batch_norms_without_statistics_of_their_own_stay() -> None:
    net = torch_net(sequence, c=convolution(), n=norm(track_running_stats=False))
    assert norms(folded(net)) == 1
    cleared = torch_net(sequence, c=convolution(), n=norm())
    cleared.n.running_mean = cleared.n.running_var = None
    assert norms(folded(cleared)) == 1


def test_weights_that_the_forward_reads_by_itself_keep_the_network() -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.n(net.c(x)).mean((2, 3)) + torch.nn.functional.conv2d(x, net.c.weight).mean((2, 3))

    model = tl.wrap(torch_net(forward, c=convolution(), n=norm()).float())
    assert model.streamlined(pictures(2), MANY).net is model.net


@pytest.mark.parametrize("kind", ["forward_hook", "forward_pre_hook", "full_backward_hook", "weight norm"])
def test_a_network_that_somebody_watches_stays_as_it_is(kind: str) -> None:
    net = torch_net(sequence, c=convolution(), n=norm())
    if kind == "weight norm":
        torch.nn.utils.parametrizations.weight_norm(net.c)
    else:
        getattr(net.c, f"register_{kind}")(lambda *_: None)
    assert folded(net) is None


def test_a_network_without_convolutions_or_that_cannot_be_copied_stays_as_it_is() -> None:
    need("torch")
    assert folded(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)).double()) is None
    net = torch_net(sequence, c=convolution(), n=norm())
    net.keepsake = (x for x in "a generator is not copied")
    assert folded(net) is None


# -- the model -----------------------------------------------------------------------------------------------


def snapshot(net: Any) -> dict[str, Any]:
    return {
        "state": {name: t.numpy().tobytes() for name, t in net.state_dict().items()},
        "flags": [(p.requires_grad, p.grad) for p in net.parameters()],
        "modes": [module.training for module in net.modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules()],
        "layout": [p.stride() for p in net.parameters()],
        "kinds": [type(module) for module in net.modules()],
    }


def test_the_users_network_is_not_touched() -> None:
    model = small_net(need("torch"))
    model.net.train()
    before = copy.deepcopy(snapshot(model.net))
    quick = model.streamlined(pictures(2), MANY)
    assert quick is not model
    assert quick.net is not model.net
    quick.gradient(pictures(2), 1)
    assert snapshot(model.net) == before


def test_the_model_gives_the_same_scores_and_gradients() -> None:
    model, x = small_net(need("torch")), pictures(4)
    quick = model.streamlined(x, MANY)
    np.testing.assert_allclose(quick.forward(x), model.forward(x), rtol=1e-5, atol=1e-5)
    gradient = model.gradient(x, 2)
    np.testing.assert_allclose(quick.gradient(x, 2), gradient, atol=1e-5 * np.abs(gradient).max())


def test_preprocessing_and_a_chosen_output_go_along() -> None:
    net = torch_net(lambda net, x: (x, sequence(net, x)), c=convolution(), n=norm()).float()
    model = tl.wrap(net, preprocess=tl.Normalise(0.5, 0.2), output=lambda out: out[1])
    quick, x = model.streamlined(pictures(1), MANY), pictures(3)
    assert quick is not model
    np.testing.assert_allclose(quick.forward(x), model.forward(x), rtol=1e-4, atol=1e-5)


def test_a_network_that_divides_by_the_deviation_of_its_input_is_folded_too() -> None:
    def forward(net: Any, x: Any) -> Any:
        return sequence(net, (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True))

    model = tl.wrap(torch_net(forward, c=convolution(), n=norm()).float())
    quick, x = model.streamlined(pictures(1), MANY), pictures(3)
    assert quick is not model
    np.testing.assert_allclose(quick.forward(x), model.forward(x), rtol=1e-4, atol=1e-5)


def test_a_forward_that_looks_into_its_layers_keeps_the_network() -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.n(net.c(x)).mean((2, 3)) * net.n.eps

    model = tl.wrap(torch_net(forward, c=convolution(), n=norm()).float())
    assert model.streamlined(pictures(1), MANY).net is model.net


def test_where_it_is_not_worth_it_the_model_is_itself(backend: Backend) -> None:
    model = small_net(backend)
    assert model.streamlined(pictures(1), 2) is model
    arbiter = small_net(backend, dtype="float64")
    assert arbiter.streamlined(pictures(1).astype(np.float64), MANY) is arbiter


def test_on_paddle_the_model_is_itself() -> None:
    model = small_net(need("paddle"))
    assert model.streamlined(pictures(1), MANY) is model


def test_in_inference_mode_the_model_is_itself() -> None:
    model = small_net(need("torch"))
    with torch.inference_mode():
        assert model.streamlined(pictures(1), MANY) is model


# -- less precision ------------------------------------------------------------------------------------------


@pytest.fixture
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let autocast run where it is slow instead of fast."""
    need("torch")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)


def test_a_framework_or_processor_without_the_precision_says_so(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend.name == "torch":
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    with pytest.raises(tl.errors.DeviceError, match="bfloat16"):
        small_net(backend).rough(pictures(1), "bfloat16")


@pytest.mark.parametrize("precision", ["float16", "half", 16])
def test_an_unknown_precision_is_named(backend: Backend, precision: Any) -> None:
    with pytest.raises(tl.errors.InputError, match=str(precision)):
        small_net(backend).rough(pictures(1), precision)


def test_an_arbiter_is_not_made_rough(backend: Backend) -> None:
    with pytest.raises(tl.errors.InputError, match="float64"):
        small_net(backend, dtype="float64").rough(pictures(1).astype(np.float64), "bfloat16")


def near(model: Model, rough: Model) -> None:
    x = pictures(4)
    scores, found = model.forward(x), rough.forward(x)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - scores).max() < 0.05 * np.abs(scores).max()
    exact, gradient = model.gradient(x, 1), rough.gradient(x, 1)
    assert np.linalg.norm(gradient - exact) < 0.3 * np.linalg.norm(exact)


@pytest.mark.usefixtures("any_processor")
def test_the_rough_model_is_near_and_comes_out_in_float32() -> None:
    model = small_net(need("torch"))
    near(model, model.rough(pictures(1), "bfloat16"))


@pytest.mark.usefixtures("any_processor")
def test_what_must_not_be_folded_is_not_folded_in_less_precision_either() -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.n(net.c(x)).mean((2, 3)) + torch.nn.functional.conv2d(x, net.c.weight).mean((2, 3))

    model = tl.wrap(torch_net(forward, c=convolution(), n=norm()).float())
    near(model, model.rough(pictures(1), "bfloat16"))


@pytest.mark.usefixtures("any_processor")
def test_a_watched_network_is_run_itself_in_less_precision() -> None:
    model, calls = small_net(need("torch")), []
    model.net[0].register_forward_hook(lambda *_: calls.append(1))
    near(model, model.rough(pictures(1), "bfloat16"))
    assert calls
    assert all(parameter.dtype == torch.float32 for parameter in model.net.parameters())
