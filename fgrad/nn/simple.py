"""A Module over one function of nn.functional; what the files of such modules share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from fgrad.functions.tensor import Tensor
from fgrad.nn.functional.loss import legacy as reduction_of
from fgrad.nn.module import Module

HIDDEN = ("_stacklevel", "size_average", "reduce")


class FunctionModule(Module):
    """A Module over one function: its keyword arguments are the constructor's; tensors are called with."""

    function: ClassVar[Callable[..., Any]]
    names: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]] = ()  # arguments that the text names

    def __init_subclass__(cls, of: Callable[..., Any] | None = None, skip: int = 1, shown: str | None = None,
                          last: str = "", hide: str = "") -> None:  # fmt: skip
        super().__init_subclass__()
        if of is not None:
            cls.function = staticmethod(of)
            params = [p for p in list(inspect.signature(of).parameters.values())[skip:] if p.name not in (HIDDEN[0], hide)]
            params.sort(key=lambda p: p.name == last)  # PyTorch's order, where it is not the function's
            cls.names = tuple(p.name for p in params if p.name not in HIDDEN)
            cls.shown = cls.names if shown is None else tuple(shown.split())
            cls.__signature__ = inspect.Signature(params)  # type: ignore[attr-defined]
            cls.__doc__ = cls.__doc__ or of.__doc__

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        given = inspect.signature(type(self)).bind(*args, **kwargs)
        given.apply_defaults()
        old = [given.arguments.pop(k, None) for k in HIDDEN[1:]]
        if any(v is not None for v in old):
            given.arguments["reduction"] = reduction_of(old[0], old[1], given.arguments["reduction"])
        for name, value in given.arguments.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        if "kernel_size" in self.__dict__ and self.__dict__.get("stride", 0) is None:
            object.__setattr__(self, "stride", self.__dict__["kernel_size"])

    def forward(self, *xs: Any) -> Any:
        """The function on tensors, with the constructor's arguments."""
        return type(self).function(*xs, **{n: getattr(self, n) for n in self.names})

    def extra_repr(self) -> str:
        """The arguments that PyTorch shows."""
        return ", ".join(f"{n}={getattr(self, n)!r}" for n in self.shown if n != "inplace" or self.inplace)


HIDDEN = ("_stacklevel", "size_average", "reduce")
