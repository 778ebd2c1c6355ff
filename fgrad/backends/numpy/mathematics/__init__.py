"""Functions of numbers as machine code, by the names that scalar bodies call."""

from __future__ import annotations

from collections.abc import Callable

from fgrad.backends.numpy import functions
from fgrad.backends.numpy.asm import E
from fgrad.backends.numpy.mathematics import errors, hyperbolic, inverse, powers, series, trigonometry

FUNCTIONS: dict[str, Callable[..., E]] = {
    **functions.FUNCTIONS,
    "sin": trigonometry.sin,
    "cos": trigonometry.cos,
    "tan": trigonometry.tan,
    "asin": inverse.asin,
    "acos": inverse.acos,
    "atan": inverse.atan,
    "atan2": inverse.atan2,
    "sinh": hyperbolic.sinh,
    "cosh": hyperbolic.cosh,
    "asinh": hyperbolic.asinh,
    "acosh": hyperbolic.acosh,
    "atanh": hyperbolic.atanh,
    "pow": powers.power,
    "cbrt": powers.cbrt,
    "hypot": powers.hypot,
    "erfc": errors.erfc,
    "erfinv": errors.erfinv,
    "lgamma": series.lgamma,
    "digamma": series.digamma,
    "polygamma": series.polygamma,
}
