"""Pointwise functions: promotion, broadcasting, in-place twins."""

from __future__ import annotations

from typing import Any

from drawn.pen import ALL, COMPLEX, FLOATS, INTEGERS, REAL, Case, Operand, Pen

UNARY = (
    "neg abs exp exp2 expm1 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid erf erfc erfinv square sign sgn floor ceil "
    "round trunc frac signbit positive deg2rad rad2deg sinc isfinite isinf isnan isposinf isneginf isreal relu reciprocal logical_not "
    "nan_to_num angle real log log2 log10 log1p sqrt rsqrt lgamma digamma logit bitwise_not i0 conj_physical"
).split()
ACTIVATIONS = (
    "relu relu6 elu selu celu leaky_relu hardtanh hardswish hardsigmoid softplus softsign tanhshrink softshrink hardshrink logsigmoid mish "
    "silu gelu"
).split()
SOFTWARE = [f"nn.functional.{n}" for n in ACTIVATIONS]
NO_METHODS = ("isreal", "real", "i0")
BINARY = (
    "add sub mul div maximum minimum atan2 hypot copysign logaddexp logaddexp2 fmax fmin eq ne lt le gt ge logical_and logical_or "
    "logical_xor xlogy ldexp rsub pow float_power heaviside isclose nextafter"
).split()
DIVIDING = "fmod remainder floor_divide".split()
BITS = "bitwise_and bitwise_or bitwise_xor gcd lcm".split()
SHIFTS = "bitwise_left_shift bitwise_right_shift".split()
TWINS = [f".{n}_" for n in (*BINARY, *DIVIDING, *BITS, *SHIFTS) if n not in ("maximum", "minimum", "logaddexp", "logaddexp2", "fmax", "fmin", "rsub", "isclose")]


INSIDE = {"logit": (0.05, 0.95), "acosh": (1.1, 3.0), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atanh": (-0.9, 0.9), "erfinv": (-0.9, 0.9)}


def unary(pen: Pen, name: str) -> Case:
    """Derivatives only inside the domain: torch's are arbitrary outside."""
    low, high = INSIDE.get(name, (0.1, 3.0) if "log" in name or "sqrt" in name else (-3.0, 3.0)) if pen.smooth else (-3.0, 3.0)
    return Case(name, (pen.operand(pen.shape(), ALL, low=low, high=high),))


def activation(pen: Pen, name: str) -> Case:
    return Case(name, (pen.operand(pen.shape(), FLOATS),))


def unary_twin(pen: Pen, name: str) -> Case:
    return Case(name, (target(pen, ALL),))


def target(pen: Pen, among: Any, **options: Any) -> Operand:
    """What is written in place: its elements must not share memory."""
    x = pen.operand(pen.shape(), among, **options)
    return x._replace(layout="plain") if x.layout == "expanded" else x


def free(pen: Pen, among: Any, **options: Any) -> Operand:
    return pen.operand(pen.shape(), among, **options)


def number(pen: Pen, kinds: str = "bifc", low: int = -3, high: int = 3) -> Any:
    kind = "f" if pen.smooth else pen.pick(kinds)
    if kind == "b":
        return pen.flag()
    if kind == "i":
        return pen.int(low, high)
    x = pen.int(low * 8, high * 8) / 8 + (0.05 if pen.smooth else 0.0)
    return complex(x, pen.int(-8, 8) / 8) if kind == "c" else x


def pair(pen: Pen, name: str) -> Case:
    """Tensor and tensor, tensor and number, number first."""
    first = target(pen, ALL) if name.endswith("_") else pen.operand(pen.shape(), ALL)
    kinds = "bif" if name in ("heaviside", "copysign") else "bifc"
    if pen.often():
        second: Any = pen.operand(pen.partner(first.values.shape), ALL)
    else:
        second = number(pen, kinds)
    options: dict[str, Any] = {}
    if name.strip("._") in ("add", "sub") and pen.int(0, 4) == 0:
        options["alpha"] = number(pen, "if")
    if name.strip("._") == "div" and pen.flag() and first.dtype not in ("bool", *INTEGERS):
        options["rounding_mode"] = pen.pick((None, "trunc", "floor"))
    return Case(name, (first, second), options)


def dividing(pen: Pen, name: str) -> Case:
    """No zero and no minus one among integer divisors: integer division by zero raises, and the least integer by -1 traps."""
    among = REAL if pen.often() else ALL
    first = target(pen, among) if name.endswith("_") else pen.operand(pen.shape(), among)
    if pen.often():
        second: Any = pen.operand(pen.partner(first.values.shape), REAL, low=1, high=4, special=first.dtype in FLOATS)
        if second.dtype in INTEGERS:
            second = second._replace(values=abs(second.values).clip(1, 4))
    else:
        second = pen.pick((2, 3, -2, 1.5, -0.5))
    return Case(name, (first, second))


def bits(pen: Pen, name: str) -> Case:
    among = ("bool", *INTEGERS) if pen.often() else ALL
    first = target(pen, among) if name.endswith("_") else pen.operand(pen.shape(), among, special="lcm" not in name)
    if "lcm" in name or "gcd" in name:  # the least integer has no absolute value
        first = first._replace(values=first.values.clip(-9, 9) if first.dtype in INTEGERS else first.values)
        return Case(name, (first, pen.operand(pen.partner(first.values.shape), among, special=False)))
    second = pen.operand(pen.partner(first.values.shape), among) if pen.often() else number(pen, "bi")
    return Case(name, (first, second))


def shifts(pen: Pen, name: str) -> Case:
    """By less than the width: more is undefined."""
    first = target(pen, INTEGERS) if name.endswith("_") else pen.operand(pen.shape(), INTEGERS)
    if pen.often():
        return Case(name, (first, pen.operand(pen.partner(first.values.shape), INTEGERS, low=0, high=7, special=False)))
    return Case(name, (first, pen.int(0, 7)))


def clamp(pen: Pen, name: str) -> Case:
    x = target(pen, ALL) if name.endswith("_") else pen.operand(pen.shape(), ALL)
    if pen.flag():
        low = 0 if x.dtype == "uint8" else -3  # torch wraps bounds that the dtype cannot hold
        ends = [number(pen, "if", low) if pen.often() else None for _ in range(2)]
    else:
        ends = [pen.operand(pen.partner(x.values.shape)) if pen.often() else None for _ in range(2)]
    return Case(name, (x, *ends))


def where(pen: Pen, name: str) -> Case:
    x = pen.operand(pen.shape())
    y = pen.operand(pen.partner(x.values.shape)) if pen.often() else number(pen, "bif")
    parts = (x, y) if pen.flag() else (y, x)
    return Case(name, (pen.operand(pen.partner(x.values.shape), ("bool",)), *parts))


def lerp(pen: Pen, name: str) -> Case:
    x = (target if name.endswith("_") else free)(pen, (*FLOATS, *COMPLEX), special=False)
    among = (x.dtype,) if pen.often() else ALL
    y = pen.operand(pen.partner(x.values.shape), among, special=False)
    weight = pen.operand(pen.partner(x.values.shape), among, special=False) if pen.flag() else number(pen, "if")
    return Case(name, (x, y, weight))


def fused(pen: Pen, name: str) -> Case:
    x = target(pen, ALL, special=False) if name.endswith("_") else pen.operand(pen.shape(), ALL, special=False)
    positive = {"low": 0.5, "high": 3.0} if "div" in name else {}
    y = pen.operand(pen.partner(x.values.shape), ALL, special=False)
    z = pen.operand(pen.partner(x.values.shape), ALL, special=False, **positive)
    return Case(name, (x, y, z), {"value": number(pen, "if")} if pen.flag() else {})


POINTWISE: dict[str, Any] = {
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(SOFTWARE, activation),
    **{f".{n}_": unary_twin for n in UNARY if n not in ("angle", "real", "isreal", "positive") and not n.startswith("is") and n != "signbit"},
    **dict.fromkeys(BINARY, pair),
    **dict.fromkeys(DIVIDING, dividing),
    **dict.fromkeys(BITS, bits),
    **dict.fromkeys(SHIFTS, shifts),
    **{n: BY[n.strip("._")] for n in TWINS for BY in [dict.fromkeys(BINARY, pair) | dict.fromkeys(DIVIDING, dividing) | dict.fromkeys(BITS, bits) | dict.fromkeys(SHIFTS, shifts)]},
    **dict.fromkeys(("clamp", ".clamp_"), clamp),
    "where": where,
    **dict.fromkeys(("lerp", ".lerp_"), lerp),
    **dict.fromkeys(("addcmul", "addcdiv", ".addcmul_", ".addcdiv_"), fused),
}
