"""PyTorch's nn.grad: gradients of convolutions, from the gradient of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.functions.call import compose
from fgrad.nn.functional.convolution import each
from fgrad.primitives.conv import conv_dw, conv_dx

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _params(n: int, stride: Any, padding: Any, dilation: Any, groups: int) -> tuple[Any, ...]:
    pads = tuple([(p, p) for p in each(padding, n, "padding")])
    return each(stride, n, "stride"), pads, (1,) * n, each(dilation, n, "dilation"), groups


def _input_rule(ct: Any, w: Any, *, shape: tuple[int, ...], params: Any) -> Any:
    stride, padding, x_dilation, w_dilation, groups = params
    return conv_dx(ct, w, x_shape=shape, stride=stride, padding=padding, x_dilation=x_dilation, w_dilation=w_dilation, groups=groups)


def _weight_rule(x: Any, ct: Any, *, shape: tuple[int, ...], params: Any) -> Any:
    stride, padding, x_dilation, w_dilation, groups = params
    return conv_dw(x, ct, w_shape=shape, stride=stride, padding=padding, x_dilation=x_dilation, w_dilation=w_dilation, groups=groups)


def conv1d_input(input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv1d in an input of input_size."""
    return compose(_input_rule, grad_output, weight, shape=tuple(input_size), params=_params(1, stride, padding, dilation, groups))


def conv1d_weight(input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                  groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv1d in a weight of weight_size."""
    return compose(_weight_rule, input, grad_output, shape=tuple(weight_size), params=_params(1, stride, padding, dilation, groups))


def conv2d_input(input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv2d in an input of input_size."""
    return compose(_input_rule, grad_output, weight, shape=tuple(input_size), params=_params(2, stride, padding, dilation, groups))


def conv2d_weight(input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                  groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv2d in a weight of weight_size."""
    return compose(_weight_rule, input, grad_output, shape=tuple(weight_size), params=_params(2, stride, padding, dilation, groups))


def conv3d_input(input_size: Sequence[int], weight: Any, grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv3d in an input of input_size."""
    return compose(_input_rule, grad_output, weight, shape=tuple(input_size), params=_params(3, stride, padding, dilation, groups))


def conv3d_weight(input: Any, weight_size: Sequence[int], grad_output: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                  groups: int = 1) -> Any:  # fmt: skip
    """The gradient of conv3d in a weight of weight_size."""
    return compose(_weight_rule, input, grad_output, shape=tuple(weight_size), params=_params(3, stride, padding, dilation, groups))
