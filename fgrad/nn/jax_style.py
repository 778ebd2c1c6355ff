"""jax.nn's activations where its defaults differ from PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.functions.call import axes_of, compose, convert, floating
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.nn.functional.activation import silu
from fgrad.primitives import composites as c

swish = silu


def gelu(x: Any, approximate: bool = True) -> Any:
    """x * Phi(x), by the tanh form unless approximate is False."""
    return compose(c.gelu_tanh if approximate else c.gelu, floating(x))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x)))."""
    return compose(c.logsumexp, floating(x), axes=axes_of(x, axis), keep=keepdims)


def one_hot(x: Any, num_classes: int, dtype: Any = None) -> Any:
    """A new last axis with 1 at the index; all zeros for an index out of range. Float unless `dtype` is given."""
    d = default_float() if dtype is None else as_numpy(dtype)
    index = x if x._type.dtype == np.int64 else convert(x, np.dtype("int64"))
    return compose(c.one_hot, index, classes=num_classes, dtype=d)


def softmax(x: Any, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) over `axis`."""
    return compose(c.softmax, floating(x), axes=axes_of(x, axis))


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """log(softmax(x)) over `axis`."""
    return compose(c.log_softmax, floating(x), axes=axes_of(x, axis))
