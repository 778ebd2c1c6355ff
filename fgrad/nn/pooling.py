"""Pooling as Modules, each over its function of nn.functional."""

from __future__ import annotations

from typing import Any, ClassVar

from fgrad.nn import functional as f
from fgrad.nn.functional.convolution import each
from fgrad.nn.simple import FunctionModule


class MaxPool1d(FunctionModule, of=f.max_pool1d, last="ceil_mode",
                shown="kernel_size stride padding dilation ceil_mode"):
    """The largest of each window of a sequence."""


class MaxPool2d(FunctionModule, of=f.max_pool2d, last="ceil_mode",
                shown="kernel_size stride padding dilation ceil_mode"):
    """The largest of each window of an image."""


class AvgPool1d(FunctionModule, of=f.avg_pool1d, shown="kernel_size stride padding"):
    """The mean of each window of a sequence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, each(self.__dict__[name], 1, name))


class AvgPool2d(FunctionModule, of=f.avg_pool2d, shown="kernel_size stride padding"):
    """The mean of each window of an image."""


class AdaptiveAvgPool1d(FunctionModule, of=f.adaptive_avg_pool1d):
    """Means of windows chosen for an output length."""


class AdaptiveAvgPool2d(FunctionModule, of=f.adaptive_avg_pool2d):
    """Means of windows chosen for an output size."""


class MaxPool3d(FunctionModule, of=f.max_pool3d, last="ceil_mode",
                shown="kernel_size stride padding dilation ceil_mode"):
    """The largest of each window of a volume."""


class AvgPool3d(FunctionModule, of=f.avg_pool3d, shown="kernel_size stride padding"):
    """The mean of each window of a volume."""


class AdaptiveAvgPool3d(FunctionModule, of=f.adaptive_avg_pool3d):
    """Means of windows chosen for an output size."""


class AdaptiveMaxPool1d(FunctionModule, of=f.adaptive_max_pool1d, shown="output_size"):
    """Maxima of windows chosen for an output length."""


class AdaptiveMaxPool2d(FunctionModule, of=f.adaptive_max_pool2d, shown="output_size"):
    """Maxima of windows chosen for an output size."""


class AdaptiveMaxPool3d(FunctionModule, of=f.adaptive_max_pool3d, shown="output_size"):
    """Maxima of windows chosen for an output size."""


class LPPool(FunctionModule):
    """What pools of norms of every rank share: a stride that stays None."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stride = kwargs.get("stride", args[2] if len(args) > 2 else None)


class LPPool1d(LPPool, of=f.lp_pool1d):
    """Norms of each window of a sequence."""


class LPPool2d(LPPool, of=f.lp_pool2d):
    """Norms of each window of an image."""


class LPPool3d(LPPool, of=f.lp_pool3d):
    """Norms of each window of a volume."""


class FractionalMaxPool(FunctionModule):
    """What fractional pools of every rank share: one of output_size and output_ratio."""

    rank: ClassVar[int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = self.__dict__
        self.kernel_size = each(own["kernel_size"], self.rank, "kernel_size")
        if (own["output_size"] is None) == (own["output_ratio"] is None):
            raise ValueError(f"{type(self).__name__} requires specifying either an output size, or a pooling ratio"
                             if own["output_size"] is None else "only one of output_size and output_ratio may be specified")  # fmt: skip
        if own["output_size"] is not None:
            self.output_size = each(own["output_size"], self.rank, "output_size")
        if own["output_ratio"] is not None:
            ratio = own["output_ratio"]
            self.output_ratio = tuple(ratio) if isinstance(ratio, tuple | list) else (ratio,) * self.rank
            if not all(0 < r < 1 for r in self.output_ratio):
                raise ValueError(f"output_ratio must be between 0 and 1 (got {ratio})")


class FractionalMaxPool2d(FractionalMaxPool, of=f.fractional_max_pool2d, shown=""):
    """Maxima of windows whose starts are drawn, of an image."""

    rank = 2


class FractionalMaxPool3d(FractionalMaxPool, of=f.fractional_max_pool3d, shown=""):
    """Maxima of windows whose starts are drawn, of a volume."""

    rank = 3


class MaxUnpool(FunctionModule):
    """What the inverses of max pools of every rank share: sizes as tuples, and a size that a call may ask for."""

    rank: ClassVar[int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, each(self.__dict__[name], self.rank, name))

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """See nn.functional.max_unpool2d."""
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(MaxUnpool, of=f.max_unpool1d, skip=2, hide="output_size"):
    """The inverse of MaxPool1d."""

    rank = 1


class MaxUnpool2d(MaxUnpool, of=f.max_unpool2d, skip=2, hide="output_size"):
    """The inverse of MaxPool2d."""

    rank = 2


class MaxUnpool3d(MaxUnpool, of=f.max_unpool3d, skip=2, hide="output_size"):
    """The inverse of MaxPool3d."""

    rank = 3
