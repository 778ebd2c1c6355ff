"""Algebraic identities that keep every bit of a float result (the sign of zero too), and, apart, some that do not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fgrad.ir.dtypes import dtype_of, kind
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.rewrite import Rewrite, rebuild, rewrite, splat
from fgrad.passes.regions import deep
from fgrad.passes.sparse import SPARSE
from fgrad.primitives.arithmetic import abs_, add, convert, div, maximum, minimum, mul, neg, pow_, sub
from fgrad.primitives.compare import bitwise_not, eq, ne, select
from fgrad.primitives.linear import dot_general
from fgrad.primitives.reduce import reduce_max, reduce_min, reduce_sum
from fgrad.primitives.shape import broadcast_to, flip, number, pad, reshape, slice_, transpose
from fgrad.primitives.structure import checkpoint_name, mark, stop_gradient
from fgrad.primitives.transcendental import exp, log

Axes = tuple[int, ...]


def exact_reciprocal(c: Value) -> bool:
    """True for a constant power of two whose reciprocal is a normal number: dividing is multiplying."""
    x = splat(c)
    if x is None or x.dtype.name not in ("float32", "float64"):
        return False
    value = float(x)
    if not math.isfinite(value) or value == 0:
        return False
    mantissa, _ = math.frexp(abs(value))
    return mantissa == 0.5 and bool(np.finfo(x.dtype).tiny <= abs(1 / value) <= np.finfo(x.dtype).max)


def whole(x: Value) -> bool:
    """True for integers, to which adding any zero changes nothing."""
    return kind(x.dtype) in "ui"


def is_scale(c: Value) -> bool:
    """True for a repeated float constant."""
    x = splat(c)
    return x is not None and x.dtype.name in ("float32", "float64")


def opposite(c: Value) -> Value:
    """A repeated float constant with the other sign, as a number."""
    return number(-float(splat(c)), c)


def keeps(x: Value, p: Any, q: Any) -> bool:
    """True if converting `x` to dtype `p` on the way to `q` changes nothing."""
    over, to = dtype_of(p), dtype_of(q)
    if x.dtype == over or "bfloat16" in (x.dtype.name, over.name):
        return False
    exact = bool(np.can_cast(x.dtype, over, "safe"))
    if kind(x.dtype) in "ui" and kind(over) in "fc":  # int64 is rounded; out of range, a float becomes another integer
        exact = exact and x.dtype.itemsize < 8 and (kind(to) not in "ui" or bool(np.can_cast(x.dtype, to, "safe")))
    return exact


def free(x: Value, contract: Axes, batch: Axes) -> Axes:
    """Axes that are neither contracted nor shared."""
    return tuple(i for i in range(x.ndim) if i not in contract and i not in batch)


def turned(x: Value, p: Axes, contract: Axes, batch: Axes) -> tuple[Axes, Axes] | None:
    """The axes of `x` that `contract` and `batch` of `transpose(x, p)` are; None if the result's order would change."""
    rest = [p[i] for i in free(x, contract, batch)]
    return (tuple(p[i] for i in contract), tuple(p[i] for i in batch)) if rest == sorted(rest) else None


def dot_turned_a(x: Value, y: Value, p: Axes, c: tuple[Axes, Axes], b: tuple[Axes, Axes]) -> Any:
    """A transposed left operand, read in place."""
    to = turned(x, p, c[0], b[0])
    return None if to is None else dot_general(x, y, contract=(to[0], c[1]), batch=(to[1], b[1]))


def dot_turned_b(x: Value, y: Value, p: Axes, c: tuple[Axes, Axes], b: tuple[Axes, Axes]) -> Any:
    """A transposed right operand, read in place."""
    to = turned(y, p, c[1], b[1])
    return None if to is None else dot_general(x, y, contract=(c[0], to[0]), batch=(b[0], to[1]))


def dot_swapped(x: Value, y: Value, p: Axes, c: tuple[Axes, Axes], b: tuple[Axes, Axes]) -> Any:
    """A transposed product is the product of the operands in the other order."""
    shared, left, right = len(b[0]), len(free(x, c[0], b[0])), len(free(y, c[1], b[1]))
    end = shared + left + right
    if p != (*range(shared), *range(shared + left, end), *range(shared, shared + left)):
        return None
    return dot_general(y, x, contract=c[::-1], batch=b[::-1])


def broadcast_twice(x: Value, s: Axes, t: Axes) -> Any:
    """One repetition for two."""
    return broadcast_to(x, shape=t)


def move_splat(x: Value, s: Axes, p: Axes) -> Any:
    """A repeated number has no order."""
    return None if x.shape else broadcast_to(x, shape=p)


RULES: tuple[Rewrite, ...] = (
    rewrite("mul one", lambda x: mul(x, 1), lambda x: x),
    rewrite("div one", lambda x: div(x, 1), lambda x: x),
    rewrite("sub zero", lambda x: sub(x, 0), lambda x: x),
    rewrite("add minus zero", lambda x: add(x, -0.0), lambda x: x, lambda x: kind(x.dtype) == "f"),
    rewrite("add zero", lambda x: add(x, 0), lambda x: x, whole),
    rewrite("mul minus one", lambda x: mul(x, -1), lambda x: neg(x)),
    rewrite("neg neg", lambda x: neg(neg(x)), lambda x: x),
    rewrite("add neg", lambda x, y: add(x, neg(y)), lambda x, y: sub(x, y)),
    rewrite("sub neg", lambda x, y: sub(x, neg(y)), lambda x, y: add(x, y)),
    rewrite("mul neg neg", lambda x, y: mul(neg(x), neg(y)), lambda x, y: mul(x, y)),
    rewrite("div neg neg", lambda x, y: div(neg(x), neg(y)), lambda x, y: div(x, y)),
    rewrite("div exact", lambda x, y: div(x, y), lambda x, y: mul(x, number(1 / float(splat(y)), y)), lambda x, y: exact_reciprocal(y)),
    rewrite("square", lambda x: pow_(x, 2), lambda x: mul(x, x)),
    rewrite("pow one", lambda x: pow_(x, 1), lambda x: x),
    rewrite("abs abs", lambda x: abs_(abs_(x)), lambda x: abs_(x)),
    rewrite("abs neg", lambda x: abs_(neg(x)), lambda x: abs_(x), lambda x: kind(x.dtype) == "f"),
    rewrite("maximum same", lambda x: maximum(x, x), lambda x: x),
    rewrite("minimum same", lambda x: minimum(x, x), lambda x: x),
    rewrite("select same", lambda c, x: select(c, x, x), lambda c, x: x),
    rewrite("select not", lambda c, x, y: select(bitwise_not(c), x, y), lambda c, x, y: select(c, y, x)),
    rewrite("select true", lambda c, x, y: select(c, x, y), lambda c, x, y: x, lambda c, x, y: splat(c) is not None and bool(splat(c))),
    rewrite("select false", lambda c, x, y: select(c, x, y), lambda c, x, y: y, lambda c, x, y: splat(c) is not None and not splat(c)),
    rewrite("neg scaled", lambda x, c: neg(mul(x, c)), lambda x, c: mul(x, opposite(c)), lambda x, c: is_scale(c)),
    rewrite("scaled neg", lambda x, c: mul(neg(x), c), lambda x, c: mul(x, opposite(c)), lambda x, c: is_scale(c)),
    rewrite("not not", lambda x: bitwise_not(bitwise_not(x)), lambda x: x),
    rewrite("not eq", lambda x, y: bitwise_not(eq(x, y)), lambda x, y: ne(x, y)),
    rewrite("not ne", lambda x, y: bitwise_not(ne(x, y)), lambda x, y: eq(x, y)),
    rewrite("transpose transpose", lambda x, p, q: transpose(transpose(x, axes=p), axes=q), lambda x, p, q: transpose(x, axes=tuple(p[i] for i in q))),
    rewrite("transpose nothing", lambda x, p: transpose(x, axes=p), lambda x, p: x, lambda x, p: p == tuple(range(len(p)))),
    rewrite("flip flip", lambda x, p: flip(flip(x, axes=p), axes=p), lambda x, p: x),
    rewrite("reshape reshape", lambda x, s, t: reshape(reshape(x, shape=s), shape=t), lambda x, s, t: reshape(x, shape=t)),
    rewrite("reshape nothing", lambda x, s: reshape(x, shape=s), lambda x, s: x),
    rewrite("broadcast broadcast", lambda x, s, t: broadcast_to(broadcast_to(x, shape=s), shape=t), broadcast_twice),
    rewrite("broadcast nothing", lambda x, s: broadcast_to(x, shape=s), lambda x, s: x),
    rewrite("reshape number", lambda x, s, p: reshape(broadcast_to(x, shape=s), shape=p), move_splat),
    rewrite("transpose number", lambda x, s, p: transpose(broadcast_to(x, shape=s), axes=p), lambda x, s, p: move_splat(x, s, tuple(s[i] for i in p))),
    rewrite("slice nothing", lambda x, a, b, s: slice_(x, start=a, stop=b, step=s), lambda x, a, b, s: x, lambda x, a, b, s: set(s) <= {1}),
    rewrite("pad nothing", lambda x, v, a, b, i: pad(x, v, low=a, high=b, interior=i), lambda x, v, a, b, i: x, lambda x, v, a, b, i: not any((*a, *b, *i))),
    rewrite("convert nothing", lambda x, p: convert(x, dtype=p), lambda x, p: x),
    rewrite("convert convert", lambda x, p, q: convert(convert(x, dtype=p), dtype=q), lambda x, p, q: convert(x, dtype=q), lambda x, p, q: keeps(x, p, q) and kind(x.dtype) != "c"),
    rewrite("max of nothing", lambda x: reduce_max(x, axes=()), lambda x: x),
    rewrite("min of nothing", lambda x: reduce_min(x, axes=()), lambda x: x),
    rewrite("dot left turned", lambda x, y, p, c, b: dot_general(transpose(x, axes=p), y, contract=c, batch=b), dot_turned_a),
    rewrite("dot right turned", lambda x, y, p, c, b: dot_general(x, transpose(y, axes=p), contract=c, batch=b), dot_turned_b),
    rewrite("dot turned", lambda x, y, p, c, b: transpose(dot_general(x, y, contract=c, batch=b), axes=p), dot_swapped),
)  # fmt: skip

FINAL: tuple[Rewrite, ...] = (  # once nothing more will be differentiated
    *RULES,
    rewrite("stop gradient", lambda x: stop_gradient(x), lambda x: x),
    rewrite("checkpoint name", lambda x, n: checkpoint_name(x, name=n), lambda x, n: x),
    rewrite("mark", lambda x, d: mark(x, depth=d), lambda x, d: x),
)

FAST: tuple[Rewrite, ...] = (  # these change values: the sign of a zero, a rounding, an overflow; no pipeline has them
    *FINAL,
    rewrite("add any zero", lambda x: add(x, 0), lambda x: x),
    rewrite("sum of nothing", lambda x: reduce_sum(x, axes=()), lambda x: x),
    rewrite("neg sub", lambda x, y: neg(sub(x, y)), lambda x, y: sub(y, x)),
    rewrite("log exp", lambda x: log(exp(x)), lambda x: x),
    rewrite("exp log", lambda x: exp(log(x)), lambda x: x),
    rewrite("exp product", lambda x, y: mul(exp(x), exp(y)), lambda x, y: exp(add(x, y))),
    rewrite("square root", lambda x: pow_(x, 0.5), lambda x: FUNCTIONS["sqrt"](x)),
    rewrite("reciprocal", lambda x: pow_(x, -1), lambda x: div(number(1, x), x)),
)


@deep
def simplify(graph: Graph) -> Graph:
    """Applies RULES until none matches; derivatives of the result are those of the original."""
    return rebuild(graph, RULES)


@deep
def simplify_final(graph: Graph) -> Graph:
    """Applies FINAL and the rules for indexing until none matches: marks and stops go."""
    return rebuild(graph, (*FINAL, *SPARSE))
