"""nn.utils against torch: norms of weights, parametrisations, fusion; state dicts go both ways."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import MAKERS, X2, every_layer, quiet, same_state, to_ours, train_both

import fgrad
from fgrad.nn import utils
from fgrad.nn.utils import parametrizations, parametrize, prune

torch = pytest.importorskip("torch")
their_p, their_parametrize = pytest.importorskip("torch.nn.utils.parametrizations"), pytest.importorskip("torch.nn.utils.parametrize")
pytestmark = pytest.mark.oracle


@every_layer
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_hook_trains_as_torchs(kind: str, dim: int | None) -> None:
    make, x = MAKERS[kind]
    ours, theirs = utils.weight_norm(make(fgrad.nn), dim=dim), quiet(torch.nn.utils.weight_norm, make(torch.nn), dim=dim)
    train_both(ours, theirs, x)
    utils.remove_weight_norm(ours)
    torch.nn.utils.remove_weight_norm(theirs)
    assert set(ours.state_dict()) == {"weight", "bias"}
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        utils.remove_weight_norm(ours)


@every_layer
def test_weight_norm_starts_from_the_weight(kind: str) -> None:
    ours = MAKERS[kind][0](fgrad.nn)
    before = ours.weight.detach().numpy().copy()
    np.testing.assert_allclose(utils.weight_norm(ours).weight.detach().numpy(), before, rtol=1e-5)
    with pytest.raises(RuntimeError, match="two weight_norm hooks"):
        utils.weight_norm(ours)


@every_layer
@pytest.mark.parametrize("steps", [1, 3])
def test_spectral_norm_hook_trains_as_torchs(kind: str, steps: int) -> None:
    make, x = MAKERS[kind]
    ours = utils.spectral_norm(make(fgrad.nn), n_power_iterations=steps)
    theirs = quiet(torch.nn.utils.spectral_norm, make(torch.nn), n_power_iterations=steps)
    train_both(ours, theirs, x)
    ours.eval(), theirs.eval()
    u = ours.weight_u.numpy().copy()
    ours(fgrad.tensor(x)), theirs(torch.tensor(x))
    assert (u == ours.weight_u.numpy()).all()
    utils.remove_spectral_norm(ours)
    torch.nn.utils.remove_spectral_norm(theirs)
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-4, atol=1e-5)


@every_layer
@pytest.mark.parametrize("dim", [0, 1, None])
def test_parametrized_weight_norm_trains_as_torchs(kind: str, dim: int | None) -> None:
    make, x = MAKERS[kind]
    ours, theirs = parametrizations.weight_norm(make(fgrad.nn), dim=dim), their_p.weight_norm(make(torch.nn), dim=dim)
    train_both(ours, theirs, x)
    parametrize.remove_parametrizations(ours, "weight")
    their_parametrize.remove_parametrizations(theirs, "weight")
    assert type(ours) is type(make(fgrad.nn))
    same_state(ours, theirs, 1e-4)


@every_layer
@pytest.mark.parametrize("steps", [1, 2])
def test_parametrized_spectral_norm_trains_as_torchs(kind: str, steps: int) -> None:
    make, x = MAKERS[kind]
    ours = parametrizations.spectral_norm(make(fgrad.nn), n_power_iterations=steps)
    theirs = their_p.spectral_norm(make(torch.nn), n_power_iterations=steps)
    train_both(ours, theirs, x)
    top = np.linalg.svd(parametrizations.spectral_norm(make(fgrad.nn)).weight.detach().numpy().reshape(5, -1))[1][0] if kind == "linear" else 1.0
    assert abs(top - 1) < 0.05


ORTHOGONAL = [(m, shape, base) for m in ("matrix_exp", "cayley", "householder") for shape in ((4, 4), (5, 3), (3, 5)) for base in (True, False)]


@pytest.mark.parametrize(("orthogonal_map", "shape", "base"), ORTHOGONAL)
def test_orthogonal_trains_as_torchs(orthogonal_map: str, shape: tuple[int, int], base: bool) -> None:
    out, n = shape
    ours = parametrizations.orthogonal(fgrad.nn.Linear(n, out), "weight", orthogonal_map, use_trivialization=base)
    theirs = their_p.orthogonal(torch.nn.Linear(n, out), "weight", orthogonal_map, use_trivialization=base)
    w = ours.weight.detach().numpy()
    w = w if out >= n else w.T
    np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=2e-5)
    train_both(ours, theirs, np.random.default_rng(2).standard_normal((4, n)).astype(np.float32) * 0.3)


def test_orthogonal_takes_an_assigned_matrix() -> None:
    target = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0].astype(np.float32)
    for options in ({}, {"orthogonal_map": "householder", "use_trivialization": False}):
        layer = parametrizations.orthogonal(fgrad.nn.Linear(4, 4), **options)
        layer.weight = fgrad.tensor(target)
        np.testing.assert_allclose(layer.weight.detach().numpy(), target, atol=1e-5)
    layer = parametrizations.orthogonal(fgrad.nn.Linear(4, 4), use_trivialization=False)
    with pytest.raises(NotImplementedError):
        layer.weight = fgrad.tensor(target)
    with pytest.raises(ValueError, match="orthogonal_map has to be"):
        parametrizations.orthogonal(fgrad.nn.Linear(4, 4), orthogonal_map="qr")
    with pytest.raises(ValueError, match="Expected a matrix"):
        parametrizations.orthogonal(fgrad.nn.Linear(4, 4), "bias")


def classes(lib: Any) -> Any:
    class Symmetric(lib.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x: Any) -> Any:
            return x.triu()

    class Outer(lib.nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a.unsqueeze(-1) @ b.unsqueeze(-2)

        def right_inverse(self, x: Any) -> Any:
            return x[:, 0].clone(), x[0].clone()

    class Double(lib.nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

        def right_inverse(self, x: Any) -> Any:
            return x / 2

    class Scaled(lib.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = lib.nn.Parameter(lib.ones(1) * 1.5)

        def forward(self, x: Any) -> Any:
            return x * self.scale

    class Smaller(lib.nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:1]

    return Symmetric, Outer, Double, Scaled, Smaller


@pytest.mark.parametrize("chosen", [(0,), (1,), (2,), (3,), (0, 3), (2, 2), (1, 3)])
def test_registered_parametrizations_train_as_torchs(chosen: tuple[int, ...]) -> None:
    ours, theirs = fgrad.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    ours.load_state_dict(to_ours(theirs.state_dict()))
    for i in chosen:
        parametrize.register_parametrization(ours, "weight", classes(fgrad)[i]())
        their_parametrize.register_parametrization(theirs, "weight", classes(torch)[i]())
        same_state(ours, theirs)
    assert type(ours).__name__ == type(theirs).__name__
    assert repr(ours) == repr(theirs)
    train_both(ours, theirs, X2)
    twin = copy.deepcopy(ours)
    np.testing.assert_array_equal(twin(fgrad.tensor(X2)).detach().numpy(), ours(fgrad.tensor(X2)).detach().numpy())


def test_parametrized_tensor_can_be_assigned_cached_moved_and_removed() -> None:
    symmetric, outer, double, scaled, smaller = classes(fgrad)
    m = parametrize.register_parametrization(fgrad.nn.Linear(3, 3), "weight", symmetric())
    original = m.parametrizations.weight.original
    target = fgrad.ones(3, 3)
    m.weight = target
    assert (m.weight == target).all().item()
    assert m.parametrizations.weight.original is original
    assert m.weight is not m.weight
    with parametrize.cached():
        assert m.weight is m.weight
    assert parametrize.is_parametrized(m)
    assert parametrize.is_parametrized(m, "weight")
    assert not parametrize.is_parametrized(m, "bias")
    assert parametrize.type_before_parametrizations(m) is fgrad.nn.Linear
    other = parametrize.transfer_parametrizations_and_params(m, fgrad.nn.Linear(3, 3))
    assert (other.weight == m.weight).all().item()
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        m.__getstate__()
    parametrize.remove_parametrizations(m, "weight", leave_parametrized=False)
    assert m.weight is original
    assert (m.weight == target.triu()).all().item()
    assert type(m) is fgrad.nn.Linear
    with pytest.raises(ValueError, match="does not have a parametrization"):
        parametrize.remove_parametrizations(m, "weight")
    with pytest.raises(ValueError, match="shape"):
        parametrize.register_parametrization(m, "weight", smaller())
    parametrize.register_parametrization(m, "weight", smaller(), unsafe=True)
    assert m.weight.shape == (1, 3)
    with pytest.raises(ValueError, match="parametrized element"):
        parametrize.register_parametrization(m, "nothing", double())
    several = parametrize.register_parametrization(fgrad.nn.Linear(3, 3), "weight", outer())
    with pytest.raises(ValueError, match="sequence of tensors"):
        parametrize.remove_parametrizations(several, "weight", leave_parametrized=False)
    with pytest.raises(RuntimeError, match="right_inverse"):
        parametrize.register_parametrization(fgrad.nn.Linear(3, 3), "weight", scaled()).weight = target


def test_parametrized_modules_work_in_jit_grad_and_functional_call() -> None:
    m = parametrizations.weight_norm(fgrad.nn.Linear(3, 2))
    x = fgrad.tensor(X2)
    expected = m(x).detach().numpy()
    np.testing.assert_allclose(fgrad.jit(lambda net, v: net(v))(m, x).detach().numpy(), expected, rtol=1e-6)
    doubled = {k: v * 2 for k, v in m.state_dict().items() if k.endswith(("original0", "bias"))}
    np.testing.assert_allclose(utils.stateless.functional_call(m, doubled, (x,)).detach().numpy(), expected * 2, rtol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "conv", "transposed"])
@pytest.mark.parametrize("options", [{}, {"affine": False}])
def test_fused_batch_norm_equals_both_layers(kind: str, options: dict[str, Any]) -> None:
    make, x = MAKERS[kind]
    theirs = torch.nn.Sequential(make(torch.nn), (torch.nn.BatchNorm1d(5, **options) if kind == "linear" else torch.nn.BatchNorm2d(4, **options)))
    theirs(torch.tensor(x))
    theirs.eval()
    ours = fgrad.nn.Sequential(make(fgrad.nn), (fgrad.nn.BatchNorm1d(5, **options) if kind == "linear" else fgrad.nn.BatchNorm2d(4, **options)))
    with pytest.raises(AssertionError):
        utils.fuse_conv_bn_eval(*ours)
    ours.eval()
    ours.load_state_dict(to_ours(theirs.state_dict()))
    if kind == "linear":
        one = utils.fuse_linear_bn_eval(*ours)
        other = None if options else torch.nn.utils.fuse_linear_bn_eval(*theirs)  # torch takes no norm without weights here
    else:
        one = utils.fuse_conv_bn_eval(*ours, transpose=kind == "transposed")
        other = torch.nn.utils.fuse_conv_bn_eval(*theirs, transpose=kind == "transposed")
    if other is not None:
        same_state(one, other)
    np.testing.assert_allclose(one(fgrad.tensor(x)).detach().numpy(), ours(fgrad.tensor(x)).detach().numpy(), atol=1e-5)


def test_small_ones() -> None:
    layer = utils.skip_init(fgrad.nn.Linear, 3, 4)
    assert layer.weight.shape == (4, 3)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(dict)
    assert utils.convert_conv2d_weight_memory_format(layer, "channels_last") is layer
    v = utils.parameters_to_vector(layer.parameters())
    utils.vector_to_parameters(v * 2, layer.parameters())
    assert (utils.parameters_to_vector(layer.parameters()) == v * 2).all().item()
    with pytest.raises(TypeError):
        utils.vector_to_parameters([1.0], layer.parameters())
    assert utils.clip_grad.clip_grad_norm_ is utils.clip_grad_norm_
    assert utils.get_total_norm([fgrad.ones(4), fgrad.ones(5)]).item() == 3


HOOKED: dict[str, Callable[[Any], Any]] = {
    "weight norm": utils.weight_norm, "spectral norm": utils.spectral_norm, "pruned": lambda m: prune.l1_unstructured(m, "weight", 0.5),
    "weight norm by parts": parametrizations.weight_norm, "spectral norm by parts": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}  # fmt: skip


@pytest.mark.parametrize("name", HOOKED)
def test_computed_weights_work_in_compiled_programs(name: str) -> None:
    m, x = HOOKED[name](fgrad.nn.Linear(3, 4)).eval(), fgrad.tensor(X2)
    expected = m(x)
    (expected**2).mean().backward()
    grads = [p.grad.numpy() for p in m.parameters()]
    for f in (fgrad.jit(lambda net, v: net(v)), lambda net, v: fgrad.compile(net)(v)):
        np.testing.assert_allclose(f(m, x).detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    found = fgrad.grad(lambda net: (net(x) ** 2).mean())(m)
    for p, g in zip(found.parameters(), grads, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), g, rtol=1e-4, atol=1e-5)
    jitted = fgrad.jit(lambda v: m(v).sum())  # the module closed over: what the hook left there is replaced at the next call
    assert abs(jitted(x).item() - expected.sum().item()) < 1e-4
    assert abs(m(x).sum().item() - expected.sum().item()) < 1e-4
