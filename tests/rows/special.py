"""torch.special."""

from __future__ import annotations

from rows.row import Of, Row

X = ((3, 4),)
EDGES = ("bool",)
SMOOTH = "special.i0 special.i0e special.i1 special.i1e special.erfcx special.ndtr special.log_ndtr special.entr".split()
PLAIN = (  # PyTorch has no derivative of these
    "airy_ai bessel_j0 bessel_j1 modified_bessel_i0 modified_bessel_i1 spherical_bessel_j0"
).split()
POSITIVE = "bessel_y0 bessel_y1 modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1".split()
FAMILIES = (
    "chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w shifted_chebyshev_polynomial_t "
    "shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w hermite_polynomial_h "
    "hermite_polynomial_he laguerre_polynomial_l legendre_polynomial_p"
).split()

ROWS = [
    *(Row(n, X, low=0.1 if n.endswith("entr") else -2.0) for n in SMOOTH),
    *(Row(f"special.{n}", X, grad=False) for n in PLAIN),
    *(Row(f"special.{n}", X, low=0.3, high=4.0, grad=False) for n in POSITIVE),
    Row("special.ndtri", X, low=0.1, high=0.9),
    Row("i0", X),
    *(Row(n, X, low=0.3, high=4.0) for n in ("special.gammaln", "special.digamma", "special.psi")),
    *(Row(f"special.{n}", X) for n in ("expit", "exp2", "expm1", "erf", "erfc", "sinc", "round")),
    Row("special.erfinv", X, low=-0.9, high=0.9),
    Row("special.logit", X, low=0.1, high=0.9),
    Row("special.log1p", X, low=-0.5),
    Row("special.softmax", X, (1,)),
    Row("special.log_softmax", X, (1,)),
    Row("special.logsumexp", X, (1,)),
    Row("special.xlogy", ((3, 4), (4,)), low=0.3),
    Row("special.xlog1py", ((3, 4), (4,)), low=0.3),
    *(Row("polygamma", X, call=lambda t, x, n=n: t.polygamma(n, x), label=str(n), low=0.4, high=4.0) for n in (0, 1, 2, 3)),
    Row("polygamma", X, call=lambda t, x: x.polygamma(2), label="method", low=0.4, high=4.0),
    *(Row(n, X, (p,), label=str(p), low=2.0, high=6.0) for n in ("mvlgamma", "special.multigammaln") for p in (1, 3)),
    Row("special.zeta", ((3, 4), (4,)), low=1.5, high=6.0, grad=False),
    Row("special.zeta", ((4,),), call=lambda t, x: t.special.zeta(t.tensor(2.5, dtype=x.dtype), x), label="q", low=0.5, high=6.0),
    *(Row(f"special.{n}", ((3, 4), (4,)), low=0.5, high=4.0, grad=False) for n in ("gammainc", "gammaincc")),
    Row("special.gammainc", ((4,),), call=lambda t, x: t.special.gammainc(t.tensor(2.5, dtype=x.dtype), x), label="x", low=0.5, high=6.0,
        without=("bool", "int64", "int32", "uint8")),  # two integer tensors apart
    *(Row(f"special.{n}", (*X, Of((4,), high=7)), low=-0.9, high=0.9, grad=False) for n in FAMILIES),
    *(Row(f"special.{n}", X, (4,), label="4", low=-0.9, high=0.9, grad=False) for n in FAMILIES),
]  # fmt: skip
