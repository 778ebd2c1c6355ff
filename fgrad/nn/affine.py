"""Layers with weights: affine maps, convolutions, embeddings. Lower case: the Layer; Capital: the Module over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fgrad.nn.functional import convolution as f
from fgrad.nn.functional.normalisation import embedding as look_up
from fgrad.nn.layer import Draw, Layer, LayerModule, Param, stateless


def within(bound: float) -> Callable[[Draw, tuple[int, ...]], Any]:
    """Starts uniform in [-bound, bound): PyTorch's kaiming_uniform with a = sqrt(5)."""
    return lambda draw, shape: draw.uniform(shape, -bound, bound)


def constant(value: float, dtype: str | None = None) -> Callable[[Draw, tuple[int, ...]], Any]:
    """Starts at one number."""
    return lambda draw, shape: draw.full(shape, value, dtype)


def weights(shape: tuple[int, ...], fan_in: int, bias: bool) -> dict[str, Param]:
    """`weight` and, if asked, a `bias` of its first axis, as PyTorch starts them."""
    start = within(1 / math.sqrt(fan_in) if fan_in else 0.0)
    params = {"weight": Param(shape, start)}
    if bias:
        params["bias"] = Param((shape[0],), start)
    return params


def linear(in_features: int, out_features: int, bias: bool = True) -> Layer:
    """`x @ weight.T + bias`: float[..., in_features] -> float[..., out_features].

    weight: float[out_features, in_features] and bias: float[out_features], uniform within 1/sqrt(in_features).
    """

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.linear(x, p["weight"], p.get("bias"))

    return Layer(weights((out_features, in_features), in_features, bias), apply)


class Linear(LayerModule, of=linear):
    """Affine map."""


def convolution(n: int, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
                groups: int, bias: bool) -> Layer:  # fmt: skip
    """A convolution over `n` spatial dimensions."""
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"in_channels {in_channels} and out_channels {out_channels} must be divisible by groups {groups}")
    kernel = f.each(kernel_size, n, "kernel_size")
    shape = (out_channels, in_channels // groups, *kernel)

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.convolution(n, x, p["weight"], p.get("bias"), stride, padding, dilation, groups)

    return Layer(weights(shape, math.prod(shape[1:]), bias), apply)


def conv1d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, bias: bool = True) -> Layer:  # fmt: skip
    """Cross-correlation of sequences: float[n, in_channels, l] -> float[n, out_channels, l2]."""
    return convolution(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)


def conv2d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, bias: bool = True) -> Layer:  # fmt: skip
    """Cross-correlation of images: float[n, in_channels, h, w] -> float[n, out_channels, h2, w2].

    h2 = (h + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1.  padding: pixels, "same" or "valid".
    """
    return convolution(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)


class Conv1d(LayerModule, of=conv1d):
    """1-d convolution."""


class Conv2d(LayerModule, of=conv2d):
    """2-d convolution."""


def embedding(num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> Layer:
    """Rows of a table at integer indices: int[...] -> float[..., embedding_dim]; row padding_idx starts at 0 and stays.

    weight: float[num_embeddings, embedding_dim], standard normal.
    """

    def start(draw: Draw, shape: tuple[int, ...]) -> Any:
        table = draw.normal(shape, 1.0)
        if padding_idx is None:
            return table
        rows = draw.full((shape[0], 1), 1.0)
        rows[padding_idx] = 0.0
        return table * rows

    @stateless
    def apply(p: Any, index: Any) -> Any:
        return look_up(index, p["weight"], padding_idx)

    return Layer({"weight": Param((num_embeddings, embedding_dim), start)}, apply)


class Embedding(LayerModule, of=embedding):
    """Table of vectors."""
