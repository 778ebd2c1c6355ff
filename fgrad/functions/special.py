"""PyTorch's torch.special: gamma family, Bessel and Airy functions, error functions, orthogonal polynomials.

All are elementwise; integers become the default float. Some are SciPy's (`pip install "fgrad[scipy]"`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.eager.cell import Cell
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, DtypeError
from fgrad.functions.call import NUMBER, R, binary, compose, floating, same, tensor_of, unary
from fgrad.functions.dtypes import inexact_result
from fgrad.functions.elementary import logit, sinc
from fgrad.functions.inplace import of, of_each
from fgrad.functions.pointwise import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    into,
    lgamma,
    log1p,
    round,
    sigmoid,
    xlogy,
)
from fgrad.functions.reductions import log_softmax, logsumexp, softmax
from fgrad.functions.refusals import floats_only
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.primitives import elementary as e
from fgrad.primitives import polynomials as q

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t", "chebyshev_polynomial_u",
    "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit",
    "expm1", "gammainc", "gammaincc", "gammaln", "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e", "i1", "i1e",
    "laguerre_polynomial_l", "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp",
    "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "multigammaln", "ndtr", "ndtri",
    "polygamma", "psi", "round", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "sinc", "softmax",
    "spherical_bessel_j0", "xlog1py", "xlogy", "zeta",
]  # fmt: skip

Op = Callable[..., Any]


def _real(name: str, x: Any) -> Any:
    """A float tensor; complex ones are refused."""
    if kind(x._type.dtype) == "c":
        raise DtypeError(f'"{name}" not implemented for {x.dtype}', where=caller(), fix="give real numbers")
    return floating(x)


def _unary(name: str, doc: str, prim: str) -> Op:
    def op(input: Any, *, out: Any = None) -> Any:
        return into(out, unary(R[prim], _real(name, input)))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    return op


airy_ai = _unary("airy_ai", "Airy function Ai.", "airy_ai")
bessel_j0 = _unary("bessel_j0", "Bessel function of the first kind, order 0.", "bessel_j0")
bessel_j1 = _unary("bessel_j1", "Bessel function of the first kind, order 1.", "bessel_j1")
bessel_y0 = _unary("bessel_y0", "Bessel function of the second kind, order 0.", "bessel_y0")
bessel_y1 = _unary("bessel_y1", "Bessel function of the second kind, order 1.", "bessel_y1")
i0 = _unary("i0", "Modified Bessel function of the first kind, order 0.", "bessel_i0")
i0e = _unary("i0e", "exp(-|x|) i0(x).", "bessel_i0e")
i1 = _unary("i1", "Modified Bessel function of the first kind, order 1.", "bessel_i1")
i1e = _unary("i1e", "exp(-|x|) i1(x).", "bessel_i1e")
modified_bessel_i0 = _unary("modified_bessel_i0", "Modified Bessel function of the first kind, order 0.", "bessel_i0")
modified_bessel_i1 = _unary("modified_bessel_i1", "Modified Bessel function of the first kind, order 1.", "bessel_i1")
modified_bessel_k0 = _unary("modified_bessel_k0", "Modified Bessel function of the second kind, order 0.", "bessel_k0")
modified_bessel_k1 = _unary("modified_bessel_k1", "Modified Bessel function of the second kind, order 1.", "bessel_k1")
scaled_modified_bessel_k0 = _unary("scaled_modified_bessel_k0", "exp(x) modified_bessel_k0(x).", "bessel_k0e")
scaled_modified_bessel_k1 = _unary("scaled_modified_bessel_k1", "exp(x) modified_bessel_k1(x).", "bessel_k1e")
erfcx = _unary("erfcx", "exp(x^2) erfc(x).", "erfcx")
ndtr = _unary("ndtr", "Distribution function of the normal distribution.", "ndtr")
ndtri = _unary("ndtri", "The x with ndtr(x) = p.", "ndtri")
log_ndtr = _unary("log_ndtr", "log(ndtr(x)).", "log_ndtr")
psi, gammaln, expit = digamma, lgamma, sigmoid


def entr(input: Any, *, out: Any = None) -> Any:
    """-x log x, 0 at 0, -inf below."""
    return into(out, compose(q.entr, _real("entr", input)))


def spherical_bessel_j0(input: Any, *, out: Any = None) -> Any:
    """sin(x) / x, 1 at 0."""
    return into(out, compose(e.spherical_bessel_j0, _real("spherical_bessel_j0", input)))


def xlog1py(input: Any, other: Any, *, out: Any = None) -> Any:
    """input * log(1 + other), 0 where input is 0 (NaN if other is NaN)."""
    return into(out, compose(q.xlog1py, *same((input, other), inexact_result(input, other))))


def zeta(input: Any, other: Any, *, out: Any = None) -> Any:
    """Hurwitz's zeta: the sum over k >= 0 of (other + k)^-input. Only `other` has a derivative."""
    return into(out, binary(R["zeta"], input, other, floating=True))


def gammainc(input: Any, other: Any, *, out: Any = None) -> Any:
    """The regularised lower incomplete gamma function P(input, other). Only `other` has a derivative."""
    floats_only("igamma", input, other)
    return into(out, binary(R["igamma"], input, other, floating=True))


def gammaincc(input: Any, other: Any, *, out: Any = None) -> Any:
    """The regularised upper incomplete gamma function Q(input, other). Only `other` has a derivative."""
    floats_only("igammac", input, other)
    return into(out, binary(R["igammac"], input, other, floating=True))


igamma, igammac = gammainc, gammaincc


def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The n-th derivative of digamma; the method is `x.polygamma(n)`.

    >>> import fgrad
    >>> fgrad.polygamma(1, fgrad.tensor([1.0]))
    tensor([1.6449])
    """
    if n < 0:
        raise ArgumentError("polygamma(n, x) does not support negative n.", where=caller(), fix="use n >= 0")
    x = _real("polygamma", input)
    return into(out, record(type(x)._result, R["polygamma"], (x,), (int(n),)))


def multigammaln(input: Any, p: int, *, out: Any = None) -> Any:
    """log of the multivariate gamma function of dimension `p`, for x > (p - 1) / 2."""
    if kind(input._type.dtype) == "b":
        raise DtypeError("The input tensor may not be a boolean tensor.", where=caller(), fix="convert to numbers")
    if p < 1:
        raise ArgumentError("p has to be greater than or equal to 1", where=caller(), fix="use p >= 1")
    return into(out, compose(q.multigammaln, _real("mvlgamma", input), p=int(p)))


mvlgamma = multigammaln


LIMIT = 64  # degrees of the recurrence where a recording does not know the largest one


def degree_limit(n: Any) -> int:
    """The largest degree: of a tensor that is not yet computed, LIMIT."""
    if not isinstance(n, Cell):
        return int(n)
    a = n._data
    if a is None or not a.size:
        return 0 if a is not None else LIMIT
    most = a.max()
    return int(most) if abs(most) < LIMIT else LIMIT if most != most else int(min(most, 1 << 20))


def _polynomial(name: str, doc: str) -> Op:
    def op(input: Any, n: Any, *, out: Any = None) -> Any:
        like = input if isinstance(input, Cell) else n
        x, degree = (tensor_of(t, like) if t.__class__ in NUMBER else t for t in (input, n))
        x = _real(name, x)
        top = degree_limit(n)
        a, b = same((x, degree))
        return into(out, compose(q.polynomial, a, b, family=name, top=top))

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"{doc} of degree `n` (a number or a tensor of whole numbers), by its recurrence; 0 for n < 0.\n\n    A tensor of degrees that is being recorded may hold up to 64."
    return op


chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", "Chebyshev's polynomial of the first kind")
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", "Chebyshev's polynomial of the second kind")
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", "Chebyshev's polynomial of the third kind")
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", "Chebyshev's polynomial of the fourth kind")
shifted_chebyshev_polynomial_t = _polynomial("shifted_chebyshev_polynomial_t", "Chebyshev's polynomial of the first kind at 2x - 1,")
shifted_chebyshev_polynomial_u = _polynomial("shifted_chebyshev_polynomial_u", "Chebyshev's polynomial of the second kind at 2x - 1,")
shifted_chebyshev_polynomial_v = _polynomial("shifted_chebyshev_polynomial_v", "Chebyshev's polynomial of the third kind at 2x - 1,")
shifted_chebyshev_polynomial_w = _polynomial("shifted_chebyshev_polynomial_w", "Chebyshev's polynomial of the fourth kind at 2x - 1,")
hermite_polynomial_h = _polynomial("hermite_polynomial_h", "Hermite's polynomial of the physicists")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", "Hermite's polynomial of the probabilists")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "Laguerre's polynomial")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "Legendre's polynomial")



class SpecialMethods:
    """Tensor's methods of these functions."""

    __slots__ = ()
    i0, igamma, igammac, mvlgamma = i0, igamma, igammac, mvlgamma
    i0_, igamma_, igammac_, mvlgamma_ = of_each(i0, igamma, igammac, mvlgamma)

    def polygamma(self, n: int) -> Any:
        """polygamma(n, self)."""
        return polygamma(n, self)

    polygamma_ = of(polygamma)
