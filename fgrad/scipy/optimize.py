"""scipy.optimize: minimising a function of a vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import fgrad.numpy as jnp
from fgrad import lax
from fgrad.eager.grad import value_and_grad
from fgrad.errors import ArgumentError, ShapeError
from fgrad.ir.apply import caller

__all__ = ["OptimizeResults", "minimize"]


class OptimizeResults(NamedTuple):
    """What minimize found, arrays all: status 0 converged, 1 out of iterations, 3 no step could be found."""

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nfev: Any
    njev: Any
    nit: Any


class _State(NamedTuple):
    x: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nit: Any
    nfev: Any
    failed: Any


class _Line(NamedTuple):
    low: Any
    high: Any
    t: Any
    fun: Any
    jac: Any
    tries: Any
    found: Any


SUFFICIENT, CURVATURE, TRIES = 1e-4, 0.9, 40


def minimize(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), *, method: str, tol: float | None = None,
             options: Mapping[str, Any] | None = None) -> OptimizeResults:  # fmt: skip
    """x that makes fun(x, *args) least, from x0: float[n]. method: "BFGS", with a bisecting line search for Wolfe's weak conditions.

    tol: of the largest |gradient| (1e-5); options: "gtol", "maxiter" (200 n). May be used inside jit, vmap, and forward mode.
    Raises ArgumentError for another method or option, ShapeError if x0 is no vector. Source: Nocedal & Wright 2006, §6.1.

    >>> import fgrad, fgrad.numpy as jnp
    >>> found = fgrad.scipy.optimize.minimize(lambda x: jnp.sum((x - 3) ** 2), jnp.zeros(2), method="BFGS")
    >>> found.x.round(3), bool(found.success)
    (Array([3., 3.], dtype=float32), True)
    """
    given = dict(options or {})
    if method.lower() != "bfgs" or set(given) - {"gtol", "maxiter", "norm", "line_search_maxiter"}:
        raise ArgumentError(f"minimize(method={method!r}, options={sorted(given)})", where=caller(),
                            fix="use method='BFGS', options 'gtol' and 'maxiter'")  # fmt: skip
    x = jnp.asarray(x0)
    if x.ndim != 1:
        raise ShapeError(f"minimize: x0 is {x.shape}", where=caller(), fix="ravel the parameters into a vector")
    x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)
    at = value_and_grad(lambda z: fun(z, *args))
    limit, most = given.get("gtol", 1e-5 if tol is None else tol), given.get("maxiter", 200 * x.shape[0])
    value, slope = at(x)

    def going(s: _State) -> Any:
        return ~s.failed & (jnp.max(jnp.abs(s.jac)) > limit) & (s.nit < most)

    start = _State(x, value, slope, jnp.eye(x.shape[0], dtype=x.dtype), jnp.asarray(0), jnp.asarray(1), jnp.asarray(False))
    s = lax.while_loop(going, lambda s: _step(at, s), start)
    done = jnp.max(jnp.abs(s.jac)) <= limit
    status = jnp.where(done, 0, jnp.where(s.failed, 3, 1))
    return OptimizeResults(s.x, done, status, s.fun, s.jac, s.hess_inv, s.nfev, s.nfev, s.nit)


def _step(at: Callable[[Any], Any], s: _State) -> _State:
    """One iteration: a step along -H g, and H's update by what it showed."""
    direction = -(s.hess_inv @ s.jac)
    line = _search(at, s, direction)
    move, change = line.t * direction, line.jac - s.jac
    product = jnp.sum(move * change)
    scaled = jnp.where(s.nit == 0, product / jnp.maximum(jnp.sum(change * change), 1e-30), 1.0)
    h = s.hess_inv * scaled
    rho = 1 / jnp.where(product > 0, product, 1.0)
    left = jnp.eye(move.shape[0], dtype=move.dtype) - rho * move[:, None] * change[None, :]
    h = jnp.where(product > 0, left @ h @ left.T + rho * move[:, None] * move[None, :], s.hess_inv)
    better = line.found | (line.fun < s.fun)
    moved = jnp.where(better, s.x + move, s.x)
    return _State(moved, jnp.where(better, line.fun, s.fun), jnp.where(better, line.jac, s.jac), h, s.nit + 1, s.nfev + line.tries, ~better)


def _search(at: Callable[[Any], Any], s: _State, direction: Any) -> _Line:
    """A step length by doubling and bisection: enough descent, and a slope that has risen enough."""
    slope = jnp.sum(s.jac * direction)

    def tried(t: Any, low: Any, high: Any, tries: Any) -> _Line:
        fun, jac = at(s.x + t * direction)
        short = ~(fun <= s.fun + SUFFICIENT * t * slope)
        steep = jnp.sum(jac * direction) < CURVATURE * slope
        high, low = jnp.where(short, t, high), jnp.where(short, low, jnp.where(steep, t, low))
        return _Line(low, high, t, fun, jac, tries + 1, ~short & ~steep)

    def body(line: _Line) -> _Line:
        t = jnp.where(jnp.isfinite(line.high), (line.low + line.high) / 2, 2 * line.low)
        return tried(t, line.low, line.high, line.tries)

    one = jnp.ones((), s.x.dtype)
    guess = jnp.where(s.nit == 0, jnp.minimum(one, 1 / jnp.maximum(jnp.sum(jnp.abs(s.jac)), 1e-30)), one)
    first = tried(guess, one * 0, one * jnp.inf, jnp.asarray(0))
    last: _Line = lax.while_loop(lambda line: ~line.found & (line.tries < TRIES), body, first)
    return last
