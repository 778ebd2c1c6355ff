"""PyTorch's top-level functions that stand on nn, autograd and random: imported when one of them is first named."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fgrad.amp import GradScaler as GradScaler
from fgrad.autograd.anomaly_mode import is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled
from fgrad.autograd.anomaly_mode import is_anomaly_enabled as is_anomaly_enabled
from fgrad.autograd.anomaly_mode import set_detect_anomaly
from fgrad.eager import generator as g
from fgrad.eager.convert import FACES
from fgrad.eager.record import record
from fgrad.errors import ArgumentError, DtypeError, ShapeError
from fgrad.functions.call import R, axis_of, device_of
from fgrad.functions.creation import empty, from_numpy
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.functions.linalg import matrix_norm, vector_norm
from fgrad.functions.pointwise import into, mul, where
from fgrad.functions.random import bernoulli_bits
from fgrad.functions.reductions import norm
from fgrad.functions.scripted import fork as fork
from fgrad.functions.scripted import wait as wait
from fgrad.ir.apply import caller
from fgrad.nn import functional as f
from fgrad.random import counts
from fgrad.utils.dlpack import to_dlpack as to_dlpack

has_lapack, has_spectral, has_mkl, has_openmp = True, True, False, False
CONVOLUTIONS: dict[tuple[int, bool], Callable[..., Any]] = {(3, False): f.conv1d, (4, False): f.conv2d, (5, False): f.conv3d,
                (3, True): f.conv_transpose1d, (4, True): f.conv_transpose2d, (5, True): f.conv_transpose3d}  # fmt: skip


def _key(generator: Any) -> Any:
    return g.draw(FACES["array"], (2,), generator)


def _tensor(drawn: Any, like: Any) -> Any:
    return record(type(like)._result, R["convert"], (drawn,), (like._type.dtype,))


def _floats(name: str, x: Any) -> None:
    if x._type.dtype.kind not in "fV":
        raise DtypeError(f"{name} of a tensor of {x._type.dtype.name} is not implemented", where=caller(), fix="convert it to a float dtype")


def poisson(input: Any, generator: Any = None) -> Any:
    """Counts k with probability r^k e^-r / k!, r the elements of a float tensor, in its dtype.

    Raises ArgumentError for a negative rate, and DtypeError unless rates are floats.  Source: see fgrad.random.poisson.
    """
    _floats("poisson", input)
    if not bool((input >= 0).all()):
        raise ArgumentError("invalid Poisson rate, expected rate to be non-negative", where=caller(), fix="use rates of 0 or more")
    return _tensor(counts.poisson(_key(generator), input.detach(), dtype=np.float64), input)


def binomial(count: Any, prob: Any, generator: Any = None) -> Any:
    """The number of successes of `count` trials of probability `prob`: float tensors of one dtype, broadcast.

    Raises DtypeError for integers or two dtypes.  Source: see fgrad.random.binomial.
    """
    for name, x in (("count", count), ("prob", prob)):
        if x._type.dtype.kind not in "fV":
            raise ArgumentError(f"binomial only supports floating-point dtypes for {name}, got: {x._type.dtype.name}", where=caller(), fix="convert it with .float()")
    if count._type.dtype != prob._type.dtype:
        raise DtypeError(f"Found dtype {prob._type.dtype.name} but expected {count._type.dtype.name}", where=caller(), fix="convert one of them")
    n, p = count.detach().clamp(min=0), prob.detach().clamp(0, 1)
    known = (n == n) & (p == p)
    drawn = counts.binomial(_key(generator), where(known, n, 0.0), where(known, p, 0.0), dtype=np.float64)
    return where(known, _tensor(drawn, count), math.nan)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """conv1d of x[time, batch, c_in] with weight[width, c_in, c_out]: [time, batch, c_out], padded by `pad` steps at both ends."""
    if input._type.ndim != 3 or weight._type.ndim != 3:
        raise ShapeError(f"conv_tbc: expected x[time, batch, channels] and weight[width, in, out], got {input._type} and {weight._type}", where=caller(),
                         fix="give three dimensions each")  # fmt: skip
    return f.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad).permute(2, 0, 1)


def convolution(input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any, groups: int) -> Any:
    """conv1d, conv2d, conv3d or, `transposed`, their conv_transpose, by the number of dimensions."""
    op = CONVOLUTIONS.get((input._type.ndim, bool(transposed)))
    if op is None:
        raise ShapeError(f"convolution: expected 3 to 5 dimensions, got {input._type}", where=caller(), fix="give batch, channels and 1 to 3 others")
    sizes = [tuple(x) if isinstance(x, tuple | list) and len(x) > 1 else x[0] if isinstance(x, tuple | list) else x for x in (stride, padding, dilation, output_padding)]
    if transposed:
        return op(input, weight, bias, sizes[0], sizes[1], sizes[3], groups, sizes[2])
    return op(input, weight, bias, *sizes[:3], groups)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The p-norm over all dimensions but one, which stays with the others at length 1; of everything for dim -1."""
    if dim == -1:
        return norm(v, pow)
    axis = axis_of(v, dim)
    return vector_norm(v, pow, dim=[i for i in range(v._type.ndim) if i != axis], keepdim=True)


def frobenius_norm(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The square root of the sum of squares over `dim`."""
    return into(out, vector_norm(input, 2, dim=dim if isinstance(dim, int) or dim else None, keepdim=keepdim))


def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The sum of the singular values of matrices (of two dimensions, if named)."""
    if isinstance(dim, bool):
        dim, keepdim = None, dim
    return into(out, matrix_norm(input, "nuc", dim=(-2, -1) if dim is None else tuple(dim), keepdim=keepdim))


def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """grid_sample with the modes as numbers: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection."""
    modes, pads = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    if not (0 <= interpolation_mode < 3 and 0 <= padding_mode < 3):
        raise ArgumentError(f"grid_sampler: no modes {interpolation_mode}, {padding_mode}", where=caller(), fix="use 0, 1 or 2")
    return f.grid_sample(input, grid, modes[interpolation_mode], pads[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Any, size: Any, align_corners: bool) -> Any:
    """See nn.functional.affine_grid."""
    return f.affine_grid(theta, size, align_corners)


def _moments(x: Any, axes: Any, eps: float) -> tuple[Any, Any]:
    """Mean and 1 / sqrt(variance + eps)."""
    middle = x.mean(axes, keepdim=True)
    return middle, ((x - middle).square().mean(axes, keepdim=True) + eps).rsqrt()


def native_batch_norm(input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float) -> Any:
    """(batch_norm, the mean and 1 / sqrt(variance + eps) of each channel of the batch; both empty unless `training`)."""
    y = f.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return y, input.new_empty(0), input.new_empty(0)
    middle, scale = _moments(input, [i for i in range(input._type.ndim) if i != 1], eps)
    return y, middle.flatten(), scale.flatten()


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    """(layer_norm, mean, 1 / sqrt(variance + eps)), the latter with the normalised dimensions at length 1."""
    y = f.layer_norm(input, tuple(normalized_shape), weight, bias, eps)
    return y, *_moments(input, list(range(input._type.ndim - len(normalized_shape), input._type.ndim)), eps)


def native_group_norm(input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float) -> Any:  # noqa: N803  # PyTorch's names
    """(group_norm, mean[N, group], 1 / sqrt(variance + eps)[N, group])."""
    middle, scale = _moments(input.reshape(N, group, -1), [2], eps)
    return f.group_norm(input, group, weight, bias, eps), middle.reshape(N, group), scale.reshape(N, group)


def native_dropout(input: Any, p: float, train: bool | None) -> Any:
    """(dropout, a bool mask of what was kept); train None is True."""
    if train is False:
        return input.clone(), input.new_ones(input._type.shape, dtype=bool)
    kept = bernoulli_bits(type(input)._result, input._type.shape, 1 - p, None, input._device)
    return mul(mul(input, kept), 1 / (1 - p) if p < 1 else 0.0), kept


native_channel_shuffle = f.channel_shuffle


def _in_place(op: Callable[..., Any]) -> Callable[..., Any]:
    def drop(input: Any, p: float, train: bool) -> Any:
        return input.copy_(op(input, p, train))

    drop.__name__ = drop.__qualname__ = f"{op.__name__}_"
    drop.__doc__ = f"{op.__name__}, written to `input`."
    return drop


def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """dropout of whole channels: of all elements with the same first two indices at once."""
    if input._type.ndim < 2:
        raise ShapeError("Feature dropout requires at least 2 dimensions in the input", where=caller(), fix="add a batch dimension")
    if not train or p == 0:
        return input
    shape = (*input._type.shape[:2], *(1,) * (input._type.ndim - 2))
    kept = bernoulli_bits(type(input)._result, shape, 1 - p, None, input._device)
    return mul(mul(input, kept), 1 / (1 - p) if p < 1 else 0.0)


dropout_, alpha_dropout_, feature_alpha_dropout_, feature_dropout_ = (
    _in_place(op) for op in (f.dropout, f.alpha_dropout, f.feature_alpha_dropout, feature_dropout))  # fmt: skip


def embedding_renorm_(input: Any, indices: Any, max_norm: float, norm_type: float) -> Any:
    """Scales those rows of a matrix that are named down to a norm of at most max_norm, in place."""
    f.embedding(indices, input, max_norm=max_norm, norm_type=norm_type)
    return input


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """As autograd.set_detect_anomaly."""
    set_detect_anomaly(mode, check_nan)


def empty_permuted(size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **options: Any) -> Any:
    """A tensor whose dimensions lie in memory in the order named, from the slowest to the fastest."""
    if len(size) != len(physical_layout):
        raise ArgumentError(f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = {len(size)} is not equal to "
                            f"len(physical_layout) = {len(physical_layout)}", where=caller(), fix="name every dimension once")  # fmt: skip
    x = empty(tuple(size[i] for i in physical_layout), dtype=dtype, device=device, **options)
    y = x.permute(sorted(range(len(size)), key=lambda i: physical_layout[i]))
    return y.requires_grad_() if requires_grad else y


def empty_strided(size: Any, stride: Any, **options: Any) -> Any:
    """A tensor with these strides: those of a permutation of a row-major one.  Raises ArgumentError for gaps and overlaps."""
    order = sorted(range(len(size)), key=lambda i: (-stride[i], i))
    x = empty_permuted(size, order, **options)
    if any(a != b for a, b, n in zip(x.stride(), stride, size, strict=True) if n > 1):
        raise ArgumentError(f"strides {list(stride)} of size {list(size)} leave gaps or overlap", where=caller(), fix="use empty and slices")
    return x


def from_file(filename: Any, shared: bool | None = None, size: int = 0, *, dtype: Any = None, requires_grad: bool = False, **options: Any) -> Any:
    """A vector of `size` elements of a file's bytes; shared: writes go to the file, which is made as long as needed."""
    d = default_float() if dtype is None else as_numpy(dtype)
    path = Path(filename)
    if shared and (not path.exists() or path.stat().st_size < size * d.itemsize):
        with path.open("ab") as file:
            file.truncate(size * d.itemsize)
    if not shared and path.stat().st_size < size * d.itemsize:
        raise ArgumentError(f"file {filename} has {path.stat().st_size} bytes, fewer than {size * d.itemsize}", where=caller(), fix="ask for fewer elements")
    x = from_numpy(np.asarray(np.memmap(path, d, "r+" if shared else "c", shape=(size,))) if size else np.zeros(0, d))
    return x.requires_grad_() if requires_grad else x


def get_device_module(device: Any = None) -> ModuleType:
    """fgrad.cpu or fgrad.cuda."""
    return importlib.import_module(f"fgrad.{device_of(device).type}")


def is_inference(input: Any) -> bool:
    """`input.is_inference()`."""
    return bool(input.is_inference())


def is_distributed(input: Any) -> bool:
    """`input.is_distributed()`."""
    return bool(input.is_distributed())


def sym_int(a: Any) -> int:
    """int(a): sizes are numbers here."""
    return int(a)


def sym_float(a: Any) -> float:
    """float(a)."""
    return float(a)


def sym_max(a: Any, b: Any) -> Any:
    """The larger; a float if one is."""
    return type(a + b)(max(a, b))


def sym_min(a: Any, b: Any) -> Any:
    """The smaller; a float if one is."""
    return type(a + b)(min(a, b))


def sym_not(a: Any) -> bool:
    """not a."""
    return not a


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """t if b, else f."""
    return t if b else f


def sym_sum(args: Any) -> Any:
    """sum(args)."""
    return sum(args)


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)
