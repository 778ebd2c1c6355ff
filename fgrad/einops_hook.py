"""einops knows both faces' arrays once it is imported, whichever of the two packages comes first."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from fgrad.eager.cell import Cell
from fgrad.eager.operands import compose
from fgrad.ir.dtypes import dtype_of
from fgrad.primitives import composites as c
from fgrad.primitives import reduce as r
from fgrad.primitives.einsum import einsum_values
from fgrad.primitives.shape import broadcast_to, concatenate, reshape, transpose

PLACE = "einops._backends"
BOOL = dtype_of("bool")


def _any(x: Any, *, axes: tuple[int, ...]) -> Any:
    return r.reduce_or(c.convert(x, dtype=BOOL), axes=axes)


def _all(x: Any, *, axes: tuple[int, ...]) -> Any:
    return r.reduce_and(c.convert(x, dtype=BOOL), axes=axes)


REDUCTIONS = {
    "min": r.reduce_min, "max": r.reduce_max, "sum": r.reduce_sum, "prod": r.reduce_prod, "mean": c.mean, "any": _any, "all": _all,
}  # fmt: skip


def _joined(*xs: Any, axis: int) -> Any:
    return concatenate(*xs, axis=axis)


class Backend:
    """What einops asks of a backend, for both faces through the rules they share."""

    framework_name = "fgrad"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """True for tensors and arrays."""
        return isinstance(tensor, Cell)

    def to_numpy(self, x: Any) -> Any:
        """The numbers."""
        return x.detach().numpy() if hasattr(x, "detach") else x.__array__()

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        """The same elements in another shape."""
        if -1 in shape:
            known = -math.prod(shape)
            shape = [x._type.size // known if n == -1 else n for n in shape]
        return compose(reshape, x, shape=tuple(map(int, shape)))

    def transpose(self, x: Any, axes: Sequence[int]) -> Any:
        """Axes in another order."""
        return compose(transpose, x, axes=tuple(axes))

    def reduce(self, x: Any, operation: str, axes: Sequence[int]) -> Any:
        """One of REDUCTIONS over axes."""
        return compose(REDUCTIONS[operation], x, axes=tuple(sorted(axes)))

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Any:
        """Joined along a new first axis."""
        return self.concat([self.add_axis(x, 0) for x in tensors], 0)

    def add_axis(self, x: Any, new_position: int) -> Any:
        """With a new axis of length 1."""
        shape = x._type.shape
        return self.reshape(x, (*shape[:new_position], 1, *shape[new_position:]))

    def tile(self, x: Any, repeats: Sequence[int]) -> Any:
        """Axes of length 1 repeated."""
        return compose(broadcast_to, x, shape=tuple(n * k for n, k in zip(x._type.shape, repeats, strict=True)))

    def concat(self, tensors: Sequence[Any], axis: int) -> Any:
        """Joined along an axis."""
        return compose(_joined, *tensors, axis=axis)

    def is_float_type(self, x: Any) -> bool:
        """True for floating and complex numbers."""
        return bool(x._type.inexact)

    def einsum(self, pattern: str, *x: Any) -> Any:
        """NumPy's einsum."""
        return compose(einsum_values, *x, equation=pattern.replace(" ", ""))


KEPT: list[type] = []  # einops finds subclasses that are alive


def register(backends: ModuleType) -> None:
    """Gives einops a backend for Cells; it finds subclasses of its AbstractBackend by itself."""
    KEPT.append(type("FgradBackend", (Backend, backends.AbstractBackend), {}))


class _After:
    """Registers right after einops's own backends are loaded."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != PLACE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader
        return spec


def install() -> None:
    """Now if einops is there already, else when it comes."""
    if PLACE in sys.modules:
        register(sys.modules[PLACE])
    else:
        sys.meta_path.insert(0, _After())
