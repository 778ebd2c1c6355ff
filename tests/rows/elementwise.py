"""Pointwise operations."""

from __future__ import annotations

from rows.row import Of, Row

PAIR = ((3, 4), (4,))
ANYWHERE = (
    "abs neg exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh sigmoid erf erfc square sign floor ceil round trunc frac sgn signbit "
    "positive deg2rad rad2deg sinc isfinite isinf isnan isposinf isneginf isreal relu reciprocal logical_not nan_to_num angle real conj"
).split()
POSITIVE = "log log2 log10 log1p sqrt rsqrt lgamma digamma".split()
INSIDE = "asin acos atanh erfinv logit".split()
BINARY = (
    "add sub mul div maximum minimum atan2 hypot fmod remainder copysign logaddexp2 fmax fmin eq ne lt le gt ge true_divide "
    "logical_and logical_or logical_xor xlogy ldexp rsub"
).split()

ROWS = [
    *(Row(n, low=0.3) if n == "reciprocal" else Row(n) for n in ANYWHERE),
    *(Row(n, low=0.2, high=4.0) for n in POSITIVE),
    *(Row(n, low=0.05 if n == "logit" else -0.9, high=0.9) for n in INSIDE),
    Row("acosh", low=1.1, high=3.0),
    Row("logaddexp", PAIR, without=("complex64",)),  # of real numbers
    *(Row(n, PAIR, low=0.3 if n in ("xlogy", "floor_divide", "fmod", "remainder") else -2.0, high=3.0) for n in BINARY),
    *(Row(n, ((3, 4),), (1.5,), label="number") for n in ("add", "sub", "mul", "div", "fmod", "remainder", "eq", "lt")),
    Row("floor_divide", PAIR, low=0.3, high=3.0, grad=False),
    Row("add", PAIR, options={"alpha": 2}, label="alpha"),
    Row("sub", PAIR, options={"alpha": 2}, label="alpha"),
    Row("rsub", PAIR, options={"alpha": 2}, label="alpha"),
    Row("div", PAIR, options={"rounding_mode": "trunc"}, label="trunc", low=0.5),
    Row("div", PAIR, options={"rounding_mode": "floor"}, label="floor", low=0.5, grad=False),
    Row("pow", PAIR, low=0.5),
    Row("pow", ((3, 4),), (3,), label="3"),
    Row("pow", ((3, 4),), (-2,), label="-2", low=0.5),
    Row("float_power", PAIR, low=0.5),
    Row("float_power", ((3, 4),), (2,), label="2"),
    Row("heaviside", PAIR, grad=False),
    Row("nextafter", PAIR),
    Row("gcd", (Of((3, 4), high=60), Of((4,), high=60)), grad=False),
    Row("lcm", (Of((3, 4), high=30), Of((4,), high=30)), grad=False),
    Row("frexp", second=False),
    Row("clamp", ((3, 4),), (-0.5, 0.7)),
    Row("clamp", ((3, 4),), options={"max": 0.1}, label="max"),
    Row("clamp", ((3, 4), (4,), (3, 1)), label="tensors"),
    Row("clamp_min", ((3, 4),), (0.25,)),
    Row("clamp_max", ((3, 4),), (0.25,)),
    Row("clamp_max", PAIR, label="tensor"),
    Row("lerp", ((3, 4), (4,)), (0.3,)),
    Row("lerp", ((3, 4), (3, 4), (4,)), label="tensor"),
    Row("addcmul", ((3, 4), (4,), (3, 1)), options={"value": 0.5}),
    Row("addcdiv", ((3, 4), (4,), (3, 1)), options={"value": 0.5}, low=0.5),
    Row("logit", ((3, 4),), (0.2,), label="eps", low=-0.5, high=1.5),
    Row("nan_to_num", ((3, 4),), (1.0, 2.0, -2.0), label="numbers"),
    Row("round", ((3, 4),), options={"decimals": 1}, label="decimals", without=("bfloat16", "float16")),  # rounds twice
    Row("isclose", PAIR, grad=False),
    Row("isin", ((3, 4), (5,)), grad=False),
    Row("isin", (Of((3, 4), high=9), Of((5,), high=9)), options={"invert": True}, label="invert", grad=False),
    *(Row(n, (Of((3, 4), high=60), Of((4,), high=6)), grad=False) for n in (
        "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")),
    Row("bitwise_not", (Of((3, 4), high=60),), grad=False),
    Row("where", (Of((3, 4), "bool"), (3, 4), (4,))),
    Row("polar", ((3, 4), (4,)), low=0.2),
    Row("complex", ((3, 4), (4,)), without=("float16",)),  # no complex numbers of two halves
]  # fmt: skip
