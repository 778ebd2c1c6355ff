"""Losses that own the last linear map of a model with many classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fgrad.errors import ArgumentError
from fgrad.functions.pointwise import where
from fgrad.functions.reductions import argmax
from fgrad.functions.select import gather
from fgrad.functions.shape import cat
from fgrad.ir.apply import caller
from fgrad.nn import functional as f
from fgrad.nn.affine import Linear
from fgrad.nn.containers import ModuleList, Sequential
from fgrad.nn.module import Module


class AdaptiveOutput(NamedTuple):
    """Log-probability of each target, and minus their mean."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax in clusters: frequent classes in the head, the others behind it in maps that get narrower.

    cutoffs: where clusters end.  div_value: by how much each is narrower.  All clusters are computed for all rows.
    Source: Grave et al. 2017.
    """

    def __init__(self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0, head_bias: bool = False,
                 device: Any = None, dtype: Any = None) -> None:  # fmt: skip
        super().__init__()
        ends = list(cutoffs)
        if not ends:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if ends != sorted(set(ends)) or ends[0] <= 0 or ends[-1] > n_classes - 1 or any(int(e) != e for e in ends):
            raise ValueError("cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value "
                             "is between 1 and n_classes-1")  # fmt: skip
        made = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*ends, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = ends[0], len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(Sequential(Linear(in_features, width, bias=False, **made), Linear(width, high - low, bias=False, **made)))

    def reset_parameters(self) -> None:
        """Draws all maps anew."""
        for m in self.modules():
            if isinstance(m, Linear):
                m.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> AdaptiveOutput:
        """(log-probability of each target, minus their mean) for float[n, in_features] and int64[n]."""
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1:
            raise RuntimeError(f"{target_.ndim}D target tensor expects {target_.ndim + 1}D input tensors (0D or 1D targets), but found "
                               f"inputs with size {input_.shape}")  # fmt: skip
        x, y = (input_, target_) if target_.ndim else (input_[None], target_[None])
        if x.shape[0] != y.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        data = y._data
        if isinstance(data, np.ndarray) and data.size and (data.min() < 0 or data.max() >= self.n_classes):
            raise ArgumentError(f"Target values should be in [0, {self.n_classes - 1}], but values in range [{data.min()}, {data.max()}] "
                                "were found. ", where=caller(), fix="check the labels")  # fmt: skip
        found = gather(self.log_prob(x), 1, y[:, None])[:, 0]
        return AdaptiveOutput(found if target_.ndim else found[0], (-found).mean())

    def log_prob(self, input: Any) -> Any:
        """Log-probabilities of all classes: float[n, n_classes]."""
        head = f.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            at = self.shortlist_size + i
            parts.append(f.log_softmax(cluster(input), 1) + head[:, at : at + 1])
        return cat(parts, 1)

    def predict(self, input: Any) -> Any:
        """The likeliest class of each row, looked for in a cluster only if the head prefers one."""
        first = argmax(self.head(input), 1)
        return where(first < self.shortlist_size, first, argmax(self.log_prob(input), 1))


class LinearCrossEntropyOptions(NamedTuple):
    """Accepted: logits are computed whole."""

    allow_retain_graph: bool = False
    acc_policy: str = "auto"
    chunking_method: str = "auto"


class LinearCrossEntropyLoss(Module):
    """cross_entropy of a linear map that is part of the loss: forward(input [n, in_features], target)."""

    def __init__(self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
                 device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Any = None, ignore_index: int | None = None,
                 label_smoothing: float = 0.0, options: Any = None) -> None:  # fmt: skip
        super().__init__()
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        self.register_buffer("weight", weight)
        self.reduction, self.num_classes, self.out_features = reduction, num_classes, out_features
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias=bias, device=device, dtype=dtype)

    def forward(self, input: Any, target: Any) -> Any:
        """See nn.functional.linear_cross_entropy."""
        rows, bias = (self.num_classes, *self.out_features), self.linear.bias
        return f.linear_cross_entropy(
            input, self.linear.weight.reshape((*rows, self.linear.in_features)), target,
            linear_bias=None if bias is None else bias.reshape(rows), weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The arguments."""
        return (f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
                f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
                f"label_smoothing={self.label_smoothing}, options={self.options}")  # fmt: skip
