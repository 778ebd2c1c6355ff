"""Making modules whose numbers come later."""

from __future__ import annotations

import inspect
from typing import Any

from fgrad.nn.module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)` for parameters that will be overwritten: their numbers mean nothing.

    They are drawn as ever: drawing costs little beside loading.  Raises RuntimeError for what is no Module class, or
    takes no `device`.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise (RuntimeError if isinstance(module_cls, type) else TypeError)(f"Expected a Module; got {module_cls}")
    taken = inspect.signature(module_cls.__init__).parameters
    if "device" not in taken and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    return module_cls(*args, **kwargs)
