"""Transcendental functions as machine code: range reduction and polynomials, special values exact.

Polynomials are Chebyshev fits of degree chosen for an error below a tenth of a rounding. Bounds measured against
float64 (float32) and 60-digit arithmetic (float64) in tests/test_backends_numpy_functions.py.
Source: Cody & Waite 1980 (range reduction); the logarithm through s = f / (2 + f) is Tang 1990, ACM TOMS 16(4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fgrad.backends.numpy.asm import NBYTES, E
from fgrad.backends.numpy.jit import wide

if TYPE_CHECKING:
    from fgrad.backends.numpy.machine import LLVM
else:
    LLVM = Any

LOG2E = 1.4426950408889634
LN2 = {"float32": (0.693359375, -0.00021219444005469057), "float64": (0.6931471803691238, 1.9082149292705877e-10)}
EXP = {
    "float32": (0.0001989198131397769, 0.0013934541928270264, 0.008333310024225292, 0.04166645680967788,
                0.16666666682534356, 0.5000000014286223),
    "float64": (2.0915442297780116e-09, 2.5106274733573296e-08, 2.75572718102198e-07, 2.755725283351691e-06,
                2.4801587327007187e-05, 0.00019841269876864356, 0.0013888888888883327, 0.008333333333325544,
                0.04166666666666667, 0.1666666666666667, 0.5),
}  # fmt: skip
LOG = {
    "float32": (0.23353427603651186, 0.2854996859130847, 0.4000012942695626, 0.6666666654512713),
    "float64": (0.14643628601909797, 0.15329500754204178, 0.18182956608063458, 0.2222221019926421, 0.28571428631764334,
                0.39999999999886615, 0.666666666666667),
}  # fmt: skip
ERF_WHOLE = (1.5132605688566965e-09, -2.6750643719374456e-08, 7.137981975439358e-08, 2.2184434267003052e-06,
             -3.0329019074073474e-05, 0.00019992321938256468, -0.0008058939907301522, 0.0018772629859390003,
             -0.00030831610589675306, -0.01909558786267322, 0.10276684698699741, 0.6366201751496675, 0.0033791623485524)  # fmt: skip  # -log(erfc(x)) / x - 1.125 on [0, 4]
ERF = (-4.230945824295338e-12, 8.709045129053106e-11, -1.216456005728345e-09, 1.4792401209404813e-08,
       -1.6364642158167616e-07, 1.6462045441468418e-06, -1.4925647567519332e-05, 0.00012055332902888736,
       -0.000854832702193483, 0.0052239776254232985, -0.02686617064512984, 0.1128379167095512, -0.37612638903183754,
       0.1283791670955126)  # fmt: skip  # erf(x) / x - 1 in x**2
ERFC = (  # -log(erfc(x)) about the middle of [1, 2.5] and of [2.5, 6]: (middle, coefficients)
    (1.75, (3.3944362444046555e-10, -4.913869602637349e-10, -2.8543585770097863e-09, 2.3308584452063565e-08,
        -1.1311191529765674e-07, 4.018178789379153e-07, -8.908588174731797e-07, -8.274900743696604e-07,
        2.3741462906460314e-05, -0.00017452306874841296, 0.0009640986490205559, -0.004624930498582206,
        0.020538840381638925, 0.9099401664967287, 3.9596109008134155, 4.317863525433222)),
    (4.25, (-1.0806025550319359e-14, 6.079268579845277e-14, -1.4648023300237577e-13, 2.5361466812905967e-13,
        2.188758286852278e-12, -4.427552329719053e-11, 4.695664608348351e-10, -4.0517257631871846e-09,
        3.1544799010443315e-08, -2.3019643721294575e-07, 1.6067317995986444e-06, -1.0879252052348108e-05,
        7.237983504010119e-05, -0.00048052875633963624, 0.0032637442792935885, 0.9760845763968702, 8.723775715521931,
        20.10776990146971)),
)  # fmt: skip
LONG = 6  # coefficients of a polynomial from which it pays to compute its halves side by side
BITS = {"float32": ("int32", 23, 127), "float64": ("int64", 52, 1023)}  # integer of the same width, mantissa, bias


def polynomial(m: LLVM, x: E, coefficients: Sequence[float]) -> E:
    """Horner's rule, highest power first; long ones in even and odd powers, of which neither waits for the other."""
    if len(coefficients) < LONG:
        return horner(m, x, coefficients)
    square = m.mul(x, x)
    even, odd = coefficients[(len(coefficients) - 1) % 2 :: 2], coefficients[len(coefficients) % 2 :: 2]
    return m.fma(horner(m, square, odd), x, horner(m, square, even))


def horner(m: LLVM, x: E, coefficients: Sequence[float]) -> E:
    """A polynomial, highest power first."""
    y = m.const(coefficients[0], x)
    for c in coefficients[1:]:
        y = m.fma(y, x, m.const(c, x))
    return y


def power_of_two(m: LLVM, k: E, dtype: str) -> E:
    """`2 ** k` for an integer `k` in the range of normal exponents."""
    integer, mantissa, bias = BITS[dtype]
    whole = m.whole(k, integer)
    return m.bitcast(m.shift_left(m.add(whole, m.const(bias, whole)), m.const(mantissa, whole)), dtype)


def keep_nan(m: LLVM, x: E, y: E) -> E:
    """`y`, but `x` where that is NaN."""
    return m.select(m.ne(x, x), x, y)


def clamped(m: LLVM, x: E, low: float, high: float) -> E:
    """`x` within bounds; NaN becomes the high one."""
    x = m.select(m.lt(x, m.const(high, x)), x, m.const(high, x))
    return m.select(m.gt(x, m.const(low, x)), x, m.const(low, x))


def scales(x: E) -> bool:
    """True for AVX-512's registers, which are multiplied by powers of two with one rounding."""
    return x.lanes * NBYTES[x.dtype] == 64 and wide()


def scaled(m: LLVM, y: E, k: E) -> E:
    """`y * 2**k`, rounded once: by an instruction, or by two halves of the power."""
    if not scales(y):
        half = m.floor(m.mul(k, m.const(0.5, k)))
        return m.mul(m.mul(y, power_of_two(m, half, y.dtype)), power_of_two(m, m.sub(k, half), y.dtype))
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if y.dtype == 'float32' else 'pd'}.512"
    rest = ((y.type, "zeroinitializer"), (f"i{y.lanes}", "-1"), ("i32", "4"))
    return y._replace(text=m.asm.op(m.asm.intrinsic(name, y.type, (y.type, y.text), (k.type, k.text), *rest)), const=None)


def within(m: LLVM, x: E, low: float, high: float) -> E:
    """`x` within bounds for `scaled`: NaN stays where no integer is made of it."""
    if not scales(x):
        return clamped(m, x, low, high)
    x = m.select(m.lt(m.const(high, x), x), m.const(high, x), x)
    return m.select(m.lt(x, m.const(low, x)), m.const(low, x), x)


def reduced(m: LLVM, x: E) -> tuple[E, E]:
    """(k, exp(r) - 1) with x = k ln 2 + r, |r| <= ln 2 / 2."""
    high, low = LN2[x.dtype]
    k = m.rint(m.mul(x, m.const(LOG2E, x)))
    r = m.fma(k, m.const(-low, x), m.fma(k, m.const(-high, x), x))
    return k, m.fma(m.mul(r, r), polynomial(m, r, EXP[x.dtype]), r)


def exp(m: LLVM, x: E) -> E:
    """e**x, at most 1.1 ULP."""
    bounds = (-104.0, 89.0) if x.dtype == "float32" else (-746.0, 710.0)
    k, p = reduced(m, within(m, x, *bounds))
    y = scaled(m, m.add(p, m.const(1, p)), k)
    return y if scales(x) else keep_nan(m, x, y)


def exp2(m: LLVM, x: E) -> E:
    """2**x, at most 1.5 ULP."""
    bounds = (-151.0, 129.0) if x.dtype == "float32" else (-1076.0, 1025.0)
    c = within(m, x, *bounds)
    k = m.rint(c)
    r = m.mul(m.sub(c, k), m.const(0.6931471805599453, c))
    y = scaled(m, m.add(m.fma(m.mul(r, r), polynomial(m, r, EXP[x.dtype]), r), m.const(1, r)), k)
    return y if scales(x) else keep_nan(m, x, y)


def expm1(m: LLVM, x: E) -> E:
    """e**x - 1, at most 2 ULP; -0.0 stays."""
    bounds = (-30.0, 89.0) if x.dtype == "float32" else (-60.0, 710.0)
    k, p = reduced(m, clamped(m, x, *bounds))
    s = power_of_two(m, m.sub(k, m.const(1, k)), x.dtype)
    y = m.mul(m.fma(s, p, m.sub(s, m.const(0.5, s))), m.const(2, s))
    return m.select(m.eq(k, m.const(0, k)), m.select(m.eq(x, m.const(0, x)), x, keep_nan(m, x, p)), keep_nan(m, x, y))


def log(m: LLVM, x: E) -> E:
    """Natural logarithm, at most 1.2 ULP; -inf at 0, NaN below."""
    k, f = split(m, x)
    return edges(m, x, joined(m, k, f, LN2[x.dtype]))


def split(m: LLVM, x: E) -> tuple[E, E]:
    """(k, f) with x = 2**k (1 + f), 1 + f in [sqrt 1/2, sqrt 2)."""
    integer, mantissa, _ = BITS[x.dtype]
    tiny = 2.0**-126 if x.dtype == "float32" else 2.0**-1022
    small = m.lt(x, m.const(tiny, x))
    bits = m.bitcast(m.select(small, m.mul(x, m.const(2.0 ** (mantissa + 2), x)), x), integer)
    root = 0x3F3504F3 if x.dtype == "float32" else 0x3FE6A09E667F3BCD  # sqrt(1/2): the mantissa turns over there
    shifted = m.sub(bits, m.const(root, bits))
    k = m.convert(m.shift_right(shifted, m.const(mantissa, bits)), x.dtype)
    rest = m.bit_and(shifted, m.const((1 << mantissa) - 1, bits))
    f = m.sub(m.bitcast(m.add(rest, m.const(root, bits)), x.dtype), m.const(1, x))
    return m.select(small, m.sub(k, m.const(mantissa + 2, k)), k), f


def joined(m: LLVM, k: E, f: E, ln2: tuple[float, float], c: E | None = None) -> E:
    """k ln 2 + log(1 + f) + c."""
    s = m.div(f, m.add(f, m.const(2, f)))
    z = m.mul(s, s)
    half = m.mul(m.mul(f, f), m.const(0.5, f))
    low = m.mul(k, m.const(ln2[1], k))
    low = low if c is None else m.add(low, c)
    tail = m.fma(s, m.fma(z, polynomial(m, z, LOG[f.dtype]), half), low)
    return m.fma(k, m.const(ln2[0], k), m.sub(f, m.sub(half, tail)))


def edges(m: LLVM, x: E, y: E) -> E:
    """A logarithm's values at 0, below, at infinity and of NaN."""
    zero, inf = m.const(0, x), m.const(float("inf"), x)
    y = m.select(m.eq(x, zero), m.neg(inf), m.select(m.lt(x, zero), m.const(float("nan"), x), y))
    return keep_nan(m, x, m.select(m.eq(x, inf), x, y))


def log1p(m: LLVM, x: E) -> E:
    """log(1 + x), at most 2 ULP: what 1 + x lost is added back, relative to it."""
    one = m.const(1, x)
    u = m.add(one, x)
    k, f = split(m, u)
    lost = m.select(m.gt(u, m.const(2, u)), m.sub(one, m.sub(u, x)), m.sub(x, m.sub(u, one)))
    y = edges(m, u, joined(m, k, f, LN2[x.dtype], m.div(lost, u)))
    y = m.select(m.lt(m.abs(x), m.const(1e-8 if x.dtype == "float32" else 1e-17, x)), x, y)
    return keep_nan(m, x, y)


def scaled_log(scale: float) -> Callable[[LLVM, E], E]:
    """A logarithm to another base: `scale` is 1 / ln(base)."""
    return lambda m, x: m.mul(log(m, x), m.const(scale, x))


def log2(m: LLVM, x: E) -> E:
    """Base 2, at most 2 ULP; exact at powers of two."""
    k, f = split(m, x)
    zero = m.const(0, k)
    return edges(m, x, m.fma(joined(m, zero, f, LN2[x.dtype]), m.const(LOG2E, x), k))


def tanh(m: LLVM, x: E) -> E:
    """Hyperbolic tangent, at most 3 ULP: t / (t + 2) with t = expm1(2 |x|)."""
    t = expm1(m, m.mul(m.select(m.gt(m.abs(x), m.const(20, x)), m.const(20, x), m.abs(x)), m.const(2, x)))
    return keep_nan(m, x, m.copysign(m.div(t, m.add(t, m.const(2, t))), x))


def erf(m: LLVM, x: E) -> E:
    """Error function, at most 2 ULP (float64: 3); float64: x + x P(x**2) up to 1, then 1 - exp(-Q(x)); float32: -expm1(-|x| (9/8 + R(|x|)))."""
    a = m.abs(x)
    most = m.const(4 if x.dtype == "float32" else 6, a)
    c = m.select(m.lt(a, most), a, most)
    if x.dtype == "float32":
        slope = m.const(1.125, c)  # an exact number, so that its rounding does not spoil small arguments
        k, p = reduced(m, m.neg(m.fma(c, slope, m.mul(c, polynomial(m, c, ERF_WHOLE)))))
        s = power_of_two(m, k, x.dtype)
        return keep_nan(m, x, m.copysign(m.sub(m.sub(m.const(1, s), s), m.mul(s, p)), x))
    z = m.mul(x, x)
    near = m.fma(x, polynomial(m, z, ERF), x)
    (middle, inner), (further, outer) = ERFC
    q = polynomial(m, m.sub(c, m.const(middle, c)), inner)
    q = m.select(m.lt(c, m.const(2.5, c)), q, polynomial(m, m.sub(c, m.const(further, c)), outer))
    far = m.copysign(m.sub(m.const(1, x), exp(m, m.neg(q))), x)
    return keep_nan(m, x, m.select(m.lt(a, m.const(1, a)), near, far))


FUNCTIONS: dict[str, Callable[..., E]] = {
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "log2": log2,
    "log10": scaled_log(0.4342944819032518),
    "tanh": tanh,
    "erf": erf,
}
