"""custom_linear_solve and custom_root against JAX: values, derivatives in both modes and of second order, vmap, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(7)
A = (R.normal(size=(4, 4)) * 0.3 + 3 * np.eye(4)).astype("f4")
B = R.normal(size=4).astype("f4")
BOTH = (fgrad, jnp, lax), (jax, jax.numpy, jax.lax)


def same(got: Any, want: Any, tol: float = 2e-4) -> None:
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


def iterate(m: Any, L: Any, f: Any, b: Any) -> Any:
    """Richardson's iteration, which reverse mode could not go through."""
    step = lambda s: (s[0] + 1, s[1] + 0.3 * (b - f(s[1])))
    return L.while_loop(lambda s: s[0] < 60, step, (0, m.zeros_like(b)))[1]


def system(top: Any, m: Any, L: Any, symmetric: bool = False, aux: bool = False) -> Any:
    def f(a: Any, b: Any) -> Any:
        matrix = (a + a.T) / 2 if symmetric else a
        solver = (lambda g, y: (iterate(m, L, g, y), m.sum(y))) if aux else (lambda g, y: iterate(m, L, g, y))
        more = {"symmetric": True} if symmetric else {"transpose_solve": solver}
        return L.custom_linear_solve(lambda x: matrix @ x, b, solver, has_aux=aux, **more)

    return f


@pytest.mark.parametrize("symmetric", [False, True])
def test_linear_solve(symmetric: bool) -> None:
    def run(top: Any, m: Any, L: Any) -> Any:
        f = system(top, m, L, symmetric)
        a, b = m.asarray(A), m.asarray(B)
        loss = lambda a, b: m.sum(m.sin(f(a, b)))
        many = m.stack([a, 2 * a]), m.stack([b, b - 1, b * 2])
        return [f(a, b), top.grad(loss, (0, 1))(a, b), top.jvp(f, (a, b), (a * 0.1, b)), top.hessian(loss, 1)(a, b), top.jit(top.grad(loss))(a, b),
                top.vmap(f, (0, None))(many[0], b), top.vmap(f, (None, 0))(a, many[1]), top.vmap(top.grad(loss, (0, 1)))(many[0], many[1][:2]),
                top.grad(lambda a: m.sum(top.grad(loss)(a, b) ** 2))(a), top.jacrev(f)(a, b), top.jacfwd(f)(a, b)]  # fmt: skip

    same(run(*BOTH[0]), run(*BOTH[1]), 2e-3)
    np.testing.assert_allclose(np.asarray(system(*BOTH[0])(jnp.asarray(A), jnp.asarray(B))), np.linalg.solve(A, B), rtol=1e-4)


def test_linear_solve_of_trees_with_aux() -> None:
    def run(top: Any, m: Any, L: Any) -> Any:
        def f(k: Any, b: Any) -> Any:
            solver = lambda g, y: (top.tree.map(lambda v: v / k, y), {"n": m.sum(y["u"])})
            return L.custom_linear_solve(lambda x: top.tree.map(lambda v: k * v, x), {"u": b, "v": [b * 2]}, solver, solver, has_aux=True)

        x, aux = f(m.asarray(2.0), m.asarray(B))
        grad = top.grad(lambda k: m.sum(f(k, m.asarray(B))[0]["v"][0]) + f(k, m.asarray(B))[1]["n"])(m.asarray(2.0))
        return x, aux, grad

    same(run(*BOTH[0]), run(*BOTH[1]))


def newton(m: Any, top: Any, L: Any) -> Any:
    return lambda f, x: L.while_loop(lambda s: s[0] < 30, lambda s: (s[0] + 1, s[1] - f(s[1]) / top.grad(lambda v: f(v))(s[1])), (0, x))[1]


def test_root_of_a_number() -> None:
    def run(top: Any, m: Any, L: Any) -> Any:
        def root(a: Any) -> Any:
            return L.custom_root(lambda x: x**3 - a, m.asarray(1.5), newton(m, top, L), lambda g, y: y / g(1.0))

        a = m.asarray(5.0)
        return [root(a), top.grad(root)(a), top.grad(top.grad(root))(a), top.jvp(root, (a,), (a,)), top.vmap(top.grad(root))(m.asarray([2.0, 3.0])),
                top.jit(root)(a)]  # fmt: skip

    same(run(*BOTH[0]), run(*BOTH[1]))


def test_root_of_a_vector_with_aux() -> None:
    def run(top: Any, m: Any, L: Any) -> Any:
        def root(a: Any) -> Any:
            f = lambda x: a @ x + 0.1 * m.sin(x) - m.asarray(B)

            def solve(f: Any, x: Any) -> Any:
                found = L.while_loop(lambda s: s[0] < 60, lambda s: (s[0] + 1, s[1] - m.linalg.solve(m.asarray(A), f(s[1]))), (0, x))
                return found[1], found[1] * 2

            return L.custom_root(f, m.zeros(4), solve, lambda g, y: m.linalg.solve(top.jacobian(g)(y), y), has_aux=True)

        a = m.asarray(A)
        return [root(a), top.grad(lambda a: m.sum(root(a)[0] ** 2))(a), top.jacfwd(lambda a: root(a)[0])(a)]

    same(run(*BOTH[0]), run(*BOTH[1]), 1e-3)


def test_errors() -> None:
    for top, m, L in BOTH:
        solver = lambda g, y: y
        b = m.asarray(B)
        with pytest.raises(TypeError, match="transpose_solve"):
            top.grad(lambda b, L=L, m=m: m.sum(L.custom_linear_solve(lambda x: x, b, solver)))(b)
        with pytest.raises((TypeError, ValueError)):
            L.custom_linear_solve(lambda x: (x, x), b, solver)
        with pytest.raises((TypeError, ValueError)):
            L.custom_linear_solve(lambda x: x[:2], b, solver)
        with pytest.raises((TypeError, ValueError)):
            L.custom_linear_solve(lambda x: x, b, lambda g, y: [y])
        with pytest.raises((TypeError, ValueError)):
            L.custom_root(lambda x: (x,), b, lambda f, x: x, lambda g, y: y)
        with pytest.raises((TypeError, ValueError)):
            L.custom_root(lambda x: x, b, lambda f, x: [x], lambda g, y: y)
