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
    assert "scan(" not in source
    assert source.count("kernel") == 1


def spectrum(x: Any) -> Any:
    """What no kernel computes."""
    return jnp.abs(jnp.fft.fft(x, axis=0))


def test_a_body_without_native_code_stays_a_call_and_fills_the_same_buffers() -> None:
    def f(x: Any) -> Any:
        h, y = lax.scan(lambda c, x: (spectrum(x[0] * c).sum() * 0.1, spectrum(x)), x.sum() * 0.1, jnp.exp(x))
        return h * 2, y + 1

    assert "scan(" in run(f, (X,))


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
