"""jax.typing: names for annotations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fgrad.numpy import ndarray

__all__ = ["ArrayLike", "DTypeLike"]

ArrayLike = ndarray | np.ndarray | np.generic | bool | int | float | complex
DTypeLike = Any
