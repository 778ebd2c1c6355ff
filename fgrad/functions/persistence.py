"""save and load: trees of tensors and plain values as one safetensors file. Loading never executes code.

The tree's shape stands as JSON in the file's metadata; tensors shared in the tree are stored once.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from fgrad.eager.cell import concrete
from fgrad.eager.views import buffer_of
from fgrad.errors import ArgumentError, need
from fgrad.functions import torch_format
from fgrad.functions.call import device_of
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.dtypes import face_dtype
from fgrad.functions.tensor import Parameter, Tensor
from fgrad.functions.torch_format import FileError
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU, TensorType

__all__ = ["load", "save"]

FORMAT = "1"
PLAIN = (bool, int, float, str, type(None))


class _Writer:
    """Takes a tree apart: JSON of its shape, arrays by name."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.shapes: dict[str, list[int]] = {}
        self.known: dict[int, str] = {}
        self.kept: list[Any] = []

    def encode(self, x: Any) -> Any:
        """JSON of one node."""
        if isinstance(x, Tensor):
            return {"t": self.tensor(x), "p": isinstance(x, Parameter), "g": x.requires_grad and x.is_leaf}
        if isinstance(x, np.ndarray | np.generic):
            return {"a": self.array(np.asarray(x))}
        if isinstance(x, float) and not np.isfinite(x):
            return {"f": repr(x)}
        if isinstance(x, PLAIN):
            return x
        if isinstance(x, dict):
            kind = "o" if isinstance(x, OrderedDict) else "d"
            return {kind: [[self.encode(k), self.encode(v)] for k, v in x.items()]}
        if isinstance(x, list | tuple):
            return {"l" if isinstance(x, list) else "u": [self.encode(v) for v in x]}
        if isinstance(x, number_type):
            return {"y": x.name}
        raise FileError(
            f"save: a {type(x).__name__} cannot be stored without running code when it is loaded", where=caller(),
            fix="save a state_dict(), or trees of tensors, numbers, strings, lists, tuples and dicts",
        )  # fmt: skip

    def tensor(self, x: Any) -> str:
        """The name of a tensor's data, stored once."""
        name = self.known.get(id(x))
        if name is None:
            name = self.known[id(x)] = self.array(np.ascontiguousarray(buffer_of(x)).reshape(x._type.shape))
            self.kept.append(x)
        return name

    def array(self, a: Any) -> str:
        """Stores an array under a new name."""
        name = f"{len(self.arrays)}:{a.dtype.name}"
        flat = np.ascontiguousarray(a).reshape(-1)
        kind = {"V": "uint16", "c": "float32" if a.dtype.itemsize == 8 else "float64"}.get(a.dtype.kind)
        self.arrays[name] = flat.view(kind) if kind else flat
        self.shapes[name] = list(a.shape)
        return name


def save(obj: Any, f: Any, *, format: str = "fgrad") -> None:
    """Writes a tree of tensors, numbers, strings, lists, tuples and dicts to a path or an open binary file.

    format: "fgrad" (safetensors), or "torch": what `torch.load(f, weights_only=True)` reads.  A path is written beside and renamed, so an interrupted save leaves the old file.  Raises RuntimeError for objects
    that only code could rebuild (functions, whole Modules): save their state_dict.
    """
    if format not in ("fgrad", "torch"):
        raise ArgumentError(f"save: no format {format!r}", where=caller(), fix='use "fgrad" or "torch"')
    data = torch_format.write(obj) if format == "torch" else _packed(obj)
    if hasattr(f, "write"):
        f.write(data)
        return
    path = Path(f)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _packed(obj: Any) -> bytes:
    """A safetensors file."""
    writer = _Writer()
    shape = json.dumps(writer.encode(obj))
    metadata = {"fgrad": FORMAT, "tree": shape, "shapes": json.dumps(writer.shapes)}
    return bytes(need("safetensors.numpy").save(writer.arrays, metadata=metadata))


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None) -> Any:
    """What `save` or `torch.save` wrote, from a path or an open binary file; nothing in the file is executed.

    Of PyTorch's files: tensors, Parameters, numbers, strings and containers of them (checkpoints, state dicts).

    map_location: the device to put tensors on (of a function `storage, place` its first argument is kept).  Raises RuntimeError naming what was found if the file is another format.
    """
    data = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    if data[:4] == b"PK\x03\x04":
        return torch_format.read(data, getattr(f, "name", f), place(map_location))
    metadata = header(data, getattr(f, "name", f))
    arrays = need("safetensors.numpy").load(data)
    shapes = json.loads(metadata["shapes"])
    device = place(map_location)
    return decode(json.loads(metadata["tree"]), arrays, shapes, device, {})


def place(map_location: Any) -> Any:
    """The device of map_location: a device, a mapping from "cpu", or a function that keeps tensors where they are."""
    if isinstance(map_location, dict):
        map_location = map_location.get("cpu")
    return CPU if map_location is None or callable(map_location) else device_of(map_location)


def header(data: bytes, name: Any) -> dict[str, str]:
    """The metadata of one of our files."""
    try:  # first: the length that a safetensors file begins with may look like the marks of other formats
        (size,) = struct.unpack("<Q", data[:8])
        found = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        if found.get("fgrad") == FORMAT:
            return dict(found)
        problem = f"a safetensors file of format {found.get('fgrad')!r}"
    except (struct.error, ValueError, AttributeError):
        known = "a pickle, or a file of PyTorch before 1.6" if data[:1] == b"\x80" else None
        problem = known or "neither a safetensors file nor anything known"
    raise FileError(f"load: {name} is {problem}", where=caller(), fix="load a file that fgrad.save or torch.save wrote")


def decode(node: Any, arrays: Any, shapes: Any, device: Any, done: dict[str, Any]) -> Any:
    """A node of the tree."""
    if not isinstance(node, dict):
        return node
    ((kind, body),) = ((k, v) for k, v in node.items() if k not in ("p", "g"))
    if kind in ("o", "d"):
        pairs = [(decode(k, arrays, shapes, device, done), decode(v, arrays, shapes, device, done)) for k, v in body]
        return OrderedDict(pairs) if kind == "o" else dict(pairs)
    if kind in ("l", "u"):
        found = [decode(v, arrays, shapes, device, done) for v in body]
        return found if kind == "l" else tuple(found)
    if kind == "f":
        return float(body)
    if kind == "y":
        return face_dtype(body)
    a = restored(body, arrays, shapes)
    if kind == "a":
        return a
    if body not in done:
        cls = Parameter if node["p"] else Tensor
        x = concrete(cls, a, TensorType(a.shape, a.dtype), bool(node["g"]))
        done[body] = x if device is CPU else x.to(device)
    return done[body]


def restored(name: str, arrays: Any, shapes: Any) -> Any:
    """An array in its own dtype and shape."""
    dtype = face_dtype(name.partition(":")[2]).numpy
    a = np.array(arrays[name])
    return (a.view(dtype) if a.dtype != dtype else a).reshape(shapes[name])
