"""Modules that pad, resize and rearrange, each over its function."""

from __future__ import annotations

from typing import Any, ClassVar

from fgrad.functions.shape import flatten, unflatten
from fgrad.nn import functional as f
from fgrad.nn.module import Module
from fgrad.nn.simple import FunctionModule


def _flatten(input: Any, start_dim: int = 1, end_dim: int = -1) -> Any:
    return flatten(input, start_dim, end_dim)


class Flatten(FunctionModule, of=_flatten):
    """Dimensions start_dim to end_dim as one (all but the batch, by default)."""


class Identity(Module):
    """Its input. Arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input itself."""
        return input


class Unflatten(Module):
    """One dimension as several: Unflatten(dim, sizes)."""

    def __init__(self, dim: Any, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError("unflattened_size must be tuple of tuples, but named dimensions are not supported here")
        if not isinstance(unflattened_size, tuple | list) or not all(isinstance(d, int) for d in unflattened_size):
            raise TypeError(f"unflattened_size must be tuple of ints, but found {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Any) -> Any:
        """See unflatten."""
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Fold(FunctionModule, of=f.fold):
    """Columns added up as windows of an image."""


class Unfold(FunctionModule, of=f.unfold):
    """Windows of an image as columns."""


class PixelShuffle(FunctionModule, of=f.pixel_shuffle):
    """Channels as pixels."""


class PixelUnshuffle(FunctionModule, of=f.pixel_unshuffle):
    """Pixels as channels."""


class ChannelShuffle(FunctionModule, of=f.channel_shuffle):
    """Channels dealt out over groups."""


class Upsample(Module):
    """interpolate with fixed arguments."""

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                 recompute_scale_factor: bool | None = None) -> None:  # fmt: skip
        super().__init__()
        many = isinstance(scale_factor, tuple | list)
        self.name = type(self).__name__
        self.size, self.mode = size, mode
        self.scale_factor = tuple(float(s) for s in scale_factor) if many else float(scale_factor) if scale_factor else None
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        """See nn.functional.interpolate."""
        return f.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        """The size or the factor, and the mode."""
        what = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample by the nearest pixel."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample bilinearly, corners aligned."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class Padding(Module):
    """What paddings share: (low, high) for the last dimension, then for the one before, ..."""

    rank: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self.rank) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Any) -> Any:
        """See nn.functional.pad."""
        return f.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class ConstantPad(Padding):
    """What paddings with a number share."""

    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """See nn.functional.pad."""
        return f.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The widths and the number."""
        return f"padding={self.padding}, value={self.value}"


class ZeroPad(ConstantPad):
    """What paddings with zeros share."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class ConstantPad1d(ConstantPad):
    """A number around the last dimension."""

    rank = 1


class ConstantPad2d(ConstantPad):
    """A number around the last 2 dimensions."""

    rank = 2


class ConstantPad3d(ConstantPad):
    """A number around the last 3 dimensions."""

    rank = 3


class ZeroPad1d(ZeroPad):
    """Zeros around the last dimension."""

    rank = 1


class ZeroPad2d(ZeroPad):
    """Zeros around the last 2 dimensions."""

    rank = 2


class ZeroPad3d(ZeroPad):
    """Zeros around the last 3 dimensions."""

    rank = 3


class ReflectionPad1d(Padding):
    """Reflections around the last dimension."""

    rank = 1
    mode = "reflect"


class ReflectionPad2d(Padding):
    """Reflections around the last 2 dimensions."""

    rank = 2
    mode = "reflect"


class ReflectionPad3d(Padding):
    """Reflections around the last 3 dimensions."""

    rank = 3
    mode = "reflect"


class ReplicationPad1d(Padding):
    """The edge continued around the last dimension."""

    rank = 1
    mode = "replicate"


class ReplicationPad2d(Padding):
    """The edge continued around the last 2 dimensions."""

    rank = 2
    mode = "replicate"


class ReplicationPad3d(Padding):
    """The edge continued around the last 3 dimensions."""

    rank = 3
    mode = "replicate"


class CircularPad1d(Padding):
    """The other end continued around the last dimension."""

    rank = 1
    mode = "circular"


class CircularPad2d(Padding):
    """The other end continued around the last 2 dimensions."""

    rank = 2
    mode = "circular"


class CircularPad3d(Padding):
    """The other end continued around the last 3 dimensions."""

    rank = 3
    mode = "circular"
