"""Operands of scipy's functions: arrays of one float dtype and one shape."""

from __future__ import annotations

from typing import Any

import fgrad.numpy as jnp
from fgrad.ir.dtypes import is_inexact


def floats(*xs: Any) -> list[Any]:
    """Arrays of one float dtype, of one shape."""
    d = jnp.result_type(*xs)
    d = d if is_inexact(d) else jnp.result_type(d, 1.0)
    return list(jnp.broadcast_arrays(*[jnp.asarray(x, d) for x in xs]))
