"""Affine maps and convolutions."""

from __future__ import annotations

from typing import Any

from fgrad.errors import ArgumentError, ShapeError
from fgrad.functions.call import compose, same
from fgrad.functions.shape import view_as_shape
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.conv import conv
from fgrad.primitives.linear import dot_general


def _linear_rule(x: Any, w: Any, *b: Any) -> Any:
    y = dot_general(x, w, contract=((x.ndim - 1,), (1,)), batch=((), ()))
    return y + b[0] if b else y


def _vector_rule(x: Any, w: Any, *b: Any) -> Any:
    y = dot_general(x, w, contract=((x.ndim - 1,), (0,)), batch=((), ()))
    return y + b[0] if b else y


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias.

    input: float[..., in].  weight: float[out, in] (or [in]).  bias: float[out].  Returns float[..., out].
    """
    if not input._type.shape or input._type.shape[-1] != weight._type.shape[-1]:
        raise ShapeError(
            f"linear: mat1 and mat2 shapes cannot be multiplied: {input._type} by a weight {weight._type}", where=caller(),
            fix="make the last dimension of the input the layer's in_features",
        )  # fmt: skip
    xs = (input, weight) if bias is None else (input, weight, bias)
    if len({x._value.type.dtype for x in xs}) > 1:
        raise ShapeError(
            f"linear: expected operands of one dtype, got {', '.join(str(x._type) for x in xs)}", where=caller(),
            fix="convert the input to the dtype of the weight",
        )  # fmt: skip
    return compose(_linear_rule if weight._type.ndim == 2 else _vector_rule, *xs)


def each(value: Any, n: int, name: str) -> tuple[int, ...]:
    """A number for every spatial dimension, or one for each."""
    if isinstance(value, int):
        return (value,) * n
    found = tuple(int(v) for v in value)
    if len(found) == 1:
        return found * n
    if len(found) != n:
        raise ArgumentError(f"{name} must be one number or {n}, got {value}", where=caller(), fix=f"give {n} numbers")
    return found


def paddings(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """((low, high), ...) from a number, numbers, "valid" or "same"."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ArgumentError("padding='same' is not supported for strided convolutions", where=caller(),
                                fix="give the padding in pixels")  # fmt: skip
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in totals)
    return tuple((p, p) for p in each(padding, len(kernel), "padding"))


MODES = {
    "zeros": None,
    "reflect": lambda i, n: n - 1 - abs(n - 1 - abs(i)),
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
}  # which element stands at place i of a dimension of n, for i from -padding to n + padding - 1


def extended(x: Any, pads: Any, mode: str) -> Any:
    """`x` with its spatial dimensions continued on both sides: by reflection, by its edge, or around."""
    source = MODES[mode]
    assert source is not None
    for axis, (low, high) in enumerate(pads, x._type.ndim - len(pads)):
        size = x._type.shape[axis]
        if max(low, high) > (size - 1 if mode == "reflect" else size) and mode != "replicate":
            raise ShapeError(
                f"Padding size should be less than the corresponding input dimension, but got: padding ({low}, {high}) at "
                f"dimension {axis} of input {x._type}", where=caller(), fix="use a smaller padding",
            )  # fmt: skip
        if low or high:
            x = x[(slice(None),) * axis + ([source(i, size) for i in range(-low, size + high)],)]
    return x


def _conv_rule(x: Any, w: Any, *b: Any, params: Any) -> Any:
    stride, padding, dilation, groups = params
    y = conv(x, w, stride=stride, padding=padding, x_dilation=(1,) * len(stride), w_dilation=dilation, groups=groups)
    return y + c.reshape(b[0], shape=(1, b[0].shape[0], *(1,) * len(stride))) if b else y


def convolution(n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Cross-correlation over `n` spatial dimensions; an input without batch dimension is one example."""
    if input._type.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, but got {input._type}", where=caller(),
            fix="give (batch, channels, ...) or (channels, ...)",
        )  # fmt: skip
    single = input._type.ndim == n + 1
    x = view_as_shape(input, (1, *input._type.shape)) if single else input
    kernel = weight._type.shape[2:]
    step, spread = each(stride, n, "stride"), each(dilation, n, "dilation")
    params = (step, paddings(padding, kernel, spread, step), spread, groups)
    xs = same((x, weight) if bias is None else (x, weight, bias))
    y = compose(_conv_rule, *xs, params=params)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def conv1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """float[n, c, l] by float[k, c/groups, r] -> float[n, k, l2]."""
    return convolution(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """float[n, c, h, w] by float[k, c/groups, r, s] -> float[n, k, h2, w2].

    h2 = (h + 2*padding - dilation*(r - 1) - 1) // stride + 1.  padding: pixels, "same" or "valid".
    """
    return convolution(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1) -> Any:  # fmt: skip
    """float[n, c, d, h, w] by float[k, c/groups, q, r, s] -> float[n, k, d2, h2, w2]."""
    return convolution(3, input, weight, bias, stride, padding, dilation, groups)
