"""Where fgrad and torch differ on purpose, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from drawn.pen import Case, Operand

# torch says it has no kernel for the dtype, not that the call is wrong: fgrad may compute it.
MISSING = ("not implemented for", "not supported for", "on CPU")


ARITHMETIC = " ".join(
    f"{n} {n}_" for n in "add sub rsub mul div pow eq ne lt le gt ge bitwise_and bitwise_or bitwise_xor fmod remainder floor_divide addcmul clamp where "
    "xlogy copysign float_power".split()
)


class Exception_(NamedTuple):
    names: str
    reason: str
    when: Callable[[Case], bool] = lambda case: True
    zeros: bool = False  # only the signs of zeros are left out
    skip: bool = False

    def holds(self, case: Case) -> bool:
        return (self.names == "*" or case.name.lstrip(".") in self.names.split()) and self.when(case)


def has_nan(case: Case) -> bool:
    return any(isinstance(x, Operand) and x.values.dtype.kind == "f" and bool(np.isnan(x.values).any()) for x in case.args)


def operands(x: Any) -> list[Operand]:
    """Every operand inside arguments."""
    if isinstance(x, Operand):
        return [x]
    return [o for v in x for o in operands(v)] if isinstance(x, tuple | list) else []


def infinite_complex(case: Case) -> bool:
    xs = operands(case.args)
    wide = any(o.dtype.startswith("complex") for o in xs) or any(isinstance(v, complex) for v in case.args)
    return wide and any(o.values.dtype.kind == "f" and not np.isfinite(o.values).all() for o in xs)


def half_complex(case: Case) -> bool:
    kinds = {o.dtype for o in operands(case.args)} | {"complex" for v in case.args if isinstance(v, complex)}
    return "float16" in kinds and any(k.startswith("complex") for k in kinds)


def is_empty(case: Case) -> bool:
    return any(not o.values.size for o in operands(case.args))


def is_complex(case: Case) -> bool:
    return any(o.dtype.startswith("complex") for o in operands(case.args))


def mixed(case: Case) -> bool:
    return len({o.dtype for o in operands(case.args)}) > 1


def has_infinity(case: Case) -> bool:
    return any(isinstance(x, Operand) and bool(np.isinf(x.values).any()) for x in case.args)


def has_minus_infinity(case: Case) -> bool:
    return any(isinstance(x, Operand) and bool((x.values == -np.inf).any()) for x in case.args)


def below_zero(case: Case) -> bool:
    numbers = [v for v in (*case.args, *case.options.values()) if isinstance(v, int) and not isinstance(v, bool)]
    return any(v < 0 for v in numbers) and any(o.dtype == "uint8" for o in operands(case.args))


EXCEPTIONS: tuple[Exception_, ...] = (
    Exception_(ARITHMETIC, "a negative number beside uint8 is refused, torch wraps it without a word", when=below_zero, skip=True),
    Exception_("*", "infinite complex numbers have no agreed arithmetic", when=infinite_complex, skip=True),
    Exception_("*", "fgrad has no complex numbers of two halves", when=half_complex, skip=True),
    Exception_("logcumsumexp", "of real numbers", when=is_complex, skip=True),
    Exception_("ldexp ldexp_", "torch rounds 2^other to the dtype of other, though documented as one product", when=mixed, skip=True),
    Exception_("matmul", "torch compares dtypes, as documented, but not where nothing is multiplied", when=lambda case: mixed(case) and is_empty(case),
               skip=True),
    Exception_("nn.functional.gelu", "torch's vector loop gives NaN for +inf", when=has_infinity, skip=True),
    Exception_("nn.functional.hardswish", "0 for x <= -3, as documented: torch's -inf * 0 is NaN", when=has_minus_infinity, skip=True),
    Exception_("relu relu_ relu6 hardtanh clamp clamp_ maximum minimum fmax fmin amax amin aminmax max min softshrink hardswish nn.functional.relu "
               "nn.functional.relu6 nn.functional.hardtanh nn.functional.softshrink nn.functional.hardswish nn.functional.hardsigmoid",
               "which of 0.0 and -0.0 is larger is not defined, and torch's vector and scalar loops answer differently", zeros=True),
    Exception_("addmm baddbmm addbmm addmv addr matmul mm bmm mv dot inner vdot einsum tensordot sum nansum mean nanmean cumsum nn.functional.linear "
               "nn.functional.conv1d nn.functional.conv2d nn.functional.conv3d nn.functional.conv_transpose1d nn.functional.conv_transpose2d",
               "a sum of signed zeros depends on its order", zeros=True),
    Exception_("signbit copysign copysign_", "the sign of a NaN is not defined, and conversions lose it", when=has_nan, skip=True),
    Exception_("sign sgn sign_ sgn_", "the sign of NaN is NaN, as in NumPy and JAX; torch's documentation does not say that it is 0", when=has_nan,
               skip=True),
    Exception_("sign sgn sign_ sgn_", "the sign of 0 is 0, of either sign: torch's depends on the dtype", zeros=True),
)  # fmt: skip
