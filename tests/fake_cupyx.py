"""The rest of the stand-in for CuPy: transforms, searches, and its copy of SciPy's special functions."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
from fake_cupy import here, ndarray, ones, plain, zeros


def zeros_like(a: ndarray) -> ndarray:
    return zeros(a.shape, a.dtype)


def ones_like(a: ndarray) -> ndarray:
    return ones(a.shape, a.dtype)


def _as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    return x._shown(np.lib.stride_tricks.as_strided(x._a, shape, strides))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


def _transform(name: str) -> Any:
    def call(a: ndarray, s: Any = None, axes: Any = None) -> ndarray:
        here(a)
        return ndarray(np.asarray(getattr(np.fft, name)(a._a, s, axes)))

    return call


fft = SimpleNamespace(**{n: _transform(n) for n in ("fftn", "ifftn", "rfftn", "irfftn")})


def frexp(a: ndarray) -> tuple[ndarray, ndarray]:
    here(a)
    return tuple(ndarray(np.asarray(x)) for x in np.frexp(a._a))  # type: ignore[return-value]


def searchsorted(a: ndarray, v: ndarray, side: str = "left") -> ndarray:
    here(a, v)
    return ndarray(np.asarray(np.searchsorted(a._a, v._a, side)))


def _matrices(name: str) -> Any:
    def call(*xs: ndarray, **options: Any) -> Any:
        here(*xs)
        ys = getattr(np.linalg, name)(*[x._a for x in xs], **options)
        return tuple([ndarray(np.asarray(y)) for y in ys]) if isinstance(ys, tuple) else ndarray(np.asarray(ys))

    return call


linalg = SimpleNamespace(**{n: _matrices(n) for n in "cholesky det eig eigh eigvals eigvalsh inv qr slogdet solve svd".split()})


def eye(N: int, dtype: Any = float) -> ndarray:
    return ndarray(np.eye(N, dtype=dtype))


def tril(m: ndarray, k: int = 0) -> ndarray:
    here(m)
    return ndarray(np.tril(m._a, k))


def triu(m: ndarray, k: int = 0) -> ndarray:
    here(m)
    return ndarray(np.triu(m._a, k))


def _of_scipy(name: str) -> Any:
    def call(*xs: Any) -> ndarray:
        here(*xs)
        with np.errstate(all="ignore"):
            return ndarray(np.asarray(getattr(importlib.import_module("scipy.special"), name)(*map(plain, xs))))

    return call


special = SimpleNamespace(
    **{n: _of_scipy(n) for n in "j0 j1 y0 y1 i0 i0e i1 i1e k0 k0e k1 k1e erfcx ndtr ndtri log_ndtr gammainc gammaincc exp1 expi gammaincinv betaincinv".split()}
)
