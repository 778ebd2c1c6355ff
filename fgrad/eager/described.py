"""What both faces say of a cell alike: its size, where it lives, its numbers as Python's."""

from __future__ import annotations

from typing import Any

from fgrad.eager.cell import Cell
from fgrad.eager.views import buffer_of
from fgrad.ir.types import Device


class Described(Cell):
    """A cell with the properties and conversions that PyTorch's and NumPy's arrays share; `item` is the face's own."""

    __slots__ = ()

    @property
    def device(self) -> Device:
        """Where the numbers live."""
        return self._type.device

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._type.ndim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._type.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._type.nbytes

    def item(self) -> Any:
        """The one number as a Python number."""
        raise NotImplementedError

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return buffer_of(self).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())
