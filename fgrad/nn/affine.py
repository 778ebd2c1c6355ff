"""Layers with weights: affine maps, convolutions, embeddings. Lower case: the Layer; Capital: the Module over it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from fgrad.nn.functional import convolution as f
from fgrad.nn.functional.lookup import embedding as look_up
from fgrad.nn.functional.lookup import limit_rows, limited, stop
from fgrad.nn.functional.padding import MODES, extended
from fgrad.nn.layer import Draw, Layer, LayerModule, Param, stateless


def within(bound: float) -> Callable[[Draw, tuple[int, ...]], Any]:
    """Starts uniform in [-bound, bound): PyTorch's kaiming_uniform with a = sqrt(5)."""
    return lambda draw, shape: draw.uniform(shape, -bound, bound)


def constant(value: float, dtype: str | None = None) -> Callable[[Draw, tuple[int, ...]], Any]:
    """Starts at one number."""
    return lambda draw, shape: draw.full(shape, value, dtype)


def weights(shape: tuple[int, ...], fan_in: int, bias: bool) -> dict[str, Param]:
    """`weight` and, if asked, a `bias` of its first axis, as PyTorch starts them."""
    start = within(1 / math.sqrt(fan_in) if fan_in > 0 else 0.0)
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
                groups: int, bias: bool, padding_mode: str) -> Layer:  # fmt: skip
    """A convolution over `n` spatial dimensions."""
    if padding_mode not in MODES:
        raise ValueError(f"padding_mode must be one of {sorted(MODES)}, but got padding_mode={padding_mode!r}")
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
    if padding == "same" and any(s != 1 for s in f.each(stride, n, "stride")):
        raise ValueError("padding='same' is not supported for strided convolutions")
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"in_channels {in_channels} and out_channels {out_channels} must be divisible by groups {groups}")
    kernel = f.each(kernel_size, n, "kernel_size")
    shape = (out_channels, in_channels // groups, *kernel)

    @stateless
    def apply(p: Any, x: Any) -> Any:
        if padding_mode != "zeros":
            pads = f.paddings(padding, kernel, f.each(dilation, n, "dilation"), f.each(stride, n, "stride"))
            return f.convolution(n, extended(x, pads, padding_mode), p["weight"], p.get("bias"), stride, 0, dilation, groups)
        return f.convolution(n, x, p["weight"], p.get("bias"), stride, padding, dilation, groups)

    return Layer(weights(shape, math.prod(shape[1:]), bias), apply)


def conv1d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, bias: bool = True, padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """Cross-correlation of sequences: float[n, in_channels, l] -> float[n, out_channels, l2]. See conv2d."""
    return convolution(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


def conv2d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, bias: bool = True, padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """Cross-correlation of images: float[n, in_channels, h, w] -> float[n, out_channels, h2, w2].

    h2 = (h + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1.  padding: pixels, "same" or "valid".
    padding_mode: what stands there, "zeros", "reflect", "replicate" (the edge) or "circular".
    """
    return convolution(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


def conv3d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
           groups: int = 1, bias: bool = True, padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """Cross-correlation of volumes: float[n, in_channels, d, h, w] -> float[n, out_channels, d2, h2, w2]. See conv2d."""
    return convolution(3, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)


class Convolution(LayerModule):
    """What convolutions of every rank show: their sizes as tuples, as PyTorch keeps them."""

    rank: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__.setdefault("output_padding", 0)
        for name in ("kernel_size", "stride", "padding", "dilation", "output_padding"):
            value = self.__dict__.get(name, "")
            if not isinstance(value, str):
                object.__setattr__(self, name, f.each(value, self.rank, name))

    def extra_repr(self) -> str:
        """Channels and sizes; the rest where it is not the default."""
        n = self.rank
        own = self.__dict__
        zeros = (0,) * n
        defaults: dict[str, Any] = {"padding": zeros, "dilation": (1,) * n, "output_padding": zeros, "groups": 1}
        parts = [f"{own['in_channels']}, {own['out_channels']}, kernel_size={own['kernel_size']}, stride={own['stride']}"]
        parts += [f"{k}={own[k]}" for k, v in defaults.items() if own.get(k, v) != v]
        parts += ["bias=False"] if self.bias is None else []
        return ", ".join(parts + ([f"padding_mode={own['padding_mode']}"] if own["padding_mode"] != "zeros" else []))


class Conv1d(Convolution, of=conv1d):
    """1-d convolution."""

    rank = 1


class Conv2d(Convolution, of=conv2d):
    """2-d convolution."""

    rank = 2


class Conv3d(Convolution, of=conv3d):
    """3-d convolution."""

    rank = 3


def embedding_table(padding_idx: int | None) -> Callable[[Draw, tuple[int, ...]], Any]:
    """Starts standard normal, with one row 0."""

    def start(draw: Draw, shape: tuple[int, ...]) -> Any:
        table = draw.normal(shape, 1.0)
        if padding_idx is None:
            return table
        rows = draw.full((shape[0], 1), 1.0)
        rows[padding_idx] = 0.0
        return table * rows

    return start


def embedding(num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Layer:  # fmt: skip
    """Rows of a table at integer indices: int[...] -> float[..., embedding_dim]; row padding_idx starts at 0 and stays.

    weight: float[num_embeddings, embedding_dim], standard normal.  max_norm: rows that are looked up are scaled down to
    this norm (of order norm_type).  scale_grad_by_freq: a row's gradient is divided by how often it was looked up.
    sparse is accepted: gradients are dense.
    """
    if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
        raise AssertionError("Padding_idx must be within num_embeddings")

    @stateless
    def apply(p: Any, index: Any) -> Any:
        weight = p["weight"]
        if max_norm is not None:
            weight = weight + stop(limited(index, weight, max_norm, norm_type) - weight)
        return look_up(index, weight, padding_idx, scale_grad_by_freq=scale_grad_by_freq)

    return Layer({"weight": Param((num_embeddings, embedding_dim), embedding_table(padding_idx))}, apply)


class Embedding(LayerModule, of=embedding):
    """Table of vectors."""

    def __init__(self, *args: Any, _weight: Any = None, _freeze: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, held={} if _weight is None else {"weight": _weight}, **kwargs)
        if _freeze:
            self.weight.requires_grad_(False)
        if self.padding_idx is not None:
            object.__setattr__(self, "padding_idx", self.padding_idx % self.num_embeddings)

    def forward(self, *xs: Any) -> Any:
        """The rows; with max_norm, those looked up are scaled down in the table itself."""
        if self.max_norm is not None:
            limit_rows(xs[0], self.weight, self.max_norm, self.norm_type)
        return super().forward(*xs)

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None,
                        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
                        sparse: bool = False) -> Embedding:  # fmt: skip
        """A table with given numbers, float[num_embeddings, embedding_dim], which stay as they are if `freeze`."""
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        return cls(*embeddings.shape, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight=embeddings,
                   _freeze=freeze)  # fmt: skip

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        own = self.__dict__
        given = {"padding_idx": None, "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}
        return ", ".join([f"{own['num_embeddings']}, {own['embedding_dim']}", *(f"{k}={own[k]}" for k, v in given.items() if own[k] != v)])
