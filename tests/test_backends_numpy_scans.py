"""Scans as native loops: the numbers of the plain lowering, one kernel call, and a fallback that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad as fg
import fgrad.numpy as jnp
from fgrad import lax
from fgrad.backends.numpy import PROGRAMS, pool, split, tasks

X = np.random.default_rng(0).normal(size=(7, 5, 6))
W = np.random.default_rng(1).normal(size=(6, 6)) * 0.3


@pytest.fixture(autouse=True, params=["one", "tasks"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")
    if request.param == "tasks":
        for module in (tasks, split):
            monkeypatch.setattr(module, "WORTH", 0.0)
            monkeypatch.setattr(module, "TASK", 1e-3)
        monkeypatch.setattr(split, "SHARE", 1e9)
        pool.load()
        pool.ready()


def rnn(w: Any, x: Any, h: Any, reverse: bool = False) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = jnp.tanh(h @ w + x)
        return h, (h.sum(-1), x * 2)

    return lax.scan(step, h, x, reverse=reverse)


def two_carries(x: Any) -> Any:
    """Carried values change places; a result that is a view, one that is an input, one that is constant."""

    def step(c: Any, x: Any) -> Any:
        a, b = c
        return (b + x[:, :2].sum(), a * 0.5), (a, x.T.reshape(-1)[:3], x, jnp.ones(2))

    return lax.scan(step, (x.sum(), jnp.asarray(1.0, x.dtype)), x, reverse=True)


def counted(x: Any) -> Any:
    """A step that knows its number, and writes by it."""

    def step(c: Any, i: Any) -> Any:
        y = lax.dynamic_slice(x, (i, 0, 0), (1, 5, 6))
        return lax.dynamic_update_slice(c, y * 2, (6 - i, 0, 0)), y[0, :, 2]

    return lax.scan(step, jnp.zeros_like(x), jnp.arange(7))


def nested(w: Any, x: Any) -> Any:
    """A scan in every step of a scan."""

    def step(h: Any, x: Any) -> Any:
        h, y = lax.scan(lambda c, row: (c * 0.9 + row @ w, c.sum()), h, x)
        return h, (y, h)

    return lax.scan(step, jnp.zeros(6, x.dtype), x)


def gradient(w: Any, x: Any, h: Any) -> Any:
    """Reverse mode: residuals are stacked, and read backwards."""

    def loss(w: Any, x: Any, h: Any) -> Any:
        h, (y, _) = rnn(w, x, h)
        return (h**2).sum() + y.sum()

    return fg.value_and_grad(loss, argnums=(0, 1, 2))(w, x, h)


def until(x: Any) -> Any:
    """A loop whose end depends on what it computes; carried values change places."""

    def step(c: Any) -> Any:
        n, a, b = c
        return n + 1, b * 0.5 + x[0], a

    return lax.while_loop(lambda c: (c[0] < 20) & (abs(c[1]).sum() > 1.5), step, (0, x[1], x[2] * 8))


def chosen(x: Any) -> Any:
    """Branches that give operands, views, constants and products; numbers past the ends."""
    branches = [lambda a, b: (a, b.T, a.sum()), lambda a, b: (a @ b.T @ b, jnp.ones((6, 5), a.dtype), b[0, 1]), lambda a, b: (b, a.T * 2, a.sum())]
    return [lax.switch(k, branches, x[0], x[1]) for k in (x[2, 0, :4] * 3).astype("int32")]


def deep(w: Any, x: Any) -> Any:
    """A choice in a loop in a scan."""

    def step(h: Any, x: Any) -> Any:
        def inner(c: Any) -> Any:
            h = lax.cond(c[0] % 2 == 0, lambda h: jnp.tanh(h @ w), lambda h: h - x, c[1])
            return c[0] + 1, h

        n = (abs(x[0, 0]) * 4).astype("int32")
        _, h = lax.while_loop(lambda c: c[0] < n, inner, (0, h))
        return h, h.sum(-1)

    return lax.scan(step, x[0], x)


def both_ways(x: Any) -> Any:
    """Gradients through a choice in every step of a scan."""

    def loss(x: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            c = lax.cond(x.sum() > 0, lambda c: jnp.sin(c) * x, lambda c: c + jnp.exp(-x), c)
            return c, None

        return (lax.scan(step, x[0], x)[0] ** 2).sum()

    return fg.value_and_grad(loss)(x)


H = np.zeros((5, 6))
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "rnn": (rnn, (W, X, H)),
    "reversed": (lambda *a: rnn(*a, reverse=True), (W, X, H)),
    "turned operands": (lambda w, x, h: rnn(w.T, jnp.swapaxes(x, 1, 2), h.T), (W, X.swapaxes(1, 2).copy(), H.T.copy())),
    "one step": (rnn, (W, X[:1], H)),
    "two carries": (two_carries, (X,)),
    "counted": (counted, (X,)),
    "nested": (nested, (W, X)),
    "gradient": (gradient, (W, X, H)),
    "second": (lambda w, x, h: fg.grad(lambda w: gradient(w, x, h)[1][0].sum())(w), (W, X, H)),
    "while": (until, (X,)),
    "no step": (lambda x: until(x * 1e-3), (X,)),
    "switch": (chosen, (X,)),
    "deep": (deep, (W, X)),
    "gradients of choices": (both_ways, (X,)),
    "choices of a batch": (lambda x: fg.vmap(lambda x: lax.cond(x.sum() > 0, lambda x: x * 2, lambda x: -x, x))(x), (X,)),
    "computed before and after": (lambda w, x, h: jnp.exp(rnn(w * 2, jnp.tanh(x), h + 1)[0]), (W, X, H)),
}


def run(f: Callable[..., Any], arrays: tuple[Any, ...]) -> str:
    """The source of the native program, whose results are those of the plain lowerings."""
    given = [jnp.asarray(a) for a in arrays]
    found = []
    for kernels in ("plain", "native"):
        PROGRAMS.clear()
        with fg.settings(kernels=kernels):
            compiled = fg.jit(lambda *xs: f(*xs))
            for _ in range(4):
                leaves = [np.asarray(y) for y in fg.tree.leaves(compiled(*given))]
            found.append(leaves)
    tolerance = 1e-10 if arrays[0].dtype == np.float64 else 2e-4
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
    return max([p.source for p in PROGRAMS.values() if p.kernels == "native"], key=len)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_a_scan_is_a_loop_of_the_kernel(name: str, dtype: str) -> None:
    f, arrays = CASES[name]
    source = run(f, tuple(a.astype(dtype) for a in arrays))
    assert not any(f"{name}(" in source for name in ("scan", "cond", "while_loop"))
    assert source.count("kernel") == 1


def spectrum(x: Any) -> Any:
    """What no kernel computes."""
    return jnp.abs(jnp.fft.fft(x, axis=0))


def test_a_body_without_native_code_stays_a_call_and_fills_the_same_buffers() -> None:
    def f(x: Any) -> Any:
        h, y = lax.scan(lambda c, x: (spectrum(x[0] * c).sum() * 0.1, spectrum(x)), x.sum() * 0.1, jnp.exp(x))
        return h * 2, y + 1

    assert "scan(" in run(f, (X,))


def test_a_branch_without_native_code_stays_a_call() -> None:
    def f(x: Any) -> Any:
        y = lax.cond(x.sum() > 1e3, lambda x: spectrum(x), lambda x: x * 2, x)
        return lax.while_loop(lambda c: c.sum() < 9, lambda c: c + spectrum(c) + 1, y) * 2

    source = run(f, (X[0],))
    assert "cond(" in source
    assert "while_loop(" in source


def test_a_body_that_turns_out_to_have_none_leaves_nothing_behind() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, x: Any) -> Any:
            y = (jnp.tanh(x) * c * 9).astype("int32")
            return c * 0.5 + (y @ y.T).sum() * 0.01, c

        return lax.scan(step, x[0, 0, 0], x)

    assert "scan(" in run(f, (X,))


def test_a_body_of_halves_and_positions_is_a_loop_of_the_kernel() -> None:
    def f(x: Any) -> Any:
        def body(c: Any, v: Any) -> Any:
            return (c * 0.5 + v.sum()).astype("bfloat16"), (jnp.argmax(v), jnp.sort(v)[:2].astype("float32"))

        c, ys = lax.scan(body, jnp.zeros((), "bfloat16"), x.reshape(x.shape[0], -1).astype("bfloat16"))
        return c.astype("float32"), ys

    source = run(f, (X.astype("float32"),))
    assert "scan(" not in source
    assert source.count("kernel") == 1
