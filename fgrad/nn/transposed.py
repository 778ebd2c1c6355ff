"""Transposed convolutions and bilinear maps: Layers, and the Modules over them."""

from __future__ import annotations

import math
from typing import Any

from fgrad.nn.affine import Convolution, within
from fgrad.nn.functional import convolution as f
from fgrad.nn.layer import Layer, LayerModule, Param, stateless


def transposed(n: int, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, output_padding: Any,
               groups: int, bias: bool, dilation: Any, padding_mode: str) -> Layer:  # fmt: skip
    """A transposed convolution over `n` spatial dimensions; apply takes an output_padding of its own, if asked."""
    if padding_mode != "zeros":
        raise ValueError(f'Only "zeros" padding mode is supported for ConvTranspose{n}d')
    if in_channels % groups:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups:
        raise ValueError("out_channels must be divisible by groups")
    shape = (in_channels, out_channels // groups, *f.each(kernel_size, n, "kernel_size"))
    fan_in = math.prod(shape[1:])
    start = within(1 / math.sqrt(fan_in) if fan_in else 0.0)
    params = {"weight": Param(shape, start)}
    if bias:
        params["bias"] = Param((out_channels,), start)

    @stateless
    def apply(p: Any, x: Any, more: Any = None) -> Any:
        extra = output_padding if more is None else more
        return f.conv_transpose(n, x, p["weight"], p.get("bias"), stride, padding, extra, groups, dilation)

    return Layer(params, apply)


def conv_transpose1d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                     padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """The transpose of conv1d in its input: float[n, in_channels, l] -> float[n, out_channels, l2]. See conv_transpose2d."""
    return transposed(1, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode)


def conv_transpose2d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                     padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """The transpose of conv2d in its input: float[n, in_channels, h, w] -> float[n, out_channels, h2, w2].

    h2 = (h - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1.
    weight: float[in_channels, out_channels / groups, *kernel_size], uniform within 1/sqrt(its size behind axis 0).
    """
    return transposed(2, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode)


def conv_transpose3d(in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
                     output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
                     padding_mode: str = "zeros") -> Layer:  # fmt: skip
    """The transpose of conv3d in its input. See conv_transpose2d."""
    return transposed(3, in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation, padding_mode)


class ConvTranspose(Convolution):
    """What transposed convolutions of every rank share."""

    transposed = True

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The result; output_size: one of the sizes that the stride leaves open."""
        return super().forward(input) if output_size is None else super().forward(input, self._padding(input, output_size))

    def _padding(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """The output_padding that gives output_size."""
        own, n = self.__dict__, self.rank
        sizes = tuple(int(d) for d in output_size)[-n:]
        if len(sizes) != n or len(tuple(output_size)) not in (n, input.ndim):
            raise ValueError(f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements "
                             f"(got {len(tuple(output_size))})")  # fmt: skip
        each = zip(input.shape[-n:], own["stride"], own["padding"], own["dilation"], own["kernel_size"], strict=True)
        least = [(d - 1) * s - 2 * p + e * (k - 1) + 1 for d, s, p, e, k in each]
        most = [a + s - 1 for a, s in zip(least, own["stride"], strict=True)]
        if any(not a <= d <= b for a, d, b in zip(least, sizes, most, strict=True)):
            raise ValueError(f"requested an output size of {list(sizes)}, but valid sizes range from {least} to {most} (for an input "
                             f"of {tuple(input.shape[2:])})")  # fmt: skip
        return tuple([d - a for d, a in zip(sizes, least, strict=True)])


class ConvTranspose1d(ConvTranspose, of=conv_transpose1d):
    """1-d transposed convolution."""

    rank = 1


class ConvTranspose2d(ConvTranspose, of=conv_transpose2d):
    """2-d transposed convolution."""

    rank = 2


class ConvTranspose3d(ConvTranspose, of=conv_transpose3d):
    """3-d transposed convolution."""

    rank = 3


def bilinear(in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> Layer:
    """x1[..., i] weight[k, i, j] x2[..., j] + bias[k]; weight and bias uniform within 1/sqrt(in1_features)."""
    if in1_features <= 0:
        raise ValueError(f"in1_features must be > 0, but got {in1_features}")
    start = within(1 / math.sqrt(in1_features))
    params = {"weight": Param((out_features, in1_features, in2_features), start)}
    if bias:
        params["bias"] = Param((out_features,), start)

    @stateless
    def apply(p: Any, x1: Any, x2: Any) -> Any:
        return f.bilinear(x1, x2, p["weight"], p.get("bias"))

    return Layer(params, apply)


class Bilinear(LayerModule, of=bilinear):
    """Bilinear map of two inputs."""
