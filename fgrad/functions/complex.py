"""PyTorch's functions of complex numbers. Nothing is conjugated lazily: a conjugate is computed, a part is a copy."""

from __future__ import annotations

import math
from typing import Any

from fgrad import tree
from fgrad.eager.casting import full_precision
from fgrad.errors import DtypeError, ShapeError
from fgrad.functions.call import R, binary, compose, floating, same, unary
from fgrad.functions.pointwise import into
from fgrad.functions.shape import select, stack
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import kind
from fgrad.ir.graph import Value
from fgrad.primitives.compare import lt, ne
from fgrad.primitives.compare import select as choose
from fgrad.primitives.complex import complex_ as join
from fgrad.primitives.complex import imag as imag_part
from fgrad.primitives.complex import real as real_part
from fgrad.primitives.shape import number
from fgrad.primitives.transcendental import atan2, cos, sin

__all__ = [
    "angle", "complex", "conj", "conj_physical", "imag", "is_complex", "is_conj", "is_neg", "polar", "real", "resolve_conj",
    "resolve_neg", "view_as_complex", "view_as_real",
]  # fmt: skip


def is_complex(input: Any) -> bool:
    """True for a tensor of complex numbers."""
    return kind(input._type.dtype) == "c"


def mirrored(cotangents: Any) -> Any:
    """A tree of cotangents between the engine's convention and PyTorch's: for complex numbers one is the conjugate of the other."""
    leaves, spec = tree.flatten(cotangents)
    return tree.restore(spec, [conj(x) if is_complex(x) else x for x in leaves])


def real(input: Any) -> Any:
    """The real parts; a real tensor itself."""
    return unary(R["real"], input) if is_complex(input) else input


def imag(input: Any) -> Any:
    """The imaginary parts of a complex tensor."""
    if not is_complex(input):
        raise DtypeError("imag is not implemented for tensors with non-complex dtypes.", where=caller(), fix="convert to a complex dtype")
    return unary(R["imag"], input)


def conj(input: Any) -> Any:
    """The conjugates; a real tensor itself.

    >>> import fgrad
    >>> fgrad.conj(fgrad.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return unary(R["conj"], input) if is_complex(input) else input


def conj_physical(input: Any, *, out: Any = None) -> Any:
    """`conj`, as a new tensor."""
    return into(out, conj(input))


def resolve_conj(input: Any) -> Any:
    """The tensor itself: no conjugate is ever pending."""
    return input


resolve_neg = resolve_conj


def is_conj(input: Any) -> bool:
    """False: no conjugate is ever pending."""
    return False


is_neg = is_conj


def _angle(x: Value) -> Any:
    if kind(x.dtype) == "c":
        return atan2(imag_part(x), real_part(x))
    turned = choose(lt(x, number(0, x)), number(math.pi, x), number(0, x))
    return choose(ne(x, x), x, turned)


def angle(input: Any, *, out: Any = None) -> Any:
    """The argument in radians; of real numbers 0, or pi if they are negative."""
    return into(out, compose(_angle, floating(input)))


def _floats(name: str, x: Any, y: Any) -> tuple[Any, Any]:
    if x._type.dtype != y._type.dtype or x._type.dtype.name not in ("float32", "float64"):
        raise DtypeError(f"Expected both inputs to be Float or Double tensors of one dtype but got {x.dtype} and {y.dtype}",
                         where=caller(), fix=f"convert the operands of {name}")  # fmt: skip
    return x, y


def complex(real: Any, imag: Any, *, out: Any = None) -> Any:  # noqa: A001  # PyTorch's name
    """`real + i imag` of two float tensors that broadcast.

    >>> import fgrad
    >>> fgrad.complex(fgrad.tensor([1.0]), fgrad.tensor([-2.0]))
    tensor([1.-2.j])
    """
    return into(out, binary(R["complex"], *_floats("complex", real, imag)))


def _polar(r: Value, phi: Value) -> Any:
    return join(r * cos(phi), r * sin(phi))


@full_precision("cpu")
def polar(abs: Any, angle: Any, *, out: Any = None) -> Any:  # PyTorch's name
    """`abs * (cos(angle) + i sin(angle))`."""
    return into(out, compose(_polar, *same(_floats("polar", abs, angle))))


def view_as_real(input: Any) -> Any:
    """float[..., 2] of the real and imaginary parts of complex[...]."""
    return stack((real(input), imag(input)), -1)


@full_precision("cpu")
def view_as_complex(input: Any) -> Any:
    """complex[...] of the pairs in the last axis of float[..., 2]."""
    if not input._type.ndim or input._type.shape[-1] != 2:
        raise ShapeError(f"Tensor must have a last dimension of size 2, got {input._type}", where=caller(),
                         fix="put the real and imaginary parts in the last dimension")  # fmt: skip
    return complex(select(input, -1, 0), select(input, -1, 1))


class ComplexMethods:
    """Tensor's methods and properties of complex numbers."""

    __slots__ = ()
    real, imag = property(real), property(imag)
    H = property(lambda self: self if self._type.ndim == 0 else conj(self).t())
    mH = property(lambda self: conj(self).mT)  # noqa: N815  # PyTorch's name
    conj, conj_physical, resolve_conj, resolve_neg, is_conj, is_neg = conj, conj_physical, resolve_conj, resolve_neg, is_conj, is_neg
    angle, adjoint = angle, lambda self: conj(self).mT
