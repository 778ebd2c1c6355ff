"""PyTorch's return_types namespace: the classes of named results."""

from fgrad.functions.return_types import (
    aminmax,
    cummax,
    cummin,
    kthvalue,
    max,
    median,
    min,
    mode,
    nanmedian,
    sort,
    topk,
)

__all__ = ["aminmax", "cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"]
