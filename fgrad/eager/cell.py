"""Cell: what a tensor is under both faces. It names a value not yet computed, or holds the buffer it came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fgrad.ir.graph import Value, leaf
from fgrad.ir.types import Device, TensorType

_LEAVES: dict[tuple[TensorType, bool], Value] = {}
_new = object.__new__


class Extra:
    """What few cells have: gradient, version, history, views, hooks."""

    __slots__ = ("after", "base", "error", "exposed", "grad", "history", "hooks", "leaf", "path", "retain", "version", "views")

    def __init__(self) -> None:
        self.grad: Any = None
        self.version = 0
        self.history: Any = None  # (Segment, its Value) of a computed tensor that can still be differentiated
        self.views: list[Any] = []  # weak references to cells that are views of this one
        self.base: Any = None  # the cell this one is a view of
        self.path: tuple[Any, ...] = ()  # ((prim, params, shape before), ...) from base to view
        self.leaf = False  # a view of a constant that requires grad itself: backward() ends here
        self.exposed = False  # somebody outside may hold the buffer
        self.hooks: dict[int, Callable[[Any], Any]] | None = None
        self.after: dict[int, Callable[[Any], Any]] | None = None  # hooks that run once .grad is there
        self.retain = False
        self.error: Exception | None = None  # what computing it alone raised


class Cell:
    """A tensor without arithmetic: storage, view path, value.

    On the tape: `_tape` is the thread's and `_value` says what it is. Computed: `_data` is its buffer.
    """

    __slots__ = ("__weakref__", "_data", "_extra", "_tape", "_value")
    _data: Any
    _value: Value
    _tape: Any
    _extra: Extra | None
    _result: ClassVar[type[Any]]  # the class that operations on this one give
    _owned: ClassVar[bool] = False  # a module's: transforms differentiate a copy without history

    @property
    def extra(self) -> Extra:
        """The rarely needed part, made when first asked for."""
        if self._extra is None:
            self._extra = Extra()
        return self._extra

    @property
    def _type(self) -> TensorType:
        return self._value.type  # type: ignore[return-value]  # no cell is a tuple

    @property
    def _device(self) -> Device:
        return self._type.device

    @property
    def _version(self) -> int:
        extra = self._extra
        if extra is None:
            return 0
        return extra.version if extra.base is None else extra.base._version

    __hash__ = object.__hash__


def typed_leaf(kind: TensorType, needs: bool) -> Value:
    """The shared leaf that types a computed cell."""
    found = _LEAVES.get((kind, needs))
    if found is None:
        found = _LEAVES[kind, needs] = leaf(kind, needs=needs)
    return found


def settled(t: Cell) -> bool:
    """True for a tensor with a buffer of its own."""
    e = t._extra
    return t._data is not None and (e is None or (e.base is None and e.error is None))


def concrete(cls: type[Any], data: Any, kind: TensorType, needs: bool = False) -> Any:
    """A cell of class `cls` that holds `data`."""
    t = _new(cls)
    t._data, t._tape, t._extra = data, None, None
    t._value = typed_leaf(kind, needs)
    return t
