"""PyTorch's types namespace: names for annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO

from fgrad.functions.dtypes import Size
from fgrad.functions.memory import TypedStorage, UntypedStorage
from fgrad.functions.tensor import Tensor
from fgrad.ir.types import Device as Place

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number = int | float | bool
Device = Place | str | int | None
FileLike = str | os.PathLike[str] | IO[bytes]
Storage = TypedStorage | UntypedStorage
_int, _float, _bool, _size = int, float, bool, Size | list[int] | tuple[int, ...]
_TensorOrTensors = Tensor | Sequence[Tensor]
