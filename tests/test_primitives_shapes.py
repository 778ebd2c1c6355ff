"""Shape operations and reductions on random shapes and axes, against NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from evaluate import evaluate
from hypothesis import given, settings
from hypothesis import strategies as st
from primitive_references import pad_reference

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import type_of_array
from fgrad.transforms.inline import trace
from fgrad.transforms.jvp import push
from fgrad.transforms.vjp import pull

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None)
shapes = st.lists(st.integers(0, 4), min_size=0, max_size=4).map(tuple)


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.asarray(np.random.default_rng(seed).integers(-9, 9, shape), float)


def check(name: str, want: Any, *xs: Any, **params: Any) -> None:
    """The value, and that pull is the transpose of push (exact: all numbers are small integers)."""

    def f(*vs: Any) -> Any:
        xs_, ts, ct = vs[:k], vs[k : 2 * k], vs[-1]
        y = FUNCTIONS[name](*xs_, **params)
        t = push([y], dict(zip(xs_, ts, strict=True)))[0]
        cs = pull([y], [ct], list(xs_))
        return (y, t, *cs)

    k = len(xs)
    ts = [numbers(*x.shape, seed=i + 1) for i, x in enumerate(xs)]
    ct = numbers(*want.shape, seed=99)
    y, t, *cs = evaluate(trace(f, *map(type_of_array, [*xs, *ts, ct])), *xs, *ts, ct)
    np.testing.assert_array_equal(y, want)
    assert (t * ct).sum() == sum((a * b).sum() for a, b in zip(cs, ts, strict=True))


@quick
@given(shapes, st.data())
def test_transpose_and_flip(shape: tuple[int, ...], data: Any) -> None:
    x = numbers(*shape)
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    check("transpose", x.transpose(axes), x, axes=axes)
    some = axes[: data.draw(st.integers(0, len(axes)))]
    check("flip", np.flip(x, some), x, axes=some)


@quick
@given(shapes, st.data())
def test_reshape_and_broadcast(shape: tuple[int, ...], data: Any) -> None:
    x = numbers(*shape)
    check("reshape", x.reshape(-1), x, shape=(x.size,))
    check("reshape", x.reshape(1, *shape), x, shape=(1, *shape))
    thin = tuple(1 if data.draw(st.booleans()) else d for d in shape)[data.draw(st.integers(0, len(shape))) :]
    y = numbers(*thin)
    check("broadcast_to", np.broadcast_to(y, shape), y, shape=shape)


@quick
@given(shapes, st.data())
def test_slice_and_update(shape: tuple[int, ...], data: Any) -> None:
    x = numbers(*shape)
    start = tuple(data.draw(st.integers(0, d)) for d in shape)
    stop = tuple(data.draw(st.integers(a, d)) for a, d in zip(start, shape, strict=True))
    step = tuple(data.draw(st.integers(1, 3)) for _ in shape)
    cut = (*map(slice, start, stop, step), ...)
    check("slice", x[cut], x, start=start, stop=stop, step=step)
    y, want = numbers(*x[cut].shape, seed=5), x.copy()
    want[cut] = y
    check("update_slice", want, x, y, start=start, step=step)


@quick
@given(shapes, st.data())
def test_pad(shape: tuple[int, ...], data: Any) -> None:
    x, value = numbers(*[d + 1 for d in shape]), numbers(seed=3)
    interior = tuple(data.draw(st.integers(0, 2)) for _ in shape)
    low, high = [], []
    for d, i in zip(x.shape, interior, strict=True):
        length = d + (d - 1) * i
        low.append(data.draw(st.integers(-length, 3)))
        high.append(data.draw(st.integers(-min(length + low[-1], length), 3)))
    params = {"low": tuple(low), "high": tuple(high), "interior": interior}
    check("pad", pad_reference(x, value, **params), x, value, **params)


@quick
@given(shapes.filter(len), st.data())
def test_concatenate(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    xs = [numbers(*shape[:axis], n, *shape[axis + 1 :], seed=i) for i, n in enumerate(lengths)]
    check("concatenate", np.concatenate(xs, axis), *xs, axis=axis)


@quick
@given(shapes, st.data())
def test_reductions(shape: tuple[int, ...], data: Any) -> None:
    x = numbers(*shape)
    axes = tuple(a for a in range(len(shape)) if data.draw(st.booleans()))
    check("reduce_sum", x.sum(axes), x, axes=axes)
    for name, f in (("reduce_max", np.max), ("reduce_min", np.min)):
        if math.prod(shape[a] for a in axes):
            g = trace(lambda v, name=name: FUNCTIONS[name](v, axes=axes), type_of_array(x))
            np.testing.assert_array_equal(evaluate(g, x)[0], f(x, axis=axes))
    check("reduce_prod", np.prod(x, axis=axes), x, axes=axes)
    for axis in axes[:1]:
        check("cumsum", np.cumsum(x, axis), x, axis=axis)
        check("cumprod", np.cumprod(x, axis), x, axis=axis)


@quick
@given(st.data())
def test_matmul(data: Any) -> None:
    m, k, n = (data.draw(st.integers(0, 4)) for _ in range(3))
    lead = data.draw(st.lists(st.integers(1, 3), max_size=2))
    a = numbers(*[1 if data.draw(st.booleans()) else d for d in lead], m, k)
    b = numbers(*lead[data.draw(st.integers(0, len(lead))) :], k, n, seed=1)
    if data.draw(st.booleans()):
        a = a[..., 0, :] if m and a.ndim == 2 else a
    if data.draw(st.booleans()):
        b = b[..., 0] if n and b.ndim == 2 else b
    check("matmul", np.matmul(a, b), a, b)
