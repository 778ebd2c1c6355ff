"""scipy.fft: cosine transforms (the second type and its inverse), by FFTs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import fgrad.numpy as jnp
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller

__all__ = ["dct", "dctn", "idct", "idctn"]


def _checked(type: int, norm: str | None) -> None:
    if type != 2:
        raise ArgumentError(f"cosine transforms of type {type}", where=caller(), fix="use type=2")
    if norm not in (None, "backward", "ortho"):
        raise ArgumentError(f"norm={norm!r}", where=caller(), fix="use None or 'ortho'")


def _sized(x: Any, n: int | None, axis: int) -> Any:
    """`x` cut or filled with zeros to n elements along the last axis, `axis` moved there."""
    a = jnp.moveaxis(jnp.asarray(x), axis, -1)
    a = a if jnp.issubdtype(a.dtype, jnp.floating) else a.astype(float)
    if n is None or n == a.shape[-1]:
        return a
    return a[..., :n] if n < a.shape[-1] else jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, n - a.shape[-1])])


def _scales(n: int, dtype: Any) -> Any:
    """What ortho multiplies a transform by."""
    return jnp.asarray([math.sqrt(1 / ((4 if i == 0 else 2) * n)) for i in range(n)], dtype)


def dct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """2 times the sum over k of x_k cos(pi j (2k + 1) / (2n)), for each j; norm="ortho": orthonormal.

    >>> import fgrad, fgrad.numpy as jnp
    >>> fgrad.scipy.fft.dct(jnp.ones(4)).round(4)
    Array([8., 0., 0., 0.], dtype=float32)
    """
    _checked(type, norm)
    a = _sized(x, n, axis)
    size = a.shape[-1]
    order = jnp.concatenate([a[..., ::2], a[..., 1::2][..., ::-1]], axis=-1)
    turn = jnp.arange(size).astype(a.dtype) * (math.pi / (2 * size))
    f = jnp.fft.fft(order)
    y = 2 * (jnp.real(f) * jnp.cos(turn) + jnp.imag(f) * jnp.sin(turn))
    y = y * _scales(size, y.dtype) if norm == "ortho" else y
    return jnp.moveaxis(y.astype(a.dtype), -1, axis)


def idct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of dct."""
    _checked(type, norm)
    a = _sized(x, n, axis)
    size = a.shape[-1]
    a = a / _scales(size, a.dtype) if norm == "ortho" else a
    turn = jnp.arange(size).astype(a.dtype) * (math.pi / (2 * size))
    back = jnp.concatenate([jnp.zeros_like(a[..., :1]), a[..., 1:][..., ::-1]], axis=-1)
    f = (a - 1j * back) * (jnp.cos(turn) + 1j * jnp.sin(turn)) * 0.5
    v = jnp.real(jnp.fft.ifft(f))
    half = (size + 1) // 2
    first, second = v[..., :half], v[..., half:][..., ::-1]
    if size % 2:
        second = jnp.concatenate([second, jnp.zeros_like(first[..., :1])], axis=-1)
    y = jnp.stack([first, second], axis=-1).reshape(*v.shape[:-1], -1)[..., :size]
    return jnp.moveaxis(y.astype(a.dtype), -1, axis)


def _each(f: Any, x: Any, type: int, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str | None) -> Any:
    a = jnp.asarray(x)
    over = tuple(range(a.ndim)) if axes is None else tuple(axes)
    for i, axis in enumerate(over if axes is not None or s is None else over[-len(s) :]):
        a = f(a, type, None if s is None else s[i], axis, norm)
    return a


def dctn(x: Any, type: int = 2, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """dct along each of the axes (all)."""
    return _each(dct, x, type, s, axes, norm)


def idctn(x: Any, type: int = 2, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """idct along each of the axes (all)."""
    return _each(idct, x, type, s, axes, norm)
