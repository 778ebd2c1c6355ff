"""jax.experimental's odeint and io_callback, against JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.experimental.ode
import fgrad.numpy as jnp

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
pytest.importorskip("jax.experimental.ode")
W, Y0, TS = np.array([[0.1, -1.0], [1.0, 0.1]], "f4"), np.array([1.0, 0.0], "f4"), np.linspace(0, 2, 5, dtype="f4")


def close(got: Any, want: Any, rtol: float) -> None:
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want) > 0
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def values(m: Any) -> Any:
    n, odeint = m.numpy, m.experimental.ode.odeint
    w, y0, ts = n.asarray(W), n.asarray(Y0), n.asarray(TS)

    def f(y: Any, t: Any, w: Any) -> Any:
        return n.tanh(w @ y) * n.cos(t)

    out = [odeint(f, y0, ts, w), m.jit(lambda y: odeint(f, y, ts, w))(y0), m.vmap(lambda y: odeint(f, y, ts, w))(n.stack([y0, y0 * 2]))]
    out += [odeint(lambda s, t: {"a": -s["a"], "b": s["a"] + 0 * s["b"]}, {"a": n.array(1.0), "b": n.zeros(2)}, ts)]
    out += [odeint(f, y0, ts, w, rtol=1e-5, atol=1e-5, hmax=0.1), odeint(f, y0, ts[:1], w)]
    return out


def slopes(m: Any) -> Any:
    n, odeint = m.numpy, m.experimental.ode.odeint
    w, y0, ts = n.asarray(W), n.asarray(Y0), n.asarray(TS)

    def f(y: Any, t: Any, p: Any) -> Any:
        return n.tanh(p["w"] @ y) * n.cos(p["k"] * t)

    def total(y: Any, t: Any, p: Any) -> Any:
        return n.sum(odeint(f, y, t, p, rtol=1e-6, atol=1e-6) ** 2)

    p = {"w": w, "k": n.array(1.0)}
    return [m.grad(total, (0, 1, 2))(y0, ts, p), m.jit(m.grad(total))(y0, ts, p), m.grad(lambda y: odeint(lambda y, t: -y * t, y, ts)[-1].sum())(y0)]


def test_solutions() -> None:
    close(values(fgrad), values(jax), 1e-4)


def test_gradients() -> None:
    close(slopes(fgrad), slopes(jax), 2e-3)


def test_known_solutions_and_bounds() -> None:
    with fgrad.enable_x64():
        t = jnp.asarray(np.linspace(0, 3, 7))
        y = fgrad.experimental.ode.odeint(lambda y, t: jnp.cos(t) * y, jnp.asarray(np.array(1.0)), t, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(y, np.exp(np.sin(np.linspace(0, 3, 7))), rtol=1e-8)
        short = fgrad.experimental.ode.odeint(lambda y, t: -1000 * y, jnp.asarray(np.array(1.0)), t, mxstep=2)
    assert float(short[-1]) > 0.01  # two steps do not get far
    with pytest.raises(ValueError, match="vector"):
        fgrad.experimental.ode.odeint(lambda y, t: y, 1.0, 2.0)


def test_io_callbacks() -> None:
    def program(m: Any) -> Any:
        seen: list[float] = []
        kind = m.ShapeDtypeStruct((), "float32")

        def note(x: Any) -> Any:
            seen.append(float(x))
            return np.float32(x * 2)

        def f(x: Any) -> Any:
            y = m.experimental.io_callback(note, kind, x, ordered=True)
            m.experimental.io_callback(lambda v: seen.append(float(v) + 100), None, y, ordered=True)
            return y + 1

        out = [m.jit(f)(np.float32(3)), f(np.float32(4)), m.jit(f)(np.float32(3))]
        loop = m.lax.scan(lambda c, x: (c + m.experimental.io_callback(note, kind, x, ordered=True), None), np.float32(0), m.numpy.arange(3.0))
        m.effects_barrier()
        return [float(x) for x in out], float(loop[0]), seen

    assert program(fgrad) == program(jax)
