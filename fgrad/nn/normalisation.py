"""Normalisation over batches and layers as Layers, and the Modules over them."""

from __future__ import annotations

import math
from typing import Any

from fgrad.functions.call import compose, convert
from fgrad.nn.affine import constant
from fgrad.nn.functional import normalisation as f
from fgrad.nn.layer import Layer, LayerModule, Param, stateless
from fgrad.primitives.structure import stop_gradient


def batch_norm(rank: tuple[int, ...], num_features: int, eps: float, momentum: float | None, affine: bool,
               track_running_stats: bool, bias: bool) -> Layer:  # fmt: skip
    """Batch normalisation for inputs of some ranks."""
    params = {"weight": Param((num_features,), constant(1.0))}
    if bias:
        params["bias"] = Param((num_features,), constant(0.0))
    state = {
        "running_mean": Param((num_features,), constant(0.0)),
        "running_var": Param((num_features,), constant(1.0)),
        "num_batches_tracked": Param((), constant(0, "int64")),
    }

    def apply(p: Any, s: Any, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        if x.ndim not in rank:
            raise ValueError(f"expected {' or '.join(f'{r}D' for r in rank)} input (got {x.ndim}D input)")
        weight, shift = p.get("weight"), p.get("bias")
        if not train and s.get("running_mean") is not None:
            return f.batch_norm(x, s["running_mean"], s["running_var"], weight, shift, False, 0.0, eps), s
        count = math.prod(x.shape) // max(num_features, 1)
        if count <= 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {tuple(x.shape)}")
        y, mean, var = f.batch_statistics(x, weight, shift, eps)
        if not track_running_stats or s.get("running_mean") is None:
            return y, s
        batches = s["num_batches_tracked"] + 1
        m = 1.0 / batches if momentum is None else momentum
        mean, var = (convert(stop(t), s["running_mean"]._type.dtype) for t in (mean, var))
        new = {
            "running_mean": s["running_mean"] * (1 - m) + mean * m,
            "running_var": s["running_var"] * (1 - m) + var * (count / (count - 1)) * m,
            "num_batches_tracked": batches,
        }
        return y, new

    return Layer(params if affine else {}, apply, state if track_running_stats else {})


def stop(x: Any) -> Any:
    """`x` without history."""
    return compose(stop_gradient, x)


def batch_norm1d(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, bias: bool = True) -> Layer:  # fmt: skip
    """(x - mean) / sqrt(var + eps) * weight + bias per channel, for float[n, c] or float[n, c, l].

    In training the batch's statistics, and running ones move by `momentum` (None: their plain average).
    Source: Ioffe & Szegedy 2015.
    """
    return batch_norm((2, 3), num_features, eps, momentum, affine, track_running_stats, bias)


def batch_norm2d(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, bias: bool = True) -> Layer:  # fmt: skip
    """As batch_norm1d, for images float[n, c, h, w]."""
    return batch_norm((4,), num_features, eps, momentum, affine, track_running_stats, bias)


def batch_norm3d(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, bias: bool = True) -> Layer:  # fmt: skip
    """As batch_norm1d, for volumes float[n, c, d, h, w]."""
    return batch_norm((5,), num_features, eps, momentum, affine, track_running_stats, bias)


def sync_batch_norm(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                    track_running_stats: bool = True, process_group: Any = None, *, bias: bool = True) -> Layer:  # fmt: skip
    """As batch_norm1d, for inputs of any rank from 2 on; with one process, the batch is the whole batch."""
    return batch_norm(tuple(range(2, 65)), num_features, eps, momentum, affine, track_running_stats, bias)


class BatchNorm(LayerModule):
    """What batch normalisations of every rank share."""

    absent = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    _version = 2  # PyTorch's: version 1 had no num_batches_tracked

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        version, name = local_metadata.get("version"), f"{prefix}num_batches_tracked"
        own = self._buffers["num_batches_tracked"]
        if (version is None or version < 2) and own is not None and name not in state_dict:
            state_dict[name] = own
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def reset_running_stats(self) -> None:
        """Running statistics as at the start."""
        for name in self.layer.state:
            x = self._buffers[name]
            x.fill_(1 if name == "running_var" else 0)  # type: ignore[union-attr]

    def extra_repr(self) -> str:
        """The arguments the layer was made with."""
        own = self.__dict__
        shown = [f"{k}={own[k]}" for k in ("eps", "momentum", "affine")]
        return ", ".join([str(own["num_features"]), *shown, f"bias={self.bias is not None}",
                          f"track_running_stats={own['track_running_stats']}"])  # fmt: skip


class BatchNorm1d(BatchNorm, of=batch_norm1d):
    """Batch normalisation of vectors and sequences."""


class BatchNorm2d(BatchNorm, of=batch_norm2d):
    """Batch normalisation of images."""


class BatchNorm3d(BatchNorm, of=batch_norm3d):
    """Batch normalisation of volumes."""


class SyncBatchNorm(BatchNorm, of=sync_batch_norm):
    """Batch normalisation over all processes."""

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """The module with every batch normalisation in it replaced by one of this class that holds the same tensors."""
        if isinstance(module, BatchNorm) and not isinstance(module, cls):
            own = module.__dict__
            options = {k: own[k] for k in ("eps", "momentum", "affine", "track_running_stats")}
            new = cls(own["num_features"], **options, process_group=process_group, bias=not (own["affine"] and module.bias is None))
            new._parameters.update(module._parameters)
            new._buffers.update(module._buffers)
            object.__setattr__(new, "training", module.training)
            return new
        for name, child in list(module._modules.items()):
            if child is not None:
                module._modules[name] = cls.convert_sync_batchnorm(child, process_group)
        return module


def layer_norm(normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True) -> Layer:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions. Source: Ba et al. 2016."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    params = {}
    if elementwise_affine:
        params["weight"] = Param(shape, constant(1.0))
        if bias:
            params["bias"] = Param(shape, constant(0.0))

    @stateless
    def apply(p: Any, x: Any) -> Any:
        return f.layer_norm(x, shape, p.get("weight"), p.get("bias"), eps)

    return Layer(params, apply)


class LayerNorm(LayerModule, of=layer_norm):
    """Layer normalisation."""

    absent = ("weight", "bias")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shape = self.normalized_shape
        object.__setattr__(self, "normalized_shape", (shape,) if isinstance(shape, int) else tuple(shape))

    def extra_repr(self) -> str:
        """The arguments the layer was made with."""
        own = self.__dict__
        return (f"{own['normalized_shape']}, eps={own['eps']}, elementwise_affine={own['elementwise_affine']}, "
                f"bias={self.bias is not None}")  # fmt: skip
