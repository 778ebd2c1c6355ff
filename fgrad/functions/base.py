"""What a tensor is apart from arithmetic: its type, autograd state, numbers and conversion."""


from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from fgrad.eager import autograd
from fgrad.eager.cell import Cell, typed_leaf
from fgrad.eager.described import Described
from fgrad.eager.tape import THREAD
from fgrad.eager.views import buffer_of, is_leaf, require_grad, view_of, write
from fgrad.errors import ArgumentError, GradError, ShapeError
from fgrad.functions import inplace
from fgrad.functions import pointwise as p
from fgrad.functions import reductions as r
from fgrad.functions import shape as h
from fgrad.functions.call import R, convert, device_of
from fgrad.functions.dtypes import Size, as_numpy, face_dtype
from fgrad.functions.dtypes import dtype as number_type
from fgrad.functions.exchange import copied, copy_of, numbers, numpy_of, placed, rebuild
from fgrad.functions.formats import formatted
from fgrad.functions.legacy import TENSOR_NAMES, made, named_type
from fgrad.functions.printing import format_tensor
from fgrad.ir.apply import caller
from fgrad.ir.types import Device


class GradFn:
    """What `tensor.grad_fn` shows: the operation that made the tensor."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def name(self) -> str:
        """PyTorch's style of name, e.g. `MulBackward0`."""
        prim = self._value.prim
        return f"{(prim.name if prim else 'Accumulate').title().replace('_', '')}Backward0"

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """The operations its operands came from."""
        return tuple((GradFn(x) if x.needs else None, 0) for x in self._value.operands)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Handle:
    """What registering a hook returns: `remove()`, or the end of a `with` block, takes the hook away."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks, self._key = hooks, next(_KEYS)  # keys are never used again: a second remove() is harmless
        hooks[self._key] = hook

    def remove(self) -> None:
        """Takes the hook away."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


_KEYS = itertools.count()


class Base(Described):
    """What a tensor is apart from arithmetic: type, autograd state, numbers, conversion."""

    __slots__ = ()
    _result: ClassVar[type[Any]]
    __array_priority__ = 1000
    __hash__ = object.__hash__

    def __new__(cls, *args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:  # noqa: D102
        x: Any = made(cls, args, None if dtype is None else as_numpy(dtype), device_of(device))
        if requires_grad:
            require_grad(x, True)
        return x

    # what it is ---------------------------------------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        """Elements per dimension."""
        return Size(self._value.type.shape)  # type: ignore[union-attr]

    @property
    def dtype(self) -> number_type:
        """Number type."""
        return face_dtype(self._value.type.dtype)  # type: ignore[union-attr]

    @property
    def is_cuda(self) -> bool:
        """True on a CUDA device."""
        return self._type.device.type == "cuda"

    @property
    def T(self) -> Any:  # noqa: N802  # PyTorch's name
        """Dimensions in reverse order."""
        return h.permute(self, *reversed(range(self.ndim)))

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two dimensions exchanged."""
        return h.transpose(self, -2, -1)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one of its entries."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return self._type.ndim

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return self._type.size

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._type.dtype.itemsize

    def is_floating_point(self) -> bool:
        """True for a float dtype."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """True for a complex dtype."""
        return self.dtype.is_complex

    # autograd -----------------------------------------------------------------------------------------------------------
    @property
    def requires_grad(self) -> bool:
        """True if backward() accumulates into it or flows through it."""
        return self._value.needs

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        require_grad(self, bool(on))

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Sets requires_grad in place."""
        require_grad(self, requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operation made it."""
        return is_leaf(self)

    @property
    def grad_fn(self) -> GradFn | None:
        """The operation that made it, None for leaves."""
        return None if is_leaf(self) else GradFn(self._value)

    @property
    def grad(self) -> Any:
        """What backward() accumulated, or None."""
        return None if self._extra is None else self._extra.grad

    @grad.setter
    def grad(self, g: Any) -> None:
        if g is not None and not isinstance(g, Cell):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
        if g is not None and (g._type.shape != self._type.shape or g._type.dtype != self._type.dtype):
            raise ShapeError(
                f"assigned grad has data of a different size or dtype: {g._type} for {self._type}", where=caller(),
                fix="assign a tensor of the same shape and dtype, or None",
            )  # fmt: skip
        if g is not None or self._extra is not None:
            self.extra.grad = g

    @property
    def data(self) -> Any:
        """The same storage without history."""
        return self.detach()

    @data.setter
    def data(self, new: Any) -> None:
        before = inplace.set_grad(False)
        try:
            if new._type is self._type:
                write(self, new)
            else:
                self._data, self._tape = copy_of(new), None
                self._value = typed_leaf(new._type, self._value.needs)
        finally:
            inplace.set_grad(before)

    def detach(self) -> Any:
        """A view without history."""
        return view_of(type(self)._result, self, R["stop_gradient"], ())

    def detach_(self) -> Any:
        """Drops its own history."""
        if not is_leaf(self):
            write(self, self.detach())
            if self._extra is not None:
                self._extra.history = None
        return self

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
                 inputs: Any = None) -> None:  # fmt: skip
        """Adds d(self)/d(leaf) to `.grad` of every leaf it was computed from (of `inputs`, if given).

        gradient: the cotangent, of this tensor's shape; 1 for a scalar.  retain_graph: keep the graph for another
        backward (default: create_graph).  create_graph: record the derivatives, for higher orders.
        """
        given = [inputs] if isinstance(inputs, Cell) else inputs
        if given is not None and not len(given):
            raise GradError("`inputs` argument to `backward()` cannot be empty.", where=caller(), fix="name tensors, or leave it out")
        keep = create_graph if retain_graph is None else retain_graph
        if isinstance(gradient, Cell) and gradient._type.dtype.kind == self._type.dtype.kind:
            gradient = gradient.to(self.dtype)  # type: ignore[attr-defined]  # a tensor
        autograd.backward([self], [gradient], keep, create_graph, given)

    def register_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """`hook(grad)` runs at every backward; what it returns replaces the gradient."""
        if not self._value.needs:
            raise GradError("cannot register a hook on a tensor that doesn't require gradient", where=caller(),
                            fix="set requires_grad first")  # fmt: skip
        extra = self.extra
        if extra.hooks is None:
            extra.hooks = {}
        self._watch()
        return Handle(extra.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """`hook(tensor)` at every backward, once the gradient of this leaf has been added to `.grad`."""
        if not self._value.needs or not is_leaf(self):
            raise GradError("post accumulate grad hooks cannot be registered on non-leaf tensors", where=caller(),
                            fix="use register_hook")  # fmt: skip
        extra = self.extra
        if extra.after is None:
            extra.after = {}
        return Handle(extra.after, hook)

    def retain_grad(self) -> None:
        """Keeps the gradient of a non-leaf in `.grad`."""
        if not self.requires_grad:
            raise GradError("can't retain_grad on Tensor that has requires_grad=False", where=caller(), fix="call requires_grad_() first")
        if not is_leaf(self):
            self.extra.retain = True
            self._watch()

    @property
    def retains_grad(self) -> bool:
        """True if a non-leaf keeps its gradient."""
        return self._extra is not None and self._extra.retain

    def _watch(self) -> None:
        if not is_leaf(self):
            tape = THREAD.tape
            value = self._value if self._tape is tape else autograd.enter(tape, self)
            tape.hooked[value] = self

    # numbers ------------------------------------------------------------------------------------------------------------
    def numpy(self, *, force: bool = False) -> Any:
        """The buffer as a NumPy array that shares memory: writes on either side are seen on the other.

        force: of a tensor that requires grad too; of one on another device a copy, where without it that is a TypeError.
        """
        return numpy_of(self, force)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """NumPy's door."""
        a = self.numpy()
        return np.array(a, dtype=dtype) if copy or (dtype is not None and a.dtype != dtype) else a

    def item(self) -> Any:
        """The one number as a Python number."""
        if self._type.size != 1:
            raise ShapeError(
                f"a Tensor with {self._type.size} elements cannot be converted to Scalar", where=caller(),
                fix="index one element, or use tolist()",
            )  # fmt: skip
        return buffer_of(self).item()

    def __bool__(self) -> bool:
        if self._type.size != 1:
            raise ArgumentError(
                "Boolean value of Tensor with more than one value is ambiguous", where=caller(), fix="use .any() or .all()"
            )
        return bool(self.item())

    def __index__(self) -> int:
        if self._type.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._type.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._type.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._type.shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(h.unbind(self))

    def __contains__(self, item: Any) -> bool:
        return bool(r.any(p.eq(self, item)))

    def __repr__(self) -> str:
        return format_tensor(self)

    def __format__(self, spec: str) -> str:
        number = not self._type.shape and (spec or (type(self) is type(self)._result and not THREAD.tape.tracing))
        return format(self.item(), spec) if number else format(repr(self), spec)

    def __reduce__(self) -> Any:
        return rebuild, (type(self), np.array(buffer_of(self)), self._value.needs, self._device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not is_leaf(self):
            raise GradError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment",
                where=caller(), fix="detach() it first",
            )  # fmt: skip
        new = copied(self)
        if self.grad is not None:
            new.grad = self.grad.detach().clone()
        memo[id(self)] = new
        return new

    # conversion ---------------------------------------------------------------------------------------------------------
    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False,
           memory_format: Any = None) -> Any:  # fmt: skip
        """The tensor in another dtype or on another device: `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`."""
        formatted(self, memory_format)
        for a in args:
            if isinstance(a, Base):
                dtype, device = a.dtype, a.device
            elif isinstance(a, str | Device | int) and not isinstance(a, bool):
                device = a
            elif a is not None and not isinstance(a, bool):
                dtype = a
        x = self if dtype is None else convert(self, as_numpy(dtype))
        if device is not None and device_of(device) is not x._device:
            x = inplace.transfer(x, device_of(device))
        return h.clone(self) if copy and x is self else x

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """PyTorch's name of the kind of tensor ("torch.FloatTensor", "torch.cuda.LongTensor"), or the tensor in another dtype or such a kind."""
        if dtype is not None:
            wanted, place = named_type(dtype)
            return self.to(device=place, dtype=wanted)
        place = "torch." if self._device.type == "cpu" else f"torch.{self._device.type}."
        return f"{place}{TENSOR_NAMES.get(self.dtype.name, self.dtype.name.capitalize())}Tensor"

    def type_as(self, other: Any) -> Any:
        """The tensor in the dtype of another."""
        return convert(self, other._type.dtype)

    def cpu(self, memory_format: Any = None) -> Any:
        """The tensor in host memory."""
        formatted(self, memory_format)
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Any:
        """The tensor on a CUDA device."""
        formatted(self, memory_format)
        return self.to("cuda" if device is None else device)

    def new_tensor(self, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Any:
        """A tensor of the dtype and device of this one."""
        x = placed(self._result, numbers(data, as_numpy(dtype or self.dtype)), self._device if device is None else device_of(device))
        require_grad(x, requires_grad)
        return x
