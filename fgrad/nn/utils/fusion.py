"""A convolution or an affine map and the batch norm after it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import Any

from fgrad.functions.creation import ones_like, zeros_like
from fgrad.functions.pointwise import rsqrt
from fgrad.nn.parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def checked(layer: Any, bn: Any) -> Any:
    """A copy of the layer; AssertionError in training, or without running statistics."""
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    return copy.deepcopy(layer)


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """One convolution that does what `bn(conv(x))` does in evaluation. transpose: of a transposed one.

    Raises AssertionError if one of both is in training mode.
    """
    fused = checked(conv, bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """One affine map that does what `bn(linear(x))` does in evaluation.

    Raises AssertionError in training mode, or if bn has neither the map's features nor 1.
    """
    fused = checked(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got linear.out_features="
                             f"{linear.out_features} and bn.num_features={bn.num_features}")  # fmt: skip
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_conv_bn_weights(conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
                         transpose: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """Weight and bias of the fused convolution: w * s and (b - mean) * s + bn_b with s = bn_w / sqrt(var + eps)."""
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    return fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any) -> tuple[Any, Any]:
    """Weight and bias of the fused affine map: as in fuse_conv_bn_weights."""
    return fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, [-1, 1])


def fused(w: Any, b: Any, mean: Any, var: Any, eps: float, bn_w: Any, bn_b: Any, shape: list[int]) -> tuple[Any, Any]:
    """Both, as parameters that require grad where the old ones did."""
    scale = (ones_like(mean) if bn_w is None else bn_w) * rsqrt(var + eps)
    start = zeros_like(mean) if b is None else b
    weight = (w * scale.reshape(shape)).to(w.dtype)
    bias = ((start - mean) * scale + (0.0 if bn_b is None else bn_b)).to(w.dtype if b is None else b.dtype)
    return Parameter(weight.detach(), w.requires_grad), Parameter(bias.detach(), start.requires_grad)
