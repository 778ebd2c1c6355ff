"""PyTorch's longer module paths: modules made of names that stand elsewhere, so that `from a.b.c import X` finds X."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def spelled(path: str, names: Mapping[str, Any]) -> ModuleType:
    """A module at a dotted path, importable as if a file were there; names that start with _ are left out of its __all__."""
    made = ModuleType(path, "Names that stand elsewhere, at PyTorch's path.")
    vars(made).update(names, __all__=[n for n in names if not n.startswith("_")], __path__=[])
    sys.modules[path] = made
    return made
