"""LAPACK routines that NumPy's own OpenBLAS has but NumPy does not call, found by their symbols."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}
SPELLINGS = (("scipy_{}_64_", ctypes.c_int64), ("{}_64_", ctypes.c_int64), ("scipy_{}_", ctypes.c_int32))


@cache
def library() -> Any:
    """NumPy's OpenBLAS, loaded with NumPy; None if it uses another library."""
    root = Path(np.__file__).parent
    folders = [root.parent / "numpy.libs", root / ".dylibs"] if sys.platform != "win32" else []
    for file in (f for folder in folders if folder.is_dir() for f in folder.glob("*openblas*")):
        try:
            return ctypes.CDLL(str(file))
        except OSError:
            continue
    return None


@cache
def routine(name: str, char: str) -> tuple[Any, Any] | None:
    """(a LAPACK routine for a dtype's character, the type of its integers); None if it is not there."""
    for spelling, integer in SPELLINGS:
        found = getattr(library(), spelling.format(LETTERS.get(char, "?") + name), None)
        if found is not None:
            found.restype = None
            return found, integer
    return None


def getrf(x: Any) -> tuple[Any, Any, Any] | None:
    """(LU packed, pivots from 1, first zero pivot or 0) of matrices [n, rows, columns]; None without LAPACK."""
    found = routine("getrf", x.dtype.char)
    if found is None:
        return None
    call, integer = found
    n, rows, columns = x.shape
    a = np.array(x.swapaxes(-1, -2), order="C")  # LAPACK reads columns
    pivots, info = np.zeros((n, min(rows, columns)), integer), np.zeros(n, integer)
    if a.size:
        sizes = [ctypes.byref(integer(v)) for v in (rows, columns, max(rows, 1))]
        places = [[v.ctypes.data + i * (v.nbytes // n) for i in range(n)] for v in (a, pivots, info)]
        for m, p, flag in zip(*places, strict=True):
            call(sizes[0], sizes[1], ctypes.c_void_p(m), sizes[2], ctypes.c_void_p(p), ctypes.c_void_p(flag))
    return a.swapaxes(-1, -2), pivots, info
