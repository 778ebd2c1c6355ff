"""Tensors of a Module computed from others at every access: PyTorch's nn.utils.parametrize.

`module.weight` becomes a property that runs `module.parametrizations.weight`, which holds what it is computed from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fgrad.functions.gradmode import no_grad
from fgrad.functions.tensor import Tensor
from fgrad.nn.containers import ModuleDict, ModuleList
from fgrad.nn.module import Module
from fgrad.nn.parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip


class Cache:
    """Tensors computed once while `cached` is entered."""

    depth = 0
    held: dict[tuple[int, str], Any] = {}  # noqa: RUF012  # one for the process


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrised tensor is computed at its first use alone."""
    Cache.depth += 1
    try:
        yield
    finally:
        Cache.depth -= 1
        if not Cache.depth:
            Cache.held.clear()


def hold(module: Any, name: str, x: Any) -> None:
    """Registers a parameter or a buffer."""
    (module.register_parameter if isinstance(x, Parameter) else module.register_buffer)(name, x)


def assign(old: Any, new: Any) -> None:
    """New data for a tensor that keeps its identity."""
    old.data = new.detach()


def inverted(modules: Sequence[Any], x: Any, strict: bool) -> Any:
    """`x` through the right inverses, last first; where there is none: an error, or the identity if not strict."""
    for m in reversed(modules):
        if hasattr(m, "right_inverse"):
            try:
                x = m.right_inverse(x)
            except NotImplementedError:
                if strict:
                    raise
        elif strict:
            raise RuntimeError(f"parametrization {type(m).__name__} does not implement right_inverse.")
    return x


def same_kind(found: Any, shape: Any, dtype: Any, what: str) -> None:
    """ValueError unless a parametrised tensor looks as before."""
    if not isinstance(found, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(found).__name__}.")
    for word, old, new in (("dtype", dtype, found.dtype), ("shape", shape, found.shape)):
        if old != new:
            raise ValueError(f"{what} may not change the {word} of the tensor, unless the `unsafe` flag is enabled.\n"
                             f"unparametrized {word}: {old}\nparametrized {word}: {new}")  # fmt: skip


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, in order, and what they start from: `original`, or `original0`, `original1`, ...

    Called without arguments, it computes the tensor.
    """

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new = inverted(list(modules), original, strict=False)
        if not isinstance(new, Tensor | Sequence):
            raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                             f"Got {type(new).__name__}")  # fmt: skip
        self.unsafe, self.is_tensor = unsafe, isinstance(new, Tensor)
        self.ntensors = 1 if isinstance(new, Tensor) else len(new)
        self._hold_one(original, new) if isinstance(new, Tensor) else self._hold_several(original, new)
        if not unsafe:
            same_kind(self(), shape, dtype, "Registering a parametrization")

    def _hold_one(self, original: Any, new: Any) -> None:
        for word in ("dtype", "device"):
            old, found = getattr(original, word), getattr(new, word)
            if old != found:
                raise ValueError(f"When `right_inverse` outputs one tensor, it may not change the {word}.\noriginal.{word}: {old}\n"
                                 f"right_inverse(original).{word}: {found}")  # fmt: skip
        if new is not original:
            assign(original, new)
        hold(self, "original", original)

    def _hold_several(self, original: Any, new: Sequence[Any]) -> None:
        for i, x in enumerate(new):
            if not isinstance(x, Tensor):
                raise ValueError("'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                                 f"Got element {i} of the sequence with type {type(x).__name__}.")  # fmt: skip
            own = x.detach()
            hold(self, f"original{i}", Parameter(own, original.requires_grad) if isinstance(original, Parameter) else own)

    def originals(self) -> list[Any]:
        """What the tensor is computed from."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Sets the originals so that the tensor becomes `value`, as far as it can. ValueError if they would change kind."""
        with no_grad():
            new = inverted(list(self), value, strict=True)
        if self.is_tensor:
            if not isinstance(new, Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
            new = [new]
        if not isinstance(new, Sequence):
            raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}.")
        if len(new) != self.ntensors:
            raise ValueError(f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                             f"Got a sequence of length {len(new)}.")  # fmt: skip
        for old, x in zip(self.originals(), new, strict=True):
            if not isinstance(x, Tensor) or x.dtype != old.dtype:
                raise ValueError(f"The tensor returned by `right_inverse` has dtype {getattr(x, 'dtype', type(x).__name__)} "
                                 f"while `original` has dtype {old.dtype}")  # fmt: skip
        for old, x in zip(self.originals(), new, strict=True):
            assign(old, x)

    def forward(self, *_: Any) -> Any:
        """The parametrised tensor."""
        first, *rest = list(self)
        x = first(*self.originals())
        for m in rest:
            x = m(x)
        return x


def own_class(module: Any) -> None:
    """A class of the module's own, so that it can have properties of its own."""
    base = type(module)

    def getstate(self: Any) -> Any:
        raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        new = memo[id(self)] = object.__new__(type(self))
        shared = {k: self.__dict__[k] for k in ("layer",) if k in self.__dict__}  # a pure function and its sizes
        new.__dict__.update(copy.deepcopy({k: v for k, v in self.__dict__.items() if k not in shared}, memo), **shared)
        return new

    extra = {"__getstate__": getstate, **({} if hasattr(base, "__deepcopy__") else {"__deepcopy__": deepcopy})}
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), {**extra, "__doc__": base.__doc__})


def computed(name: str) -> property:
    """The property that stands for a parametrised tensor."""

    def read(self: Any) -> Any:
        if not Cache.depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in Cache.held:
            Cache.held[key] = self.parametrizations[name]()
        return Cache.held[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(read, write)


def register_parametrization(module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False) -> Any:
    """From now on `module.<tensor_name>` is `parametrization(original)`, computed at every access; returns the module.

    parametrization: a Module; with `right_inverse(x)` it says what the original is at the start and after an assignment
    (one tensor, or several for a forward of several arguments).  A second one is applied after the first.  The original
    keeps its identity, as module.parametrizations.<tensor_name>.original; several are new parameters.
    unsafe: shape and dtype may change.  Raises ValueError for a name that is no parameter or buffer, or another kind of tensor.

    >>> import fgrad
    >>> class Symmetric(fgrad.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> layer = register_parametrization(fgrad.nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.mT).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            check_next(getattr(module, tensor_name), parametrization)
        held = module.parametrizations[tensor_name]
        held.append(parametrization)
        held.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            own_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, computed(tensor_name))
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'")
    return module


def check_next(x: Any, parametrization: Any) -> None:
    """ValueError unless a further parametrisation keeps shape and dtype, and so does its right inverse."""
    y = parametrization(x)
    same_kind(y, x.shape, x.dtype, "Registering a parametrization")
    if hasattr(parametrization, "right_inverse"):
        try:
            back = parametrization.right_inverse(y)
        except NotImplementedError:
            return
        same_kind(back, x.shape, x.dtype, "parametrization.right_inverse")


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """True if this tensor, or any if none is named, is parametrised."""
    held = getattr(module, "parametrizations", None)
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Makes a tensor an ordinary parameter or buffer again, with its present value, or the original's if told not to.

    Raises ValueError where nothing is parametrised, and for leave_parametrized=False with several originals.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    held = module.parametrizations[tensor_name]
    if held.is_tensor:
        kept = held.original
        if leave_parametrized:
            with no_grad():
                assign(kept, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        kept = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
                         "sequence of tensors.")  # fmt: skip
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    hold(module, tensor_name, kept)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Any) -> type:
    """The module's class as it was made."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Any, to_module: Any, tensor_name: str | None = None) -> Any:
    """The parametrisations of one module (of one tensor, if named) and their originals on another; returns that one."""
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations.keys()) if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        source = from_module.parametrizations[name]
        for m in source:
            register_parametrization(to_module, name, m)
        target = to_module.parametrizations[name]
        for key, x in (*source._parameters.items(), *source._buffers.items()):
            setattr(target, key, x)
    return to_module
