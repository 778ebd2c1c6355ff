"""Gamma draws by rejection, with the derivative by their parameter, and the distributions made from them.

Source: Marsaglia & Tsang 2000 (the draw); Figurnov et al. 2018 (the implicit derivative).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.eager.arrays import array_of, broadcast_to, call, reshape, same, shape_of
from fgrad.eager.custom import custom_jvp
from fgrad.eager.jit import jit
from fgrad.eager.loops import while_loop
from fgrad.eager.operands import compose, convert
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.random.draws import common, float_type, normal, open_unit, rademacher, uniform
from fgrad.random.keys import checked, fold_in, split

FLOAT64 = np.dtype("float64")


def pick(test: Any, x: Any, y: Any) -> Any:
    """`x` where `test`, else `y`; both may be numbers."""
    return call("select", test, *same((x, y)))


def logs(x: Any) -> Any:
    """The natural logarithm."""
    return call("log", x)


def all_of(x: Any) -> Any:
    """Whether all elements hold: a 0-d bool."""
    return call("reduce_and", x, axes=tuple(range(x._type.ndim)))


def shaped(x: Any, shape: tuple[int, ...], d: Any) -> Any:
    """`x` as an array of `shape` and dtype `d`."""
    return broadcast_to(convert(array_of(x), d), shape)


@jit
def drawn(key: Any, a: Any) -> Any:
    """log of draws with density x^(a-1) e^-x / Γ(a), of a's shape and dtype: below 1 that of a + 1, plus log(u) / a."""
    shape, d = a._type.shape, a._type.dtype
    small = a < 1
    shift = pick(small, a + 1, a) - 1 / 3
    width = 1 / (3 * call("sqrt", shift))
    boost, first = split(key, 2)[0], split(key, 2)[1]

    def body(state: Any) -> Any:
        i, done, x = state
        keys = split(fold_in(first, i), 2)
        z = normal(keys[0], shape, d)
        root = 1 + width * z
        inside = root > 0
        log_v = 3 * logs(pick(inside, root, 1))
        bound = 0.5 * z * z + shift * (1 - call("exp", log_v) + log_v)
        take = inside & (logs(open_unit(keys[1], shape, d)) < bound)
        return i + 1, done | take, pick(done, x, log_v)

    start = (array_of(np.asarray(0, np.int32)), a != a, a * 0)
    _, _, log_v = while_loop(lambda state: ~all_of(state[1]), body, start)
    return log_v + logs(shift) + pick(small, logs(open_unit(boost, shape, d)) / a, 0)


def gamma_slope(a: Any, log_x: Any) -> Any:
    """d log x / d a of a gamma draw whose quantile stays: -(S (log x - ψ(a)) + dS / da) with P(a, x) = x^a e^-x / Γ(a) S.

    S = sum over n of x^n / (a (a + 1) ... (a + n)), in float64.
    """
    d = a._type.dtype
    a, log_x = convert(a, FLOAT64), convert(log_x, FLOAT64)
    x = call("exp", log_x)

    def body(state: Any) -> Any:
        n, term, harmonic, total, moved = state
        n = n + 1
        term, harmonic = term * x / (a + n), harmonic + 1 / (a + n)
        return n, term, harmonic, total + term, moved - term * harmonic

    def going(state: Any) -> Any:
        n, term, _, total, _ = state
        return ~all_of(term <= 1e-17 * total) & (n < 10000)

    start = 1 / a
    _, _, _, total, moved = while_loop(going, body, (array_of(np.asarray(0.0)), start, start, start, -start * start))
    return convert(-(total * (log_x - call("digamma", a)) + moved), d)


@custom_jvp
def moved(a: Any, log_x: Any) -> Any:
    """The logarithms of draws, which move with `a`."""
    return log_x


@moved.defjvp
def _moved_rule(primals: Any, tangents: Any) -> Any:
    out = moved(*primals)
    return out, gamma_slope(primals[0], out) * tangents[0] + tangents[1]


@jit
def _log_gamma(key: Any, a: Any) -> Any:
    return moved(a, drawn(key, call("stop_gradient", a)))


def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = float) -> Any:
    """log of gamma draws: exact where small `a` would make the draws themselves 0. Differentiable in `a`."""
    d = float_type(dtype, "loggamma")
    wide = d if d.itemsize >= 4 else np.dtype("float32")
    s = common(shape, array_of(a))
    return convert(_log_gamma(checked(key), shaped(a, s, wide)), d)


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Draws with density x^(a-1) e^-x / Γ(a). Differentiable in `a`.

    >>> import fgrad
    >>> x = fgrad.random.gamma(fgrad.random.key(0), 3.0, (10000,))
    >>> abs(float(x.mean()) - 3.0) < 0.1
    True
    """
    return call("exp", loggamma(key, a, shape, dtype))


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Draws with density x^(a-1) (1-x)^(b-1) / B(a, b). Differentiable in both."""
    d = float_type(dtype, "beta")
    s = common(shape, array_of(a), array_of(b))
    keys = split(key)
    x, y = loggamma(keys[0], a, s, d), loggamma(keys[1], b, s, d)
    return call("sigmoid", x - y)


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Sums of df squares of standard normals: twice a gamma draw at df / 2."""
    return 2 * gamma(key, array_of(df) / 2, shape, dtype)


def f(key: Any, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Ratios of two chi-square draws, each over its degrees of freedom."""
    d = float_type(dtype, "f")
    s = common(shape, array_of(dfnum), array_of(dfden))
    keys = split(key)
    top, bottom = chisquare(keys[0], dfnum, s, d), chisquare(keys[1], dfden, s, d)
    return top / shaped(dfnum, s, d) / (bottom / shaped(dfden, s, d))


def t(key: Any, df: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Student's t: a standard normal over sqrt(chisquare / df)."""
    d = float_type(dtype, "t")
    s = common(shape, array_of(df))
    keys, half = split(key), shaped(df, s, d) / 2
    return normal(keys[0], s, d) * call("sqrt", half / gamma(keys[1], half, s, d))


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Draws from the simplex of the last axis: gamma draws over their sum. alpha: float[..., n]; shape: of the leading axes."""
    d = float_type(dtype, "dirichlet")
    a = array_of(alpha)
    if not a._type.ndim:
        raise ArgumentError("dirichlet: alpha is a vector", where=caller(), fix="give float[..., n]")
    s = a._type.shape if shape is None else (*shape_of(shape), a._type.shape[-1])
    return compose(c.softmax, loggamma(key, a, s, d), axes=(len(s) - 1,))


def generalized_normal(key: Any, p: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Density proportional to e^(-|x|^p): a gamma draw at 1 / p to the power 1 / p, with a random sign."""
    d = float_type(dtype, "generalized_normal")
    s, keys = shape_of(shape), split(key)
    return call("exp", loggamma(keys[0], 1 / p, s, d) / p) * convert(rademacher(keys[1], s), d)


def ball(key: Any, d: int, p: Any = 2, shape: Any = (), dtype: Any = float) -> Any:
    """Points drawn evenly from the ball |x|_p <= 1 of d dimensions, on a new last axis. Source: Barthe et al. 2005."""
    kind, s, keys = float_type(dtype, "ball"), shape_of(shape), split(key)
    g = generalized_normal(keys[0], p, (*s, d), kind)
    size = call("abs", g) ** p
    e = -call("log1p", -uniform(keys[1], s, kind))
    total = call("reduce_sum", size, axes=(len(s),)) + e
    return g / reshape(total ** (1 / p), (*s, 1))


def norm_of(x: Any) -> Any:
    """Root of the sum of squares over the last axis."""
    return call("sqrt", call("reduce_sum", x * x, axes=(x._type.ndim - 1,)))


def maxwell(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Lengths of standard normal vectors in three dimensions."""
    s = shape_of(shape)
    return norm_of(normal(key, (*s, 3), float_type(dtype, "maxwell")))


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Any = (), dtype: Any = float) -> Any:
    """loc plus scale times a Maxwell draw of random sign; shape: in front of that of the parameters."""
    d = float_type(dtype, "double_sided_maxwell")
    s = (*shape_of(shape), *common(None, array_of(loc), array_of(scale)))
    keys = split(key)
    return maxwell(keys[0], s, d) * convert(rademacher(keys[1], s), d) * shaped(scale, s, d) + shaped(loc, s, d)


def wald(key: Any, mean: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Inverse Gaussian draws of scale 1. Source: Michael et al. 1976."""
    d = float_type(dtype, "wald")
    s = common(shape, array_of(mean))
    keys, m = split(key), shaped(mean, s, d)
    y = normal(keys[0], s, d) ** 2
    root = call("sqrt", 4 * m * y + (m * y) ** 2)
    x = m + m * m * y / 2 - m / 2 * root
    return pick(uniform(keys[1], s, d) <= m / (m + x), x, m * m / x)


