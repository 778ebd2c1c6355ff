"""Modules that learn the size of their input from the first one, and then are ordinary ones."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from fgrad.functions.inplace import set_grad
from fgrad.nn.affine import Conv1d, Conv2d, Conv3d, Linear, conv1d, conv2d, conv3d, linear
from fgrad.nn.grouped import (
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    instance_norm1d,
    instance_norm2d,
    instance_norm3d,
)
from fgrad.nn.layer import Global
from fgrad.nn.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d, batch_norm1d, batch_norm2d, batch_norm3d
from fgrad.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from fgrad.nn.transposed import (
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)


class LazyModuleMixin:
    """Tensors without shapes until the first call; the class changes to `cls_to_become` then.

    size: the argument that the input tells.
    """

    cls_to_become: ClassVar[Any]
    size: ClassVar[str]

    def __init_subclass__(cls: Any, of: Any = None) -> None:
        if of is not None:  # the first parameter is not one of the constructor's
            super().__init_subclass__(of)  # type: ignore[call-arg]
            own = inspect.signature(cls.__init__ if "affine" in inspect.signature(cls.__init__).parameters else of)
            given = [p for p in own.parameters.values() if p.name not in ("self", cls.size, "kwargs")]
            cls.__signature__ = own.replace(parameters=given)

    def __init__(self: Any, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(0, *args, device=device, dtype=dtype, **kwargs)  # type: ignore[call-arg]
        for name, p in self._parameters.items():
            if p is not None:
                self._parameters[name] = UninitializedParameter(device=device, dtype=dtype)
        for name, b in self._buffers.items():
            if b is not None and name != "num_batches_tracked":
                self._buffers[name] = UninitializedBuffer(device=device, dtype=dtype)

    def has_uninitialized_params(self: Any) -> bool:
        """True before the first call."""
        return any(is_lazy(x) for x in (*self._parameters.values(), *self._buffers.values()))

    def initialize_parameters(self: Any, input: Any) -> None:
        """Every tensor in the shape that the input asks for, drawn as usual."""
        given = {**self._arguments, self.size: self._size_of(input)}
        layer = type(self).make(**given)
        before = set_grad(False)
        try:
            for name, p in (*layer.params.items(), *layer.state.items()):
                x = getattr(self, name)
                if is_lazy(x):
                    x.materialize(p.shape)
                    x.copy_(p.start(Global(x.dtype), p.shape))
        finally:
            set_grad(before)
        self.__dict__.update(layer=layer, _arguments=given)
        object.__setattr__(self, self.size, given[self.size])

    def _size_of(self: Any, input: Any) -> int:
        if self.size == "in_features":
            return int(input.shape[-1])
        rank = getattr(type(self), "rank", None)
        return int(input.shape[0 if rank is not None and input.ndim == rank + 1 else 1])

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Takes its sizes from the input, becomes an ordinary module, and runs."""
        self.initialize_parameters(*args, **kwargs)
        object.__setattr__(self, "__class__", self.cls_to_become)
        return self(*args, **kwargs)


class LazyLinear(LazyModuleMixin, Linear, of=linear):
    """Linear whose in_features the first input tells."""

    cls_to_become, size = Linear, "in_features"


class LazyConv1d(LazyModuleMixin, Conv1d, of=conv1d):
    """Conv1d whose in_channels the first input tells."""

    cls_to_become, size = Conv1d, "in_channels"


class LazyConv2d(LazyModuleMixin, Conv2d, of=conv2d):
    """Conv2d whose in_channels the first input tells."""

    cls_to_become, size = Conv2d, "in_channels"


class LazyConv3d(LazyModuleMixin, Conv3d, of=conv3d):
    """Conv3d whose in_channels the first input tells."""

    cls_to_become, size = Conv3d, "in_channels"


class LazyConvTranspose1d(LazyModuleMixin, ConvTranspose1d, of=conv_transpose1d):
    """ConvTranspose1d whose in_channels the first input tells."""

    cls_to_become, size = ConvTranspose1d, "in_channels"


class LazyConvTranspose2d(LazyModuleMixin, ConvTranspose2d, of=conv_transpose2d):
    """ConvTranspose2d whose in_channels the first input tells."""

    cls_to_become, size = ConvTranspose2d, "in_channels"


class LazyConvTranspose3d(LazyModuleMixin, ConvTranspose3d, of=conv_transpose3d):
    """ConvTranspose3d whose in_channels the first input tells."""

    cls_to_become, size = ConvTranspose3d, "in_channels"


class LazyBatchNorm1d(LazyModuleMixin, BatchNorm1d, of=batch_norm1d):
    """BatchNorm1d whose num_features the first input tells."""

    cls_to_become, size = BatchNorm1d, "num_features"


class LazyBatchNorm2d(LazyModuleMixin, BatchNorm2d, of=batch_norm2d):
    """BatchNorm2d whose num_features the first input tells."""

    cls_to_become, size = BatchNorm2d, "num_features"


class LazyBatchNorm3d(LazyModuleMixin, BatchNorm3d, of=batch_norm3d):
    """BatchNorm3d whose num_features the first input tells."""

    cls_to_become, size = BatchNorm3d, "num_features"


class LazyInstanceNorm(LazyModuleMixin):
    """What lazy instance normalisations share: weights and running statistics unless told otherwise."""

    def __init__(self: Any, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, track_running_stats: bool = True,
                 **kwargs: Any) -> None:  # fmt: skip
        super().__init__(eps, momentum, affine, track_running_stats, **kwargs)

    def _size_of(self: Any, input: Any) -> int:
        return int(input.shape[0 if input.ndim == self.spatial + 1 else 1])


class LazyInstanceNorm1d(LazyInstanceNorm, InstanceNorm1d, of=instance_norm1d):
    """InstanceNorm1d whose num_features the first input tells."""

    cls_to_become, size, spatial = InstanceNorm1d, "num_features", 1


class LazyInstanceNorm2d(LazyInstanceNorm, InstanceNorm2d, of=instance_norm2d):
    """InstanceNorm2d whose num_features the first input tells."""

    cls_to_become, size, spatial = InstanceNorm2d, "num_features", 2


class LazyInstanceNorm3d(LazyInstanceNorm, InstanceNorm3d, of=instance_norm3d):
    """InstanceNorm3d whose num_features the first input tells."""

    cls_to_become, size, spatial = InstanceNorm3d, "num_features", 3
