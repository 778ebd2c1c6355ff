"""gather and scatter by dimension numbers against jax.lax: values, modes, derivatives, vmap, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
R = np.random.default_rng(3)
G, S = "GatherDimensionNumbers", "ScatterDimensionNumbers"

# operand's shape, indices, numbers, sizes
CASES: dict[str, tuple[Any, Any, Any, Any]] = {
    "rows": ((5, 3), [[4], [0], [4]], ((1,), (0,), (0,)), (1, 3)),
    "columns": ((5, 3), [[2], [-1]], ((0,), (1,), (1,)), (5, 1)),
    "windows": ((6, 7), [[0, 1], [4, 6], [5, -2]], ((1, 2), (), (0, 1)), (2, 3)),
    "swapped-starts": ((6, 7), [[0, 1], [4, 3]], ((1, 2), (), (1, 0)), (2, 3)),
    "offsets-first": ((6, 7), [[[0, 1], [4, 4]]], ((0, 2), (), (0, 1)), (2, 3)),
    "points": ((6, 7), [[5, 6], [0, 0], [6, 1], [-1, 3]], ((), (0, 1), (0, 1)), (1, 1)),
    "points-grid": ((4, 3, 2), [[[3, 1], [0, 0]], [[1, 2], [5, 0]]], ((2,), (0, 2), (2, 0)), (1, 3, 1)),
    "one": ((5, 3), [2], ((0,), (0,), (0,)), (1, 3)),
    "no-starts": ((3, 2), np.zeros((4, 0), "i4"), ((1, 2), (), ()), (3, 2)),
    "cut-without-start": ((5, 4), [[1], [2]], ((1, 2), (), (0,)), (2, 3)),
    "batching": ((3, 5, 2), [[[4], [0]], [[1], [1]], [[2], [9]]], ((2,), (1,), (1,), (0,), (0,)), (1, 1, 2)),
    "batching-second": ((3, 5), [[[4], [0], [1]], [[1], [1], [7]]], ((), (1,), (1,), (0,), (1,)), (1, 1)),
}
MODES = ["clip", "fill", None]
every = pytest.mark.parametrize("name", list(CASES))


def numbers(lib: Any, kind: str, raw: Any) -> Any:
    return getattr(lib, kind)(*raw)


def same(got: Any, want: Any, tol: float = 1e-5) -> None:
    for g, w in zip(fgrad.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (np.asarray(g).dtype, np.shape(g)) == (np.asarray(w).dtype, np.shape(w))
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=tol, atol=tol)


@every
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["f4", "i4", "u1", "bool", "c8"])
def test_gather(name: str, mode: Any, dtype: str) -> None:
    shape, at, raw, sizes = CASES[name]
    x, i = R.normal(size=shape).astype("f4").__abs__().__mul__(9).astype(dtype), np.asarray(at, "i4")
    got, want = [L.gather(m.asarray(x), m.asarray(i), numbers(L, G, raw), sizes, mode=mode) for m, L in ((jnp, lax), (jax.numpy, jax.lax))]
    same(got, want)


@every
@pytest.mark.parametrize("mode", MODES[:2])
def test_gather_derivatives_and_fill(name: str, mode: Any) -> None:
    shape, at, raw, sizes = CASES[name]
    x, i = R.normal(size=shape).astype("f4"), np.asarray(at, "i4")

    def run(top: Any, m: Any, L: Any) -> Any:
        def f(x: Any) -> Any:
            return m.sum(m.sin(L.gather(x, m.asarray(i), numbers(L, G, raw), sizes, mode=mode, fill_value=2)))

        return top.grad(f)(m.asarray(x)), top.jit(top.vmap(f))(m.stack([x, 2 * x])), top.hessian(f)(m.asarray(x))

    same(run(fgrad, jnp, lax), run(jax, jax.numpy, jax.lax))


def updates_of(lib: Any, case: Any, mode: Any = "clip") -> np.ndarray[Any, Any]:
    shape, at, raw, sizes = case
    found = lib.gather(np.zeros(shape, "f4"), np.asarray(at, "i4"), numbers(lib, G, raw), sizes, mode=mode)
    return R.normal(size=np.shape(found)).astype("f4")


@every
@pytest.mark.parametrize("op", ["scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max", "scatter"])
@pytest.mark.parametrize("mode", ["clip", None])
def test_scatter(name: str, op: str, mode: Any) -> None:
    shape, at, raw, sizes = CASES[name]
    i, y = np.asarray(at, "i4"), updates_of(jax.lax, CASES[name])
    x = R.normal(size=shape).astype("f4")
    if op == "scatter":  # who is last is not defined: the same number everywhere
        y = np.full_like(y, 7)
    for dtype in ("f4", "i4"):
        a, b = (5 * x).astype(dtype), (5 * y).astype(dtype)
        got, want = [getattr(L, op)(m.asarray(a), m.asarray(i), m.asarray(b), numbers(L, S, raw), mode=mode)
                     for m, L in ((jnp, lax), (jax.numpy, jax.lax))]  # fmt: skip
        same(got, want)


@every
@pytest.mark.parametrize("op", ["scatter_add", "scatter_sub", "scatter"])
def test_scatter_derivatives(name: str, op: str) -> None:
    shape, at, raw, _ = CASES[name]
    i, y = np.asarray(at, "i4"), updates_of(jax.lax, CASES[name])
    x = R.normal(size=shape).astype("f4")
    if op == "scatter" and name in ("rows", "windows", "batching", "no-starts", "cut-without-start"):
        return  # places written twice

    def run(top: Any, m: Any, L: Any) -> Any:
        def f(x: Any, y: Any) -> Any:
            return m.sum(m.sin(getattr(L, op)(x, m.asarray(i), y, numbers(L, S, raw))))

        return top.grad(f, (0, 1))(m.asarray(x), m.asarray(y)), top.vmap(f, (None, 0))(m.asarray(x), m.stack([y, 2 * y]))

    same(run(fgrad, jnp, lax), run(jax, jax.numpy, jax.lax))


def test_scatter_apply_and_modes() -> None:
    x, i = np.arange(5, dtype="f4"), np.array([[1], [3], [9]], "i4")
    raw = ((), (0,), (0,))
    got, want = [L.scatter_apply(m.asarray(x), m.asarray(i), m.sin, numbers(L, S, raw), update_shape=(3,))
                 for m, L in ((jnp, lax), (jax.numpy, jax.lax))]  # fmt: skip
    same(got, want)
    for kind in ("clip", "fill", "drop", "promise_in_bounds", None):
        assert lax.GatherScatterMode.from_any(kind).name == jax.lax.GatherScatterMode.from_any(kind).name
    assert lax.GatherScatterMode.from_any(lax.GatherScatterMode.ONE_HOT) is lax.GatherScatterMode.ONE_HOT
    one = lax.gather(jnp.asarray(x), jnp.asarray(i), numbers(lax, G, raw), (1,), mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS)
    assert one.tolist() == [1, 3, 4]
    assert lax.scatter(jnp.asarray(x), jnp.asarray(i), 5.0 * jnp.ones(3), numbers(lax, S, raw)).tolist() == [0, 5, 2, 5, 4]


def test_errors() -> None:
    x, i = np.zeros((5, 3), "f4"), np.array([[1], [2]], "i4")
    bad = [((1,), (0,), (0, 1), (1, 3)), ((1,), (0,), (0,), (2, 3)), ((1,), (0,), (0,), (1, 4)), ((0, 1), (0,), (0,), (1, 3)),
           ((1,), (0, 0), (0,), (1, 3)), ((1,), (5,), (0,), (1, 3)), ((5,), (0,), (0,), (1, 3))]  # fmt: skip
    for a, b, c, sizes in bad:
        for m, L in ((jnp, lax), (jax.numpy, jax.lax)):
            with pytest.raises(TypeError):
                L.gather(m.asarray(x), m.asarray(i), L.GatherDimensionNumbers(a, b, c), sizes)
    for m, L in ((jnp, lax), (jax.numpy, jax.lax)):
        d = L.ScatterDimensionNumbers((1,), (0,), (0,))
        with pytest.raises(TypeError):
            L.scatter(m.asarray(x), m.asarray(i), m.zeros((2, 3), "int32"), d)
        with pytest.raises(ValueError, match="integer type"):
            L.scatter(m.asarray(x), m.asarray(i).astype("float32"), m.zeros((2, 3)), d)
        with pytest.raises(TypeError):
            L.scatter_add(m.asarray(x), m.asarray(i), m.zeros((3, 3)), d)
        with pytest.raises(ValueError, match="Unknown gather mode"):
            L.gather(m.asarray(x), m.asarray(i), L.GatherDimensionNumbers((1,), (0,), (0,)), (1, 3), mode="wrong")
