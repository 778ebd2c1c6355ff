"""Rows of the table of primitives: transforms, searches, special functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from primitive_case import A, Case, Of, unary


def scipy_special(name: str, **given: Any) -> Callable[..., Any]:
    """A reference that asks SciPy when it is called."""
    return lambda *xs: getattr(importlib.import_module("scipy.special"), name)(*xs, **given)


def borne(name: str, *whole: int) -> Callable[..., Any]:
    """SciPy's function of finite numbers below 1e6, NaN elsewhere: it warns or crashes there."""

    def reference(*xs: Any) -> Any:
        ok = np.all([np.isfinite(x) & (np.abs(x) < 1e6) & ((np.floor(x) == x) | (i not in whole)) for i, x in enumerate(xs)], axis=0)
        return np.where(ok, scipy_special(name)(*[np.where(ok, x, 1.0) for x in xs]), np.nan)

    return reference


SPECIAL_FUNCTIONS = [
    *(unary(f"bessel_{n}", scipy_special(n), -4, 4) for n in ("j0", "j1", "i0", "i1")),
    *(unary(f"bessel_{n}", scipy_special(n), 0.3, 4) for n in ("y0", "y1", "k0", "k1", "k0e", "k1e", "i0e", "i1e")),
    unary("airy_ai", lambda x: scipy_special("airy")(x)[0]),
    unary("airy_ai_prime", lambda x: scipy_special("airy")(x)[1]),
    *(unary(n, scipy_special(n)) for n in ("erfcx", "ndtr", "log_ndtr")),
    unary("ndtri", scipy_special("ndtri"), 0.1, 0.9),
    *(Case(n, scipy_special(f), (Of(A, 0.5, 4), Of(A, 0.5, 4)), derivative=False) for n, f in (("igamma", "gammainc"), ("igammac", "gammaincc"))),
    *(unary(n, scipy_special(n), 0.3, 3) for n in ("exp1", "expi", "dawsn", "spence")),
    *(unary(n, lambda x, i=i: scipy_special("fresnel")(x)[i]) for i, n in enumerate(("fresnel_s", "fresnel_c"))),
    unary("sine_integral", lambda x: scipy_special("sici")(x)[0]),
    unary("cosine_integral", lambda x: scipy_special("sici")(x)[1], 0.3, 4),
    Case("igammainv", scipy_special("gammaincinv"), (Of(A, 0.5, 4), Of(A, 0.1, 0.9)), derivative=False),
    Case("betaincinv", scipy_special("betaincinv"), (Of(A, 0.5, 4), Of(A, 0.5, 4), Of(A, 0.1, 0.9)), derivative=False),
    Case("expn", borne("expn", 0), (Of(A, 3, 3), Of(A, 0.2, 3)), derivative=False),
    Case("bessel_jv", scipy_special("jv"), (Of(A, 2, 2), Of(A, 0.2, 6)), derivative=False),
    Case("owens_t", scipy_special("owens_t"), (Of(A), Of(A))),
    Case("hyp1f1", borne("hyp1f1"), (Of(A, 0.5, 2), Of(A, 1, 3), Of(A, -3, 3)), derivative=False),
    Case("hyp2f1", borne("hyp2f1"), (Of(A, 0.5, 2), Of(A, 0.5, 2), Of(A, 1, 3), Of(A, -0.9, 0.8)), derivative=False),
    unary("wofz", scipy_special("wofz"), kinds="c", derivative=False),
]

SEARCH = [
    Case(
        "searchsorted", lambda a, v, right: np.stack([np.searchsorted(np.sort(r), k, "right" if right else "left") for r, k in zip(a, v)]),
        (Of((2, 1)), Of((2, 3))), {"right": False}, "buif", derivative=False, cast=False, without=("float16", "bfloat16"),
    ),
]  # fmt: skip

FOURIER = [
    Case("fft", lambda x, axes, inverse: np.fft.fftn(x, axes=axes), (Of((3, 4, 5)),), {"axes": (0, 2), "inverse": False}, "c", derivative=False),
    Case("fft", lambda x, axes, inverse: np.fft.ifftn(x, axes=axes), (Of((3, 4)),), {"axes": (1,), "inverse": True}, "c", "inverse", derivative=False),
    Case("rfft", np.fft.rfftn, (Of((3, 6)),), {"axes": (0, 1)}, "f", derivative=False, cast=False, without=("float16", "bfloat16")),
    Case("rfft", np.fft.rfftn, (Of((5, 3)),), {"axes": (0,)}, "f", "odd", derivative=False, cast=False, without=("float16", "bfloat16")),
    Case("irfft", lambda x, axes, n: np.fft.irfftn(x, (3, n), axes), (Of((3, 4)),), {"axes": (0, 1), "n": 6}, "c", derivative=False, cast=False),
    Case("irfft", lambda x, axes, n: np.fft.irfft(x, n, axes[0]), (Of((4, 3)),), {"axes": (0,), "n": 7}, "c", "odd", derivative=False, cast=False),
]  # fmt: skip

MORE: list[Case] = [*SEARCH, *SPECIAL_FUNCTIONS, *FOURIER]
