"""PyTorch's zip files, read through a closed list of types and written for `torch.load(weights_only=True)`.

The format: data.pkl, a pickle in which a tensor is `_rebuild_tensor_v2(storage, offset, size, stride, ...)`, and one
file of raw numbers for each storage (torch/serialization.py).
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import sys
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fgrad.eager.cell import concrete
from fgrad.eager.views import buffer_of
from fgrad.errors import FgradError
from fgrad.functions.dtypes import Size, face_dtype
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.sparse import SparseCoo, SparseCsr, sparse_coo_tensor, sparse_csr_tensor
from fgrad.functions.tensor import Parameter, Tensor
from fgrad.ir.apply import caller
from fgrad.ir.types import CPU, Device, TensorType

__all__: list[str] = []

STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128", "UntypedStorage": "uint8",
}  # fmt: skip
NAMES = {dtype: name for name, dtype in STORAGES.items() if name != "UntypedStorage"}
DTYPES = {"half": "float16", "float": "float32", "double": "float64", "long": "int64", "int": "int32", "short": "int16"}


class FileError(FgradError, RuntimeError, pickle.UnpicklingError):
    """A file is not what was asked for."""


class _Storage(NamedTuple):
    """Raw numbers of a file, and what they are of."""

    data: bytes
    dtype: str


def _refuse(what: str) -> FileError:
    return FileError(
        f"load: the file wants {what}, which is not on the list of what may be read without running code", where=caller(),
        fix="save a state_dict: tensors, numbers, strings, lists, tuples and dicts",
    )  # fmt: skip


class _Reader(pickle.Unpickler):
    """The pickle of one file. Only the names below are known; all of them are functions of ours or plain containers."""

    def __init__(self, archive: zipfile.ZipFile, prefix: str, device: Any) -> None:
        super().__init__(io.BytesIO(archive.read(f"{prefix}data.pkl")), encoding="utf-8")
        self.archive, self.prefix, self.device = archive, prefix, device
        self.storages: dict[str, bytes] = {}
        self.swapped = _text(archive, f"{prefix}byteorder", sys.byteorder) != sys.byteorder

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name; everything unknown is refused by name."""
        if (module, name) == ("torch.storage", "UntypedStorage") or module == "torch":
            if name in STORAGES:
                return STORAGES[name]
            if name in DTYPES or name in NAMES or name in ("uint16", "uint32", "uint64"):
                return face_dtype(DTYPES.get(name, name))
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict, ("torch", "Size"): Size, ("torch", "device"): Device,
            ("torch._utils", "_rebuild_tensor_v2"): self.tensor, ("torch._utils", "_rebuild_tensor_v3"): self.tensor_of,
            ("torch._utils", "_rebuild_parameter"): self.parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): self.parameter,
            ("torch._utils", "_rebuild_sparse_tensor"): self.sparse, ("torch.serialization", "_get_layout"): str, ("builtins", "set"): set,
            ("__builtin__", "set"): set, ("builtins", "complex"): complex, ("__builtin__", "complex"): complex, ("collections", "Counter"): Counter,
            ("_codecs", "encode"): _latin, ("__builtin__", "bytes"): _empty,
        }  # fmt: skip
        found = known.get((module, name))
        if found is None:
            raise _refuse(f"{module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:
        """A storage: ("storage", type, key, location, count)."""
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and isinstance(pid[1], str)):
            raise _refuse(f"an external object {str(pid)[:60]!r}")
        key = str(pid[2])
        if key not in self.storages:
            self.storages[key] = self.archive.read(f"{self.prefix}data/{key}")
        return _Storage(self.storages[key], pid[1])

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, *rest: Any) -> Any:
        """_rebuild_tensor_v2."""
        return self.tensor_of(storage, offset, size, stride, requires_grad, None, None)

    def tensor_of(self, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, *rest: Any) -> Any:
        """_rebuild_tensor_v3: numbers of `dtype` in a storage, copied in row-major order."""
        if not isinstance(storage, _Storage):
            raise _refuse("a tensor without a storage")
        d = face_dtype(storage.dtype).numpy if dtype is None else dtype.numpy
        flat = np.frombuffer(storage.data, d)
        flat = flat.byteswap() if self.swapped and d.kind != "V" else flat
        a = _strided(flat, int(offset), tuple(map(int, size)), tuple(map(int, stride)))
        x = concrete(Tensor, a, TensorType(a.shape, a.dtype), bool(requires_grad) and a.dtype.kind in "fcV")
        return x if self.device is CPU else x.to(self.device)

    def sparse(self, layout: str, data: Any) -> Any:
        """_rebuild_sparse_tensor: (indices, values, size, coalesced) or (crow indices, columns, values, size)."""
        if layout == "torch.sparse_coo":
            indices, values, size = data[:3]
            x = sparse_coo_tensor(indices, values, size)
            return x.coalesce() if len(data) > 3 and data[3] else x
        if layout != "torch.sparse_csr":
            raise _refuse(f"a tensor of layout {layout}")
        return sparse_csr_tensor(*data[:4])

    def parameter(self, data: Any, requires_grad: Any = True, *rest: Any) -> Any:
        """_rebuild_parameter."""
        return Parameter(data, bool(requires_grad))


def _strided(flat: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """A copy of part of the numbers; sizes and strides of a file are not trusted."""
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min((*size, *stride, offset), default=0) < 0 or (0 not in size and last >= flat.size):
        raise FileError(f"load: a tensor of sizes {size}, strides {stride} and offset {offset} leaves its storage of {flat.size} numbers",
                        where=caller(), fix="the file is damaged")  # fmt: skip
    if 0 in size:
        return np.empty(size, flat.dtype)
    return np.array(np.lib.stride_tricks.as_strided(flat[offset:], size, [s * flat.itemsize for s in stride]), order="C")


def _empty() -> bytes:
    """b"", which protocol 2 writes as a call of bytes."""
    return b""


def _latin(text: Any, encoding: Any) -> bytes:
    """_codecs.encode, which protocol 2 writes bytes by."""
    if not isinstance(text, str) or encoding != "latin1":
        raise _refuse(f"text in {str(encoding)[:20]!r}")
    return text.encode("latin1")


def _text(archive: zipfile.ZipFile, name: str, default: str) -> str:
    try:
        return archive.read(name).decode()
    except KeyError:
        return default


def read(data: bytes, name: Any, device: Any) -> Any:
    """The tree of tensors and plain values in a PyTorch zip file. Raises RuntimeError naming what it refuses."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        prefix = next(n[: -len("data.pkl")] for n in archive.namelist() if n.endswith("data.pkl"))
    except (zipfile.BadZipFile, StopIteration):
        raise FileError(f"load: {name} is a zip archive, but not one of PyTorch's", where=caller(), fix="load a file of torch.save") from None
    if any("constants.pkl" in n or n.startswith(f"{prefix}code/") for n in archive.namelist()):
        raise FileError(f"load: {name} is a TorchScript program, which is code", where=caller(), fix="save its state_dict")
    try:
        return _Reader(archive, prefix, device).load()
    except FgradError:
        raise
    except Exception as e:
        raise FileError(f"load: {name} is damaged: {type(e).__name__}: {e}", where=caller(), fix="save it again") from e


class _Writer:
    """A pickle of protocol 2 for a closed set of types, and the storages it names."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.storages: list[bytes] = []
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []

    def name(self, module: str, name: str) -> None:
        """GLOBAL."""
        self.out.write(f"c{module}\n{name}\n".encode())

    def group(self, xs: Any, end: bytes) -> None:
        """MARK, items, and what closes them."""
        self.out.write(b"(")
        for x in xs:
            self.value(x)
        self.out.write(end)

    def value(self, x: Any) -> None:
        """Any value that the format has."""
        w = self.out.write
        if isinstance(x, Tensor):
            self.shared(x)
        elif x is None or isinstance(x, bool):
            w({None: b"N", True: b"\x88", False: b"\x89"}[x])
        elif isinstance(x, int):
            w(b"J" + struct.pack("<i", x) if -(2**31) <= x < 2**31 else _long(x))
        elif isinstance(x, float):
            w(b"G" + struct.pack(">d", x))
        elif isinstance(x, str):
            raw = x.encode("utf-8", "surrogatepass")
            w(b"X" + struct.pack("<I", len(raw)) + raw)
        elif isinstance(x, bytes):
            self.name("_codecs", "encode")
            self.call((x.decode("latin1"), "latin1"))
        elif isinstance(x, complex):
            self.name("__builtin__", "complex")
            self.call((x.real, x.imag))
        elif isinstance(x, number_type):
            self.name("torch", x.name)
        elif isinstance(x, Size):
            self.name("torch", "Size")
            self.call((tuple(x),))
        else:
            self.container(x)

    def container(self, x: Any) -> None:
        """Lists, tuples, sets and dicts; sparse tensors."""
        if isinstance(x, SparseCoo | SparseCsr):
            self.sparse(x)
        elif isinstance(x, set):
            self.name("__builtin__", "set")
            self.call((list(x),))
        elif isinstance(x, list):
            self.out.write(b"]")
            self.group(x, b"e")
        elif isinstance(x, tuple):
            self.group(x, b"t")
        elif isinstance(x, dict):
            if isinstance(x, OrderedDict):
                self.name("collections", "OrderedDict")
                self.call(())
            else:
                self.out.write(b"}")
            self.group([v for pair in x.items() for v in pair], b"u")
        else:
            raise FileError(
                f"save: a {type(x).__name__} has no place in a file that PyTorch reads without running code", where=caller(),
                fix="save a state_dict(), or trees of tensors, numbers, strings, lists, tuples and dicts",
            )  # fmt: skip

    def call(self, args: tuple[Any, ...]) -> None:
        """REDUCE: the function before, on these arguments."""
        self.group(args, b"t")
        self.out.write(b"R")

    def sparse(self, x: Any) -> None:
        """_rebuild_sparse_tensor."""
        coo = isinstance(x, SparseCoo)
        parts = (x._indices(), x._values()) if coo else (x.crow_indices(), x.col_indices(), x.values())
        self.name("torch._utils", "_rebuild_sparse_tensor")
        self.out.write(b"(")
        self.name("torch.serialization", "_get_layout")
        self.call((f"torch.sparse_{'coo' if coo else 'csr'}",))
        self.value((*parts, Size(x.shape), *((x.is_coalesced(),) if coo else ())))
        self.out.write(b"tR")

    def shared(self, x: Any) -> None:
        """A tensor, once."""
        known = self.known.get(id(x))
        if known is not None:
            self.out.write(b"j" + struct.pack("<I", known))
            return
        if isinstance(x, Parameter):
            self.name("torch._utils", "_rebuild_parameter")
            self.out.write(b"(")
            self.tensor(x, False)
            self.value(bool(x.requires_grad))
            self.ordered()
            self.out.write(b"tR")
        else:
            self.tensor(x, bool(x.requires_grad and x.is_leaf))
        number = self.known[id(x)] = len(self.known)
        self.kept.append(x)
        self.out.write(b"r" + struct.pack("<I", number))

    def tensor(self, x: Any, requires_grad: bool) -> None:
        """_rebuild_tensor_v2 on a storage of its own."""
        a = buffer_of(x)
        storage = NAMES.get(a.dtype.name)
        strides = tuple(math.prod(max(n, 1) for n in a.shape[i + 1 :]) for i in range(a.ndim))
        self.name("torch._utils", "_rebuild_tensor_v2" if storage else "_rebuild_tensor_v3")
        self.out.write(b"((")
        self.value("storage")
        self.name("torch" if storage else "torch.storage", storage or "UntypedStorage")
        for v in (str(len(self.storages)), "cpu", a.size if storage else a.nbytes):
            self.value(v)
        self.out.write(b"tQ")
        for v in (0, tuple(a.shape), strides, requires_grad):
            self.value(v)
        self.ordered()
        if not storage:  # whole numbers without a storage of their own: the dtype follows
            self.value(face_dtype(a.dtype.name))
        self.out.write(b"tR")
        self.storages.append(np.array(a, order="C").tobytes())

    def ordered(self) -> None:
        """An empty OrderedDict: no hooks."""
        self.name("collections", "OrderedDict")
        self.call(())


def _long(x: int) -> bytes:
    """LONG1."""
    raw = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
    if len(raw) > 255:
        raise FileError("save: an integer of more than 2,000 bits", where=caller(), fix="store it as text")
    return b"\x8a" + bytes([len(raw)]) + raw


def write(obj: Any) -> bytes:
    """A PyTorch zip file with a tree of tensors, numbers, strings, lists, tuples and dicts."""
    writer = _Writer()
    writer.out.write(b"\x80\x02")
    writer.value(obj)
    writer.out.write(b".")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", writer.out.getvalue())
        archive.writestr("archive/byteorder", sys.byteorder)
        for i, raw in enumerate(writer.storages):
            archive.writestr(f"archive/data/{i}", raw)
        archive.writestr("archive/version", "3\n")
    return data.getvalue()
