"""odeint: ordinary differential equations by Dormand and Prince's method of order 5, with gradients by the adjoint equation.

Source: Dormand, Prince 1980, A family of embedded Runge-Kutta formulae; Chen et al. 2018, arXiv:1806.07366.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fgrad.numpy as jnp
from fgrad import lax, tree
from fgrad.eager.custom import custom_vjp
from fgrad.eager.grad import vjp
from fgrad.errors import ArgumentError
from fgrad.flatten_util import ravel_pytree
from fgrad.ir.apply import caller

__all__ = ["odeint"]

STAGES = (  # the method's table: times, and weights of the slopes before
    (1 / 5, (1 / 5,)), (3 / 10, (3 / 40, 9 / 40)), (4 / 5, (44 / 45, -56 / 15, 32 / 9)),
    (8 / 9, (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729)), (1.0, (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656)),
    (1.0, (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)),
)  # fmt: skip
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # order 5 less order 4
Slope = Callable[..., Any]


class Tolerances(NamedTuple):
    """What a step is held against: errors of atol + rtol |y|, at most `most` steps between two times, of at most `longest`."""

    rtol: float
    atol: float
    most: float
    longest: float


class _State(NamedTuple):
    y: Any
    slope: Any
    t: Any
    step: Any
    count: Any


def odeint(func: Slope, y0: Any, t: Any, *args: Any, rtol: float = 1.4e-8, atol: float = 1.4e-8, mxstep: float = np.inf,
           hmax: float = np.inf) -> Any:  # fmt: skip
    """The solution of dy/dt = func(y, t, *args) with y(t[0]) = y0 at the times t, stacked along a new axis 0.

    y0: a tree of floats.  t: float[n], increasing.  args: trees of arrays, differentiable as y0 and t are, in reverse mode; what
    func closes over counts as constant.  rtol, atol: bounds of a step's error.  mxstep: steps between two times.  hmax: the
    longest step.  Raises ValueError for times that are no vector.

    >>> import fgrad.numpy as jnp
    >>> odeint(lambda y, t: -y, jnp.array(1.0), jnp.array([0.0, 1.0]), rtol=1e-6, atol=1e-6).round(3)
    Array([1.   , 0.368], dtype=float32)
    """
    ts = jnp.asarray(t)
    if ts.ndim != 1 or not ts.shape[0]:
        raise ArgumentError(f"odeint: times of shape {ts.shape}", where=caller(), fix="give a vector, whose first time is that of y0")
    flat, unravel = ravel_pytree(tree.map(jnp.asarray, y0))

    def slope(y: Any, t: Any, *args: Any) -> Any:
        return ravel_pytree(func(unravel(y), t, *args))[0]

    found = _solve(slope, Tolerances(rtol, atol, mxstep, hmax), flat, ts.astype(flat.dtype), *args)
    rows = [unravel(found[i]) for i in range(ts.shape[0])]
    return tree.map(lambda *xs: jnp.stack(xs), *rows)


@partial(custom_vjp, nondiff_argnums=(0, 1))
def _solve(slope: Slope, tol: Tolerances, y0: Any, ts: Any, *args: Any) -> Any:
    """float[n, size]."""
    first = slope(y0, ts[0], *args)
    start = _State(y0, first, ts[0], _first_step(y0, first, tol), 0)

    def until(state: _State, target: Any) -> tuple[_State, Any]:
        state = lax.while_loop(lambda s: (s.t < target) & (s.count < tol.most), lambda s: _step(slope, tol, args, target, s), state._replace(count=0))
        return state, state.y

    rest = lax.scan(until, start, ts[1:])[1]
    return jnp.concatenate([y0[None], rest])


def _first_step(y: Any, slope: Any, tol: Tolerances) -> Any:
    scale = tol.atol + tol.rtol * jnp.abs(y)
    size, speed = (jnp.sqrt(jnp.mean((v / scale) ** 2)) for v in (y, slope))
    small = (size < 1e-5) | (speed < 1e-5)
    return jnp.where(small, 1e-6, 0.01 * size / jnp.where(small, 1.0, speed)).astype(y.dtype)


def _step(slope: Slope, tol: Tolerances, args: Any, target: Any, s: _State) -> _State:
    """One attempt: taken if its error is within bounds, else tried again shorter."""
    left = target - s.t
    h = jnp.minimum(jnp.minimum(s.step, tol.longest), left)
    slopes, y = [s.slope], s.y
    for at, weights in STAGES:
        y = s.y + h * sum(w * k for w, k in zip(weights, slopes, strict=True) if w)
        slopes.append(slope(y, s.t + at * h, *args))
    error = h * sum(w * k for w, k in zip(ERROR, slopes, strict=True) if w)
    bound = tol.atol + tol.rtol * jnp.maximum(jnp.abs(s.y), jnp.abs(y))
    ratio = jnp.sqrt(jnp.mean((error / bound) ** 2))
    least = 16 * np.finfo(np.dtype(y.dtype)).eps * jnp.maximum(jnp.abs(s.t), jnp.abs(target))
    taken = (ratio <= 1) | (h <= least)  # a shorter step would not move t
    longer = h * jnp.clip(0.9 * jnp.maximum(ratio, 1e-10) ** -0.2, 0.2, 10.0)
    step = jnp.maximum(jnp.where(taken & (h < s.step), jnp.maximum(s.step, longer), longer), least)  # a cut at the target tells nothing
    t = jnp.where(h >= left, target, s.t + h)
    return _State(jnp.where(taken, y, s.y), jnp.where(taken, slopes[-1], s.slope), jnp.where(taken, t, s.t), step.astype(y.dtype), s.count + 1)


def _forward(slope: Slope, tol: Tolerances, y0: Any, ts: Any, *args: Any) -> Any:
    ys = _solve(slope, tol, y0, ts, *args)
    return ys, (ys, ts, args)


def _backward(slope: Slope, tol: Tolerances, kept: Any, cts: Any) -> Any:
    """The adjoint equation from the last time to the first: y, its cotangent, and the integrals for the arguments."""
    ys, ts, args = kept
    n = ys.shape[1]
    zeros, unravel = ravel_pytree(tree.map(lambda x: jnp.zeros_like(jnp.asarray(x)), args)) if tree.leaves(args) else (ys[0, :0], lambda v: args)

    def back(state: Any, minus_t: Any, *args: Any) -> Any:
        value, pull = vjp(lambda y, *args: slope(y, -minus_t, *args), state[:n], *args)
        found = pull(state[n : 2 * n])
        return jnp.concatenate([-value, found[0], ravel_pytree(found[1:])[0] if args else state[2 * n :]])

    def between(carry: Any, i: Any) -> Any:
        ct, total = carry
        moved = jnp.vdot(slope(ys[i], ts[i], *args), cts[i])
        start = jnp.concatenate([ys[i], ct, total])
        end = _solve(back, tol, start, jnp.stack([-ts[i], -ts[i - 1]]), *args)[1]
        return (end[n : 2 * n] + cts[i - 1], end[2 * n :]), moved

    (ct, total), moved = lax.scan(between, (cts[-1], zeros), jnp.arange(1, ts.shape[0]), reverse=True)
    start = -jnp.vdot(slope(ys[0], ts[0], *args), ct - cts[0])  # a later start leaves out what the slope would have added
    return (ct, jnp.concatenate([start[None], moved]), *unravel(total))


_solve.defvjp(_forward, _backward)
