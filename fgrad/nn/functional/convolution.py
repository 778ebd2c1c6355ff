"""Affine maps and convolutions."""

from __future__ import annotations

import math
from typing import Any

from fgrad.eager import casting
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import compose
from fgrad.functions.shape import permute, view_as_shape
from fgrad.ir.apply import caller
from fgrad.primitives import composites as c
from fgrad.primitives.conv import conv, conv_dx
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
    x, w, b = casting.lower(input, weight, bias) if casting.USED else (input, weight, bias)
    if not x._type.shape or x._type.shape[-1] != w._type.shape[-1]:
        raise ShapeError(
            f"linear: mat1 and mat2 shapes cannot be multiplied: {x._type} by a weight {w._type}", where=caller(),
            fix="make the last dimension of the input the layer's in_features",
        )  # fmt: skip
    xs = (x, w) if b is None else (x, w, b)
    if len({x._value.type.dtype for x in xs}) > 1:
        raise ShapeError(
            f"linear: expected operands of one dtype, got {', '.join(str(x._type) for x in xs)}", where=caller(),
            fix="convert the input to the dtype of the weight",
        )  # fmt: skip
    return compose(_linear_rule if w._type.ndim == 2 else _vector_rule, *xs)


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


def operands(name: str, x: Any, w: Any, b: Any) -> tuple[Any, ...]:
    """Input, weight and the bias if there is one, of one dtype."""
    xs = casting.lower(x, w) if b is None else casting.lower(x, w, b)
    if len({t._type.dtype for t in xs}) > 1:
        raise DtypeError(f"{name}: input, weight and bias should have one dtype, got {', '.join(str(t._type) for t in xs)}", where=caller(),
                         fix="convert the input to the dtype of the weight")  # fmt: skip
    return tuple(xs)


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
    if isinstance(padding, str):
        raise ArgumentError(f"Invalid padding string: {padding!r}", where=caller(), fix="use 'same', 'valid' or numbers")
    return tuple((p, p) for p in each(padding, len(kernel), "padding"))


def not_negative(edges: tuple[tuple[int, int], ...]) -> None:
    """PyTorch's error for a negative padding."""
    if any(p < 0 for pair in edges for p in pair):
        raise ArgumentError("negative padding is not supported", where=caller(), fix="use 0 or more")


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
    edges = paddings(padding, kernel, spread, step)
    not_negative(edges)
    params = (step, edges, spread, groups)
    xs = operands(f"conv{n}d", x, weight, bias)
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


def _transposed_rule(x: Any, w: Any, *b: Any, params: Any) -> Any:
    stride, padding, dilation, groups, lengths = params
    shape = (x.shape[0], w.shape[1] * groups, *lengths)
    y = conv_dx(x, w, x_shape=shape, stride=stride, padding=padding, x_dilation=(1,) * len(stride), w_dilation=dilation, groups=groups)
    return y + c.reshape(b[0], shape=(1, b[0].shape[0], *(1,) * len(stride))) if b else y


def conv_transpose(n: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int,
                   dilation: Any) -> Any:  # fmt: skip
    """The transpose of `convolution` in its input, with weight float[c, k/groups, ...]."""
    name = f"conv_transpose{n}d"
    if input._type.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got {input._type}", where=caller(),
            fix="give (batch, channels, ...) or (channels, ...)",
        )  # fmt: skip
    single = input._type.ndim == n + 1
    x = view_as_shape(input, (1, *input._type.shape)) if single else input
    step, edge, more, spread = (
        each(v, n, what)
        for v, what in ((stride, "stride"), (padding, "padding"), (output_padding, "output_padding"), (dilation, "dilation"))
    )
    not_negative(tuple((p, p) for p in edge))
    if any(o >= max(s, d) or o < 0 for o, s, d in zip(more, step, spread, strict=True)):
        raise ArgumentError(f"output padding must be smaller than either stride or dilation, but got output_padding: {more} "
                            f"stride: {step} dilation: {spread}", where=caller(), fix="use a smaller output_padding")  # fmt: skip
    sizes = zip(x._type.shape[2:], step, edge, more, spread, weight._type.shape[2:], strict=True)
    lengths = tuple([(d - 1) * s - 2 * p + e * (k - 1) + o + 1 for d, s, p, o, e, k in sizes])
    if min(lengths) < 1:
        raise ShapeError(f"{name}: the calculated output size {lengths} is too small, for input {input._type}", where=caller(),
                         fix="use a smaller padding")  # fmt: skip
    params = (step, tuple((p, p - o) for p, o in zip(edge, more, strict=True)), spread, groups, lengths)
    xs = operands(name, x, weight, bias)
    y = compose(_transposed_rule, *xs, params=params)
    return view_as_shape(y, y._type.shape[1:]) if single else y


def conv_transpose1d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """float[n, c, l] by float[c, k/groups, r] -> float[n, k, l2]; see conv_transpose2d."""
    return conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """The transpose of conv2d in its input: float[n, c, h, w] by float[c, k/groups, r, s] -> float[n, k, h2, w2].

    h2 = (h - 1) * stride - 2 * padding + dilation * (r - 1) + output_padding + 1.
    """
    return conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                     groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
    """float[n, c, d, h, w] by float[c, k/groups, q, r, s] -> float[n, k, d2, h2, w2]; see conv_transpose2d."""
    return conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """conv1d of float[l, n, c] by float[r, c, k] -> float[l2, n, k]."""
    y = conv1d(permute(input, 1, 2, 0), permute(weight, 2, 1, 0), bias, padding=pad)
    return permute(y, 2, 0, 1)


def _bilinear_rule(x: Any, y: Any, w: Any, *b: Any) -> Any:
    lead = x.shape[:-1]
    a = c.reshape(x, shape=(math.prod(lead), x.shape[-1]))
    d = c.reshape(y, shape=(math.prod(lead), y.shape[-1]))
    inner = dot_general(a, w, contract=((1,), (1,)), batch=((), ()))  # [n, out, in2]
    z = dot_general(inner, d, contract=((2,), (1,)), batch=((0,), (0,)))
    z = z + b[0] if b else z
    return c.reshape(z, shape=(*lead, w.shape[0]))


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y[..., k] = input1[..., i] weight[k, i, j] input2[..., j] + bias[k]."""
    a, b, w = input1._type, input2._type, weight._type
    if a.shape[:-1] != b.shape[:-1] or w.ndim != 3 or (a.shape[-1], b.shape[-1]) != w.shape[1:]:
        raise ShapeError(f"bilinear(): input sizes do not match: got {a}, {b} and a weight {w}", where=caller(),
                         fix="give float[..., i], float[..., j] and float[k, i, j]")  # fmt: skip
    return compose(_bilinear_rule, input1, input2, weight, *([] if bias is None else [bias]))
