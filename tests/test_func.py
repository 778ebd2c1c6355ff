"""torch.func's transforms in torch's signatures, against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
pytestmark = [  # torch's own, in forward mode
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"), pytest.mark.filterwarnings("ignore:Attempted to insert:UserWarning"),
]  # fmt: skip


def vector(T: Any) -> Any:
    return T.tensor([0.5, -1.0, 2.0])


def net(T: Any, k: float = 1.0) -> Any:
    m = T.nn.Sequential(T.nn.Linear(3, 4), T.nn.Tanh(), T.nn.Linear(4, 2))
    with T.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(T.tensor(np.sin(k * np.arange(p.numel()) + i).reshape(tuple(p.shape)).astype("float32")))
    return m


def of_a_module(T: Any) -> Any:
    m = net(T)
    params = dict(m.named_parameters())
    return T.func.grad(lambda p: (T.func.functional_call(m, p, (vector(T),)) ** 2).sum())(params)


def ensemble(T: Any) -> Any:
    models = [net(T, k) for k in (1.0, 2.0, 3.0)]
    params, buffers = T.func.stack_module_state(models)
    assert all(p.requires_grad and p.is_leaf for p in params.values())
    return T.func.vmap(lambda p, b: T.func.functional_call(models[0], (p, b), (vector(T),)))(params, buffers)


CASES: list[Callable[[Any], Any]] = [
    lambda T: T.func.grad(lambda x: (x**3).sum())(vector(T)),
    lambda T: T.func.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(vector(T), vector(T) + 1),
    lambda T: T.func.grad(lambda x: ((x**2).sum(), x * 2), has_aux=True)(vector(T)),
    lambda T: T.func.grad_and_value(lambda x: (x**3).sum())(vector(T)),
    lambda T: T.func.grad_and_value(lambda x: ((x**2).sum(), x * 2), has_aux=True)(vector(T)),
    lambda T: T.func.jvp(T.sin, (vector(T),), (T.ones(3),)),
    lambda T: T.func.jvp(lambda x: (x.sum(), x * 2), (vector(T),), (T.ones(3),), has_aux=True),
    lambda T: T.func.vjp(T.sin, vector(T))[1](T.ones(3)),
    lambda T: T.func.jacrev(T.sin)(vector(T)),
    lambda T: T.func.jacfwd(lambda x: x[:2] * x[1:])(vector(T)),
    lambda T: T.func.hessian(lambda x: (x**3).prod())(vector(T)),
    lambda T: T.func.linearize(T.sin, vector(T))[1](T.ones(3)),
    lambda T: T.func.vmap(T.func.grad(lambda x, y: (x * y).sum()), in_dims=(0, None))(T.ones(2, 3), vector(T)),
    lambda T: T.func.vmap(lambda x: x * 2, out_dims=1)(T.ones(2, 3)),
    lambda T: T.func.functionalize(lambda x: x.clone().add_(1))(vector(T)),
    of_a_module, ensemble,
]  # fmt: skip


def numbers(x: Any) -> Any:
    if isinstance(x, dict):
        return {k: numbers(v) for k, v in x.items()}
    return [numbers(v) for v in x] if isinstance(x, tuple | list) else x.detach().numpy()


@pytest.mark.parametrize("case", CASES)
def test_as_in_torch(case: Callable[[Any], Any]) -> None:
    ours, theirs = numbers(case(fgrad)), numbers(case(torch))
    assert fgrad.tree.structure(ours) == fgrad.tree.structure(theirs)
    for a, b in zip(fgrad.tree.leaves(ours), fgrad.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-6)


@pytest.mark.parametrize("T", [fgrad, torch])
def test_models_that_cannot_be_stacked(T: Any) -> None:
    other = net(T)
    other.eval()
    for bad in ([], [net(T), other], [net(T), T.nn.Linear(3, 2)]):
        with pytest.raises(RuntimeError, match="Expected"):
            T.func.stack_module_state(bad)


def test_batch_norms_without_running_statistics() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3)).astype("float32") + 2

    def run(t: Any) -> list[Any]:
        found = []
        for step in ("keep", "off", "drop", "replace"):
            m = t.nn.Sequential(t.nn.BatchNorm1d(3))
            m(t.tensor(x))
            if step == "off":
                m[0].track_running_stats = False
            elif step == "drop":
                m[0].running_mean = m[0].running_var = None
            elif step == "replace":
                assert t.func.replace_all_batch_norm_modules_(m) is m
            found.append(m(t.tensor(x) + 1))
            m.eval()
            found.append(m(t.tensor(x) - 1))
            found.append(m[0].running_mean if m[0].running_mean is not None else t.zeros(1))
        return [f.detach().numpy() for f in found]

    for ours, theirs in zip(run(fgrad), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
