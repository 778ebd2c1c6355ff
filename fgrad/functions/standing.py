"""PyTorch's functions that are methods too: in-place ones (`sin_(x)`), and those whose result is a copy where the method gives a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad.functions.arrange import split_with_sizes
from fgrad.functions.complex import view_as_complex, view_as_real
from fgrad.functions.pointwise import into
from fgrad.functions.shape import clone
from fgrad.functions.tensor import Tensor

IN_PLACE = (
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_ atanh_ ceil_ clamp_ "
    "clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ "
    "index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ resize_as_ round_ rsqrt_ "
    "sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_"
).split()
COPIES = "as_strided detach diagonal permute select squeeze t transpose unfold unsqueeze".split()


def _expand(input: Any, size: Any, *, implicit: bool = False) -> Any:
    return input.expand(size)


def _view(input: Any, size: Any = None, *, dtype: Any = None) -> Any:
    return input.view(size if dtype is None else dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {"expand": _expand, "view": _view, "view_as_complex": view_as_complex, "view_as_real": view_as_real}
SEVERAL = "split unbind".split()


def _method(name: str) -> Callable[..., Any]:
    """A function that calls the method of its first argument."""

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return getattr(input, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Tensor.{name}: {(getattr(Tensor, name).__doc__ or '').strip()}"
    return call


def _copy(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose result is a copy of what the method shows."""

    def call(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        return into(out, clone(method(input, *args, **kwargs)))

    call.__name__ = call.__qualname__ = f"{name}_copy"
    call.__doc__ = f"A copy of what {name} shows, in memory of its own; gradients flow through it (not through detach_copy)."
    return call


def _copies(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a method with several results."""

    def call(input: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        found = [clone(x) for x in method(input, *args, **kwargs)]
        if out is None:
            return tuple(found)
        for o, x in zip(out, found, strict=True):
            into(o, x)
        return None

    call.__name__ = call.__qualname__ = f"{name}_copy"
    call.__doc__ = f"Copies of what Tensor.{name} shows, each in memory of its own; out: as many tensors."
    return call


detach = _method("detach")
vars().update({name: _method(name) for name in IN_PLACE})
vars().update({f"{name}_copy": _copy(name, getattr(Tensor, name)) for name in COPIES})
vars().update({f"{name}_copy": _copy(name, f) for name, f in FUNCTIONS.items()})
vars().update({f"{name}_copy": _copies(name, getattr(Tensor, name)) for name in SEVERAL})


def slice_copy(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *, out: Any = None) -> Any:
    """A copy of input[start:end:step] along a dimension."""
    return into(out, clone(input.movedim(dim, 0)[start:end:step].movedim(0, dim)))


def alias_copy(input: Any, *, out: Any = None) -> Any:
    """A copy."""
    return into(out, clone(input))


split_with_sizes_copy = _copies("split_with_sizes", split_with_sizes)

__all__ = [
    *IN_PLACE, *[f"{n}_copy" for n in (*COPIES, *SEVERAL, *FUNCTIONS)], "alias_copy", "detach", "slice_copy", "split_with_sizes_copy",
]  # fmt: skip
