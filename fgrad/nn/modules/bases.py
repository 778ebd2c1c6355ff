"""PyTorch's base classes of layers, by isinstance: each knows the classes that PyTorch derives from it."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from fgrad.nn import affine, dropout, grouped, losses, normalisation, pooling, shaping, transposed
from fgrad.nn.functional.loss import legacy
from fgrad.nn.module import Module

__all__ = ["BASES", "Container", "NonDynamicallyQuantizableLinear"]


class _Loss(Module, metaclass=ABCMeta):
    """A loss with a reduction: "mean", "sum" or "none"; size_average and reduce are its old spelling."""

    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__()
        given = size_average is not None or reduce is not None
        self.reduction = legacy(size_average, reduce, reduction) if given else reduction


class _WeightedLoss(_Loss):
    """A loss with a weight for each class, a buffer."""

    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class _DropoutNd(dropout.DropoutOf, metaclass=ABCMeta):
    """Dropout with a probability."""


class Container(Module):
    """A module of named modules (PyTorch's old one)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


NonDynamicallyQuantizableLinear = affine.Linear


def ranks(room: Any, stem: str, ns: str = "123") -> list[type]:
    """`stem` with 1d, 2d and 3d."""
    return [getattr(room, f"{stem}{n}d") for n in ns]


def union(name: str, *classes: type) -> type:
    """A class whose instances are the instances of these."""
    made: Any = ABCMeta(name, (), {"__doc__": f"One of {', '.join(c.__name__ for c in classes)}."})
    for c in classes:
        made.register(c)
    return made  # type: ignore[no-any-return]  # a class


def family() -> dict[str, type]:
    """All of them by name."""
    batch = [*ranks(normalisation, "BatchNorm"), normalisation.SyncBatchNorm]
    instance = ranks(grouped, "InstanceNorm")
    transposes = ranks(transposed, "ConvTranspose")
    found = {
        "_BatchNorm": union("_BatchNorm", *batch),
        "_InstanceNorm": union("_InstanceNorm", *instance),
        "_NormBase": union("_NormBase", *batch, *instance),
        "_ConvNd": union("_ConvNd", *ranks(affine, "Conv"), *transposes),
        "_ConvTransposeNd": union("_ConvTransposeNd", *transposes),
        "_MaxPoolNd": union("_MaxPoolNd", *ranks(pooling, "MaxPool")),
        "_AvgPoolNd": union("_AvgPoolNd", *ranks(pooling, "AvgPool")),
        "_MaxUnpoolNd": union("_MaxUnpoolNd", *ranks(pooling, "MaxUnpool")),
        "_LPPoolNd": union("_LPPoolNd", *ranks(pooling, "LPPool")),
        "_AdaptiveMaxPoolNd": union("_AdaptiveMaxPoolNd", *ranks(pooling, "AdaptiveMaxPool")),
        "_AdaptiveAvgPoolNd": union("_AdaptiveAvgPoolNd", *ranks(pooling, "AdaptiveAvgPool")),
    }
    for stem in ("Circular", "Constant", "Reflection", "Replication"):
        zeros = ranks(shaping, "ZeroPad") if stem == "Constant" else []
        found[f"_{stem}PadNd"] = union(f"_{stem}PadNd", *ranks(shaping, f"{stem}Pad"), *zeros)
    return found


WEIGHTED = ("NLLLoss", "CrossEntropyLoss", "BCELoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss")
BASES: dict[str, Any] = {**family(), "_Loss": _Loss, "_WeightedLoss": _WeightedLoss, "_DropoutNd": _DropoutNd}
for _name, _class in vars(losses).items():
    if isinstance(_class, type) and _name.endswith("Loss"):
        (_WeightedLoss if _name in WEIGHTED else _Loss).register(_class)
for _name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"):
    _DropoutNd.register(getattr(dropout, _name))
