"""What each primitive computes, said plainly in NumPy: loops and definitions, not speed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def power(x: Any, y: Any) -> Any:
    if x.dtype.kind != "i":
        return x**y
    return np.trunc(x.astype(float) ** y.astype(float)).astype("int64")


def erfinv(y: Any) -> Any:
    """Bisection of math.erf."""
    low, high = np.full(y.shape, -6.0), np.full(y.shape, 6.0)
    for _ in range(80):
        middle = (low + high) / 2
        below = np.vectorize(math.erf)(middle) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


def digamma(x: Any) -> Any:
    """200 steps of the recurrence, then the first terms of the asymptotic series."""
    z = x + 200
    far = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4)
    return far - sum(1 / (x + k) for k in range(200))


def trigamma(x: Any) -> Any:
    z = x + 200
    return 1 / z + 1 / (2 * z**2) + 1 / (6 * z**3) - 1 / (30 * z**5) + sum(1 / (x + k) ** 2 for k in range(200))


def pad_reference(x: Any, value: Any, *, low: Any, high: Any, interior: Any) -> Any:
    for axis in range(x.ndim):
        d = x.shape[axis]
        lines = []
        for i in range(d):
            lines.append(np.take(x, [i], axis))
            if i < d - 1:
                lines += [np.full_like(lines[0], value)] * interior[axis]
        lines = (
            [np.full_like(lines[0], value)] * max(low[axis], 0)
            + lines
            + [np.full_like(lines[0], value)] * max(high[axis], 0)
        )
        stop = len(lines) + min(high[axis], 0)
        nothing = np.take(x, range(0), axis)
        x = np.concatenate([nothing, *lines[max(-low[axis], 0) : stop]], axis)
    return x


def strided_write(x: Any, y: Any, *, start: Any, step: Any) -> Any:
    x = x.copy()
    x[tuple(slice(a, a + s * n, s) for a, s, n in zip(start, step, y.shape, strict=True))] = y
    return x


def cumulate(f: Any) -> Any:
    def reference(x: Any, *, axis: int, reverse: bool) -> Any:
        x = np.flip(x, axis) if reverse else x
        y = f.accumulate(x, axis, dtype=x.dtype)
        return np.flip(y, axis) if reverse else y

    return reference


def reducer(f: Any) -> Any:
    return lambda x, axes: f(x, axis=axes)


def sort_reference(*xs: Any, axis: int, num_keys: int, descending: bool) -> Any:
    out = [np.empty_like(x) for x in xs]
    for where in np.ndindex(*[1 if i == axis else d for i, d in enumerate(xs[0].shape)]):
        line = tuple(slice(None) if i == axis else k for i, k in enumerate(where))
        rows = list(zip(*[x[line] for x in xs], strict=True))
        rows.sort(key=lambda r: r[:num_keys], reverse=descending)  # Python's reverse sort is stable too
        for o, column in zip(out, zip(*rows, strict=True), strict=True):
            o[line] = column
    return tuple(out)


def top_reference(x: Any, *, k: int, axis: int, largest: bool) -> Any:
    order = np.argsort(-x if largest else x, axis=axis, kind="stable").take(range(k), axis)
    return np.take_along_axis(x, order, axis), order


def normal(x: Any, indices: Any, axes: Any, mode: str) -> tuple[Any, Any]:
    found, valid = [], np.ones(indices[0].shape, bool)
    for i, a in zip(indices, axes, strict=True):
        i = np.where(i < 0, i + x.shape[a], i)
        valid &= (i >= 0) & (i < x.shape[a])
        found.append(np.clip(i, 0, x.shape[a] - 1))
    return found, valid if mode in ("fill", "drop") else np.ones_like(valid)


def gather_reference(x: Any, *indices: Any, axes: Any, mode: str) -> Any:
    found, valid = normal(x, indices, axes, mode)
    rest = [d for i, d in enumerate(x.shape) if i not in axes]
    y = np.zeros((*indices[0].shape, *rest), x.dtype)
    for at in np.ndindex(*indices[0].shape):
        if valid[at]:
            place = [slice(None)] * x.ndim
            for i, a in zip(found, axes, strict=True):
                place[a] = i[at]
            y[at] = x[tuple(place)]
    return y


def scatter_reference(x: Any, updates: Any, *indices: Any, axes: Any, op: str, mode: str) -> Any:
    found, valid = normal(x, indices, axes, mode)
    y = x.copy()
    f = {"set": lambda a, b: b, "add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}[op]
    for at in np.ndindex(*indices[0].shape):
        if valid[at]:
            place = [slice(None)] * x.ndim
            for i, a in zip(found, axes, strict=True):
                place[a] = i[at]
            y[tuple(place)] = f(y[tuple(place)], updates[at])
    return y


def clamped(x: Any, starts: Any, sizes: Any) -> Any:
    firsts = [min(max(int(s), 0), d - n) for s, d, n in zip(starts, x.shape, sizes, strict=True)]
    return tuple(slice(a, a + n) for a, n in zip(firsts, sizes, strict=True))


def dynamic_update(x: Any, y: Any, *starts: Any) -> Any:
    x = x.copy()
    x[clamped(x, starts, y.shape)] = y
    return x


def dot_reference(a: Any, b: Any, *, contract: Any, batch: Any) -> Any:
    left, right = list(range(a.ndim)), list(range(10, 10 + b.ndim))
    for i, j in (*zip(*contract, strict=True), *zip(*batch, strict=True)):
        right[j] = left[i]
    out = [left[i] for i in batch[0]] + [k for k in left if k not in right]
    out += [k for k in right if k not in left]
    return np.einsum(a, left, b, right, out)


def dilate(x: Any, dilation: Any) -> Any:
    lead = x.ndim - len(dilation)
    y = np.zeros((*x.shape[:lead], *[(d - 1) * s + 1 for d, s in zip(x.shape[lead:], dilation, strict=True)]), x.dtype)
    y[(..., *[slice(None, None, s) for s in dilation])] = x
    return y


def conv_reference(x: Any, w: Any, *, stride: Any, padding: Any, x_dilation: Any, w_dilation: Any, groups: int) -> Any:
    x, w = dilate(x, x_dilation), dilate(w, w_dilation)
    x = np.pad(x, [(0, 0), (0, 0), *[(max(a, 0), max(b, 0)) for a, b in padding]])
    x = x[(..., *[slice(max(-a, 0), d - max(-b, 0)) for (a, b), d in zip(padding, x.shape[2:], strict=True)])]
    rank = len(stride)
    windows = sliding_window_view(x, w.shape[2:], axis=tuple(range(2, 2 + rank)))
    windows = windows[(slice(None), slice(None), *[slice(None, None, s) for s in stride])]
    n, c, out = windows.shape[0], windows.shape[1] // groups, windows.shape[2 : 2 + rank]
    windows = windows.reshape(n, groups, c, math.prod(out), -1)
    kernels = w.reshape(groups, w.shape[0] // groups, c, -1)
    return np.einsum("ngcpk,gock->ngop", windows, kernels).reshape(n, w.shape[0], *out)


def linear_transpose(f: Any, shape: Any, ct: Any) -> Any:
    """The transpose of a linear function of a small array, from its values at the unit vectors."""
    y = np.zeros(math.prod(shape), ct.dtype)
    for i in range(y.size):
        unit = np.zeros(y.size, ct.dtype)
        unit[i] = 1
        y[i] = (f(unit.reshape(shape)) * ct).sum(dtype=ct.dtype)
    return y.reshape(shape)


def windows_of(x: Any, fill: Any, *, window: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """All windows, their elements on one last axis."""
    x = np.pad(x, padding, constant_values=fill)
    spans = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    y = sliding_window_view(x, spans)[tuple(slice(None, None, s) for s in stride)]
    y = y[(..., *[slice(None, None, d) for d in dilation])]
    return y.reshape(*y.shape[: x.ndim], -1)


def lowest(x: Any) -> Any:
    return -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min if x.dtype.kind in "iu" else False


def window_max(x: Any, **params: Any) -> Any:
    return windows_of(x, lowest(x), **params).max(axis=-1)


def window_push(dx: Any, x: Any, **params: Any) -> Any:
    first = windows_of(x, -np.inf, **params).argmax(axis=-1)[..., None]
    return np.take_along_axis(windows_of(dx, 0, **params), first, -1)[..., 0]


def window_pull(ct: Any, x: Any, **params: Any) -> Any:
    return linear_transpose(lambda dx: window_push(dx, x, **params), x.shape, ct)


def window_sum(x: Any, **params: Any) -> Any:
    return windows_of(x, 0, **params).sum(axis=-1, dtype=x.dtype)


def window_sum_pull(ct: Any, *, x_shape: Any, **params: Any) -> Any:
    return linear_transpose(lambda x: window_sum(x, **params), x_shape, ct)


def philox_block(block: int, key: Any) -> list[int]:
    """Philox4x32-10 of one counter (block, 0) in Python integers."""
    c, k = [block & 0xFFFFFFFF, block >> 32 & 0xFFFFFFFF, 0, 0], [int(key[0]), int(key[1])]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def bits_reference(key: Any, offset: Any, *, shape: Any) -> Any:
    n = math.prod(shape)
    words = [w for i in range(-(-n // 4)) for w in philox_block(int(offset) + i, key)]
    return np.array(words[:n], "uint64").reshape(shape)
