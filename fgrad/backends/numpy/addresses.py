"""How a program tells kernels where arrays are."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np


def _probe() -> bool:
    """True if the data pointer of an array is the word after its object header, as in CPython's NumPy."""
    if sys.implementation.name != "cpython":
        return False
    a = np.arange(3.0)
    return ctypes.c_void_p.from_address(id(a) + object.__basicsize__).value == a.ctypes.data


FIELD = object.__basicsize__ if _probe() else None


def cell(cells: Any, table: int, k: int, a: Any) -> int:
    """The address of a word that holds the data pointer of `a`: for arrays whose layout the probe did not find."""
    cells[k] = a.__array_interface__["data"][0]
    return table + k * int(cells.itemsize)
