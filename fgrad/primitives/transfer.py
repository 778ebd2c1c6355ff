"""Copies from one device to another: the only operation whose operand and result live apart."""

from __future__ import annotations

from typing import Any

from fgrad.errors import Where
from fgrad.ir.apply import primitive
from fgrad.ir.types import CPU, Device, TensorType, Type
from fgrad.primitives.checks import check_kinds, store
from fgrad.primitives.shape import ALL


def _type(x: TensorType, *, device: Device, where: Where | None) -> Type:
    check_kinds("transfer", ALL, (x,), where)
    return TensorType(x.shape, x.dtype, device)


def _lower(xp: Any, out: Any, x: Any, *, device: Device) -> Any:
    """xp: the library of the target."""
    y = x.get() if device is CPU and hasattr(x, "get") else xp.array(x)
    return y if out is None else store(xp, out, y)


@primitive(
    type=_type,
    lower=_lower,
    transpose={0: lambda ct, x, *, device: transfer(ct, device=x.device)},
    batch=lambda n, batched, x, *, device: transfer(x, device=device),
)
def transfer(x: Any, *, device: Device) -> Any:
    """A copy of `x` on `device`; a copy on the device it is on already."""
