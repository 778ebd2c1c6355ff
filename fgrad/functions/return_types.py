"""PyTorch's named results: tuples with fields that print under the name of the function they came from."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from fgrad.functions.pointwise import into

Function = Callable[..., Any]


class MinMax(NamedTuple):
    """Values and the indices where they were found."""

    values: Any
    indices: Any


class Range(NamedTuple):
    """The smallest and the largest."""

    min: Any
    max: Any


def _shown(self: Any) -> str:
    fields = ",\n".join(f"{name}={x!r}" for name, x in zip(self._fields, self, strict=True))
    return f"fgrad.return_types.{type(self).__name__}(\n{fields})"


def _named(name: str, base: type[Any] = MinMax) -> Any:
    return type(name, (base,), {"__slots__": (), "__repr__": _shown, "__module__": __name__, "__doc__": f"What `{name}` gives. {base.__doc__}"})


max, min, median, nanmedian, mode = map(_named, ("max", "min", "median", "nanmedian", "mode"))  # noqa: A001
kthvalue, sort, topk, cummax, cummin = map(_named, ("kthvalue", "sort", "topk", "cummax", "cummin"))
aminmax = _named("aminmax", Range)

__all__ = ["aminmax", "cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"]


def returns(cls: Any) -> Callable[[Function], Function]:
    """Decorates a function whose several results become a `cls`; `out` is a tensor for each of them."""

    def decorate(f: Function) -> Function:
        @functools.wraps(f)
        def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            y = f(*args, **kwargs)
            if not isinstance(y, tuple):
                return into(out, y)
            return cls(*y) if out is None else cls(*[into(place, x) for place, x in zip(out, y, strict=True)])

        known = inspect.signature(f)
        given = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any)
        call.__signature__ = known.replace(parameters=[*known.parameters.values(), given])  # type: ignore[attr-defined]
        return call

    return decorate
