"""Draws of whole numbers from a key: geometric, Poisson, binomial, multinomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, as_dtype, call, reshape, shape_of
from fgrad.eager.jit import jit
from fgrad.eager.loops import while_loop
from fgrad.eager.operands import convert
from fgrad.random.draws import common, float_type, open_unit
from fgrad.random.gammas import FLOAT64, all_of, logs, pick, shaped
from fgrad.random.keys import checked, fold_in, split

INT32, INT64 = np.dtype("int32"), np.dtype("int64")
SWITCH = 10.0  # mean from which on rejection is quicker than walking up the distribution function


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = int) -> Any:
    """The number of trials up to the first success: 1 + floor(log(u) / log(1 - p))."""
    s = common(shape, array_of(p))
    u = open_unit(key, s, FLOAT64)
    return convert(call("floor", logs(u) / call("log1p", -shaped(p, s, FLOAT64))) + 1, integer(dtype))


def integer(dtype: Any) -> Any:
    """A dtype for counts; int is int64."""
    return INT64 if dtype is int or dtype is None else as_dtype(dtype)


def rejected(key: Any, like: Any, propose: Any) -> Any:
    """`propose(u, v) -> (k, taken)` with new uniform numbers, of the shape and device of a float64 array, until all are taken; NaN stays NaN."""
    shape = like._type.shape

    def body(state: Any) -> Any:
        i, done, x = state
        keys = split(fold_in(key, i), 2)
        k, taken = propose(open_unit(keys[0], shape, FLOAT64) - 0.5, open_unit(keys[1], shape, FLOAT64))
        return i + 1, done | taken, pick(done, x, k)

    zero = like * 0
    return while_loop(lambda state: ~all_of(state[1]), body, (array_of(np.asarray(0, np.int32)), zero != zero, zero))[2]


def walked(u: Any, first: Any, ratio: Any, last: float = 1000.0) -> Any:
    """The least k whose distribution function reaches u; probabilities: `first`, then each times ratio(k)."""

    def body(state: Any) -> Any:
        k, p, total, found = state
        more = total < u
        p = p * ratio(k + 1)
        return k + 1, p, pick(more, total + p, total), pick(more, found + 1, found)

    start = (array_of(np.asarray(0.0)), first, first, u * 0)
    return while_loop(lambda state: ~all_of(state[2] >= u) & (state[0] < last), body, start)[3]


@jit
def _poisson(key: Any, lam: Any) -> Any:
    shape, keys = lam._type.shape, split(key, 2)
    few = lam < SWITCH
    small = pick(few, lam, 1.0)
    low = walked(open_unit(keys[0], shape, FLOAT64), call("exp", -small), lambda k: small / k)
    large = pick(few, SWITCH, lam)
    b = 0.931 + 2.53 * call("sqrt", large)
    a = -0.059 + 0.02483 * b

    def propose(u: Any, v: Any) -> tuple[Any, Any]:
        edge = 0.5 - call("abs", u)
        k = call("floor", (2 * a / edge + b) * u + large + 0.43)
        near = (edge >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
        far = (k < 0) | ((edge < 0.013) & (v > edge))
        bound = k * logs(large) - large - call("lgamma", pick(far, 0.0, k) + 1)
        weight = logs(v) + logs(1.1239 + 1.1328 / (b - 3.4)) - logs(a / (edge * edge) + b)
        return k, near | (~far & (weight <= bound))

    return pick(few, low, rejected(keys[1], lam, propose))


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = int) -> Any:
    """Counts k with probability lam^k e^-lam / k!. Source: Hörmann 1993 (rejection for lam >= 10)."""
    s = common(shape, array_of(lam))
    return convert(_poisson(checked(key), shaped(lam, s, FLOAT64)), integer(dtype))


@jit
def _binomial(key: Any, n: Any, p: Any) -> Any:
    shape, keys = n._type.shape, split(key, 2)
    flipped = p > 0.5
    p = pick(flipped, 1 - p, p)
    few = n * p < SWITCH
    ratio = p / (1 - p)
    start = call("exp", n * call("log1p", -p))
    low = walked(open_unit(keys[0], shape, FLOAT64), pick(few, start, 1.0), lambda k: call("maximum", n - k + 1, n * 0) / k * ratio)
    k = pick(few, low, rejected(keys[1], p, _transformed(pick(few, 40.0, n), pick(few, 0.5, p))))
    return pick(flipped, n - k, k)


def _transformed(n: Any, p: Any) -> Any:
    """The proposals of BTRS, for p <= 1/2 and n p >= 10."""
    spread = call("sqrt", n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha, mode = (2.83 + 5.1 / b) * spread, call("floor", (n + 1) * p)
    top = call("lgamma", mode + 1) + call("lgamma", n - mode + 1)

    def propose(u: Any, v: Any) -> tuple[Any, Any]:
        edge = 0.5 - call("abs", u)
        k = call("floor", (2 * a / edge + b) * u + n * p + 0.5)
        out = (k < 0) | (k > n)
        inside = pick(out, 0.0, k)
        weight = logs(v * alpha / (a / (edge * edge) + b))
        bound = top - call("lgamma", inside + 1) - call("lgamma", n - inside + 1) + (inside - mode) * logs(p / (1 - p))
        return k, ~out & (((edge >= 0.07) & (v <= 0.92 - 4.2 / b)) | (weight <= bound))

    return propose


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = float) -> Any:
    """The number of successes of n trials of probability p, as floats. Source: Hörmann 1993 (BTRS, for n p >= 10)."""
    d = float_type(dtype, "binomial")
    s = common(shape, array_of(n), array_of(p))
    return convert(_binomial(checked(key), shaped(n, s, FLOAT64), shaped(p, s, FLOAT64)), d)


def multinomial(key: Any, n: Any, p: Any, *, shape: Any = None, dtype: Any = float) -> Any:
    """How n trials fall on the categories of p's last axis: one binomial draw after the other. shape: of the result."""
    d, chances = float_type(dtype, "multinomial"), array_of(p)
    size = chances._type.shape[-1]
    s = (*common(None, array_of(n), chances[..., 0]), size) if shape is None else shape_of(shape)
    chances = shaped(chances, s, FLOAT64)
    left, rest = shaped(n, s[:-1], FLOAT64), shaped(1.0, s[:-1], FLOAT64)
    keys, found = split(key, size), []
    for i in range(size - 1):
        share = chances[..., i] / pick(rest > 0, rest, 1.0)
        k = _binomial(keys[i], left, call("minimum", share, share * 0 + 1))
        found.append(k)
        left, rest = left - k, rest - chances[..., i]
    columns = [reshape(k, (*s[:-1], 1)) for k in (*found, left)]
    return convert(call("concatenate", *columns, axis=len(s) - 1), d)
