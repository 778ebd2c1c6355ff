"""TensorBoard's message types, imported when first needed, and arrays of whatever is logged."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.errors import need
from fgrad.functions.tensor import Tensor


def proto(name: str) -> Any:
    """A module of tensorboard: compat.proto.<name>_pb2, or a dotted path."""
    return need(f"tensorboard.{name}" if "." in name else f"tensorboard.compat.proto.{name}_pb2", "tensorboard")


def array(x: Any) -> Any:
    """A NumPy array of a tensor, an array, a number or a sequence."""
    if isinstance(x, Tensor):
        x = x.detach().cpu().numpy()
    x = np.asarray(x)
    return np.atleast_1d(x.astype(np.float32) if x.dtype.kind == "V" or x.dtype.name == "bfloat16" else x)


def summary(tag: str, metadata: Any = None, **value: Any) -> Any:
    """A Summary of one value."""
    kind = proto("summary").Summary
    extra = {} if metadata is None else {"metadata": metadata}
    return kind(value=[kind.Value(tag=tag, **extra, **value)])


def of_plugin(name: str, content: bytes = b"") -> Any:
    """The metadata that hands a value to one of TensorBoard's plugins."""
    kind = proto("summary").SummaryMetadata
    return kind(plugin_data=kind.PluginData(plugin_name=name, content=content))


def shape_of(sizes: Any) -> Any:
    """A TensorShapeProto."""
    kind = proto("tensor_shape").TensorShapeProto
    return kind(dim=[kind.Dim(size=int(d)) for d in sizes])


def tensor_of(dtype: str, shape: Any = None, **values: Any) -> Any:
    """A TensorProto."""
    extra = {} if shape is None else {"tensor_shape": shape_of(shape)}
    return proto("tensor").TensorProto(dtype=dtype, **extra, **values)
