"""PyTorch's nn.parameter: Parameter, Buffer, and both without a shape yet."""

from __future__ import annotations

from typing import Any

from fgrad.eager.cell import Cell, concrete
from fgrad.functions.creation import zeros
from fgrad.functions.exchange import copy_of
from fgrad.functions.tensor import Parameter, Tensor

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Buffer(Tensor):
    """A tensor that a Module counts among its buffers when assigned; not saved if `persistent` is False."""

    __slots__ = ("persistent",)
    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        """A copy-free view of the data of `data`."""
        source = zeros((0,)) if data is None else data
        source = source.detach() if isinstance(source, Cell) else Tensor(source)  # type: ignore[attr-defined]
        new: Buffer = concrete(cls, copy_of(source), source._type)
        new.persistent = persistent
        return new


class Uninitialized:
    """What tensors without a shape share."""

    __slots__ = ()

    @property
    def shape(self) -> Any:
        """Not known yet: RuntimeError."""
        raise RuntimeError("Can't access the shape of an uninitialized parameter or buffer. Call `forward` to initialize the "
                           "parameters before accessing their attributes.")  # fmt: skip

    def materialize(self: Any, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Gives it a shape, filled with zeros; from then on it is an ordinary one."""
        d = self.dtype if dtype is None else dtype
        own = Parameter if isinstance(self, Parameter) else Tensor
        self.__class__ = own
        needs, self.requires_grad = self.requires_grad, False
        self.data = zeros(tuple(shape), dtype=d, device=self.device if device is None else device)
        self.requires_grad = needs

    def detach(self) -> Any:
        """Itself."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __deepcopy__(self: Any, memo: Any) -> Any:
        new = memo[id(self)] = type(self)(dtype=self.dtype)
        return new

    def __reduce__(self) -> Any:
        return (type(self), ())


class UninitializedParameter(Uninitialized, Parameter):
    """A parameter whose shape the first call will tell."""

    __slots__ = ()

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        """Of no elements so far."""
        source = zeros((0,), device=device, dtype=dtype)
        return concrete(cls, copy_of(source), source._type, bool(requires_grad))


class UninitializedBuffer(Uninitialized, Tensor):
    """A buffer whose shape the first call will tell."""

    __slots__ = ()

    def __new__(cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True) -> Any:
        """Of no elements so far."""
        source = zeros((0,), device=device, dtype=dtype)
        return concrete(cls, copy_of(source), source._type)


def is_lazy(param: Any) -> bool:
    """True if a parameter or buffer has no shape yet."""
    return isinstance(param, Uninitialized)
