"""Normalisation over groups, instances, root mean squares and neighbours: Layers, and the Modules over them."""

from __future__ import annotations

import math
from typing import Any

from fgrad.functions.call import convert
from fgrad.nn.affine import constant
from fgrad.nn.functional import normalisation as f
from fgrad.nn.layer import Layer, LayerModule, Param, stateless
from fgrad.nn.module import Module
from fgrad.nn.normalisation import BatchNorm, stop


def group_norm(num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True) -> Layer:
    """(x - mean) / sqrt(var + eps) * weight + bias over each group of channels of each example. Source: Wu & He 2018."""
    if num_channels % num_groups:
        raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
    params = {"weight": Param((num_channels,), constant(1.0))} if affine else {}
    if affine and bias:
        params["bias"] = Param((num_channels,), constant(0.0))

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.group_norm(x, num_groups, p.get("weight"), p.get("bias"), eps)

    return Layer(params, apply)


class GroupNorm(LayerModule, of=group_norm):
    """Group normalisation."""

    absent = ("weight", "bias")

    def extra_repr(self) -> str:
        """The arguments the layer was made with."""
        own = self.__dict__
        return f"{own['num_groups']}, {own['num_channels']}, eps={own['eps']}, affine={own['affine']}, bias={self.bias is not None}"


def instance_norm(rank: int, num_features: int, eps: float, momentum: float, affine: bool, track_running_stats: bool, bias: bool) -> Layer:
    """Instance normalisation over `rank` spatial dimensions; the batch dimension may be absent."""
    params = {"weight": Param((num_features,), constant(1.0))} if affine else {}
    if affine and bias:
        params["bias"] = Param((num_features,), constant(0.0))
    state = {
        "running_mean": Param((num_features,), constant(0.0)),
        "running_var": Param((num_features,), constant(1.0)),
        "num_batches_tracked": Param((), constant(0, "int64")),
    }

    def apply(p: Any, s: Any, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        if x.ndim not in (rank + 1, rank + 2):
            raise ValueError(f"expected {rank + 1}D or {rank + 2}D input (got {x.ndim}D input)")
        single = x.ndim == rank + 1
        x = x[None] if single else x
        if affine and x.shape[1] != num_features:
            raise ValueError(f"expected input's size at dim=1 to match num_features ({num_features}), but got: {x.shape[1]}.")
        weight, shift = p.get("weight"), p.get("bias")
        if track_running_stats and not train:
            y = f.instance_norm(x, s["running_mean"], s["running_var"], weight, shift, False, 0.0, eps)
            return (y[0] if single else y), s
        y, mean, var = f.instance_statistics(x, weight, shift, eps)
        if track_running_stats:
            n = math.prod(x.shape[2:])
            kind = s["running_mean"]._type.dtype
            mean, var = convert(stop(mean).mean(0), kind), convert(stop(var).mean(0) * (n / max(n - 1, 1)), kind)
            s = {
                "running_mean": s["running_mean"] * (1 - momentum) + mean * momentum,
                "running_var": s["running_var"] * (1 - momentum) + var * momentum,
                "num_batches_tracked": s["num_batches_tracked"],
            }
        return (y[0] if single else y), s

    return Layer(params, apply, state if track_running_stats else {})


def instance_norm1d(num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                    track_running_stats: bool = False, *, bias: bool = True) -> Layer:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias per channel of each example, for float[n, c, l]. Source: Ulyanov et al. 2016."""
    return instance_norm(1, num_features, eps, momentum, affine, track_running_stats, bias)


def instance_norm2d(num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                    track_running_stats: bool = False, *, bias: bool = True) -> Layer:  # fmt: skip
    """As instance_norm1d, for images float[n, c, h, w]."""
    return instance_norm(2, num_features, eps, momentum, affine, track_running_stats, bias)


def instance_norm3d(num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
                    track_running_stats: bool = False, *, bias: bool = True) -> Layer:  # fmt: skip
    """As instance_norm1d, for volumes float[n, c, d, h, w]."""
    return instance_norm(3, num_features, eps, momentum, affine, track_running_stats, bias)


class InstanceNorm1d(BatchNorm, of=instance_norm1d):
    """Instance normalisation of sequences."""


class InstanceNorm2d(BatchNorm, of=instance_norm2d):
    """Instance normalisation of images."""


class InstanceNorm3d(BatchNorm, of=instance_norm3d):
    """Instance normalisation of volumes."""


def rms_norm(normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True) -> Layer:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimensions; eps: the dtype's unless given. Source: Zhang & Sennrich 2019."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.rms_norm(x, shape, p.get("weight"), eps)

    return Layer({"weight": Param(shape, constant(1.0))} if elementwise_affine else {}, apply)


class RMSNorm(LayerModule, of=rms_norm):
    """Root mean square normalisation."""

    absent = ("weight",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shape = self.normalized_shape
        object.__setattr__(self, "normalized_shape", (shape,) if isinstance(shape, int) else tuple(shape))

    def extra_repr(self) -> str:
        """The arguments the layer was made with."""
        own = self.__dict__
        return f"{own['normalized_shape']}, eps={own['eps']}, elementwise_affine={own['elementwise_affine']}"


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels)^beta. Source: Krizhevsky et al. 2012."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """See nn.functional.local_response_norm."""
        return f.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """LocalResponseNorm, under its older name."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)
