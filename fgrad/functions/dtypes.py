"""PyTorch's dtype objects, promotion and size."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.operands import default_float, number_dtype
from fgrad.errors import DtypeError
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import KINDS, Dtype, dtype_of, is_inexact, kind, promote
from fgrad.settings import replace

__all__ = [
    "Size", "bfloat16", "can_cast", "complex64", "complex128", "dtype", "float16", "float32", "float64",
    "get_default_dtype", "int8", "int16", "int32", "int64", "promote_types", "result_type", "set_default_dtype",
    "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


class dtype:  # noqa: N801  # PyTorch's name
    """A number type: `fgrad.float32`. One object for each type."""

    __slots__ = ("_numpy", "name")
    _known: ClassVar[dict[str, dtype]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self._numpy: Dtype | None = None
        dtype._known[name] = self

    @property
    def numpy(self) -> Dtype:
        """The NumPy dtype."""
        if self._numpy is None:
            self._numpy = dtype_of(self.name)
        return self._numpy

    @property
    def is_floating_point(self) -> bool:
        """True for float16, bfloat16, float32, float64."""
        return KINDS[self.name] == "f"

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return KINDS[self.name] == "c"

    @property
    def is_signed(self) -> bool:
        """True if it holds negative numbers."""
        return KINDS[self.name] in "ifc"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    def to_real(self) -> dtype:
        """The float dtype of the parts of a complex one; any other is itself."""
        return face_dtype({"complex64": "float32", "complex128": "float64"}.get(self.name, self.name))

    def to_complex(self) -> dtype:
        """The complex dtype whose parts are of this one (complex64 of bfloat16; a complex one is itself).

        Raises DtypeError for integers, bool and float16, which have none.
        """
        wide = {"bfloat16": "complex64", "float32": "complex64", "float64": "complex128", "complex64": "complex64", "complex128": "complex128"}
        if self.name not in wide:
            raise DtypeError(f"Unknown Complex ScalarType for {self.name}", where=caller(), fix="convert to float32 first")
        return face_dtype(wide[self.name])

    def __repr__(self) -> str:
        return f"fgrad.{self.name}"

    def __reduce__(self) -> Any:
        return face_dtype, (self.name,)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, np.dtype) and other == self.numpy)

    def __hash__(self) -> int:
        return hash(self.name)


def face_dtype(d: Any) -> dtype:
    """The dtype object of a NumPy dtype, a name or a Python type."""
    if isinstance(d, dtype):
        return d
    if isinstance(d, str) and d in dtype._known:  # by name alone: bfloat16 is a package that is imported when it is used
        return dtype._known[d]
    name = d.name if isinstance(d, np.dtype) else PYTHON.get(d) or dtype_of(d).name
    return dtype._known[name]


bool_, uint8, uint16, uint32, uint64 = map(dtype, ("bool", "uint8", "uint16", "uint32", "uint64"))
int8, int16, int32, int64 = map(dtype, ("int8", "int16", "int32", "int64"))
float16, bfloat16, float32, float64 = map(dtype, ("float16", "bfloat16", "float32", "float64"))
complex64, complex128 = map(dtype, ("complex64", "complex128"))
PYTHON: dict[Any, str] = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


def as_numpy(d: Any) -> Dtype:
    """What a user gave as a dtype, as a NumPy dtype."""
    if isinstance(d, dtype):
        return d.numpy
    if d is float:
        return default_float()
    try:
        return face_dtype(d).numpy
    except (TypeError, KeyError) as e:
        raise DtypeError(f"{d!r} is not a dtype", where=caller(), fix="use e.g. fgrad.float32") from e


def get_default_dtype() -> dtype:
    """The type Python floats become (float32 unless set)."""
    return face_dtype(default_float())


def set_default_dtype(d: Any) -> None:
    """Sets the type Python floats become: float32 or float64, float16, bfloat16."""
    found = face_dtype(d)
    if not found.is_floating_point:
        raise DtypeError(f"only floating-point types are supported as the default type, got {found}", where=caller(),
                         fix="use fgrad.float32 or fgrad.float64")  # fmt: skip
    replace(default_dtype=found.name)


def result_numpy(*xs: Any) -> Dtype:
    """The dtype an operation on tensors and numbers computes in: PyTorch's rule.

    Tensors with axes come first; a 0-d tensor counts only if its kind is higher, a Python number likewise after those.
    """
    cells = [x for x in xs if isinstance(x, Cell)]
    full = [x._type.dtype for x in cells if x._type.shape]
    zero = [x._type.dtype for x in cells if not x._type.shape]
    out: Dtype | None = None
    for group in (full, zero):
        joined: Dtype | None = None
        for d in group:
            joined = d if joined is None else promote(joined, d)
        out = joined if out is None else out if joined is None else weaker(out, joined)
    for x in xs:
        if not isinstance(x, Cell):
            wanted = number_dtype(x, out)
            out = wanted if out is None or wanted != out else out
    assert out is not None
    return out


def weaker(strong: Dtype, weak: Dtype) -> Dtype:
    """`strong`, unless `weak` is of a higher kind."""
    a, b = kind(strong), kind(weak)
    rank = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    if rank[b] <= rank[a]:
        return strong
    if b == "c" and a == "f":
        return np.dtype("complex128" if strong == np.float64 else "complex64")
    return weak


def result_type(x: Any, y: Any) -> dtype:
    """The dtype of an operation between two tensors or numbers."""
    return face_dtype(result_numpy(x, y))


def promote_types(a: Any, b: Any) -> dtype:
    """The smallest dtype both fit in."""
    return face_dtype(promote(as_numpy(a), as_numpy(b)))


def can_cast(source: Any, target: Any) -> bool:
    """True unless the conversion would leave the kind (complex to real, float to integer, number to bool)."""
    rank = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
    a, b = kind(as_numpy(source)), kind(as_numpy(target))
    return rank[a] <= rank[b]


def inexact_result(*xs: Any) -> Dtype:
    """As `result_numpy`, integers and bools becoming the default float."""
    d = result_numpy(*xs)
    return d if is_inexact(d) else default_float()


class Size(tuple[int, ...]):
    """A shape: a tuple of ints with `numel`."""

    __slots__ = ()

    def numel(self) -> int:
        """Number of elements."""
        n = 1
        for d in self:
            n *= d
        return n

    def __repr__(self) -> str:
        return f"fgrad.Size({list(self)})"

    def __add__(self, other: Any) -> Size:
        return Size((*self, *other))

    def __mul__(self, n: Any) -> Size:
        return Size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def __getitem__(self, i: Any) -> Any:
        found = tuple.__getitem__(self, i)
        return Size(found) if isinstance(i, slice) else found
