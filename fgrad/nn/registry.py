"""What a Module holds by name: parameters, buffers and children, as attributes and in walks over the tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fgrad.functions.tensor import Tensor
from fgrad.nn.parameter import Buffer, Parameter

REGISTERED: dict[int, tuple[str, Any]] = {}  # (table, hook): what every module calls when something is registered


def announced(module: Any, table: str, name: str, x: Any) -> Any:
    """`x`, or what the hooks on registrations put in its place."""
    for kind, hook in list(REGISTERED.values()):
        if kind == table:
            found = hook(module, name, x)
            x = x if found is None else found
    return x


class Registry:
    """Parameters, buffers and child modules as attributes."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]

    def __init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "training", True)
        set_(self, "_edits", 0)
        set_(self, "_parameters", {})
        set_(self, "_buffers", {})
        set_(self, "_modules", {})
        set_(self, "_non_persistent", set())

    # attributes ---------------------------------------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Buffer) and "_buffers" in self.__dict__ and name not in self._buffers:
            self._forget(name)
            self.__dict__.pop(name, None)
            self.register_buffer(name, value, value.persistent)
        elif "_parameters" not in self.__dict__:
            if isinstance(value, Parameter | Registry):
                raise AttributeError("cannot assign parameters or modules before Module.__init__() call")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter | Registry):
            table: dict[str, Any] = self._parameters if isinstance(value, Parameter) else self._modules
            if name not in table:  # what is replaced keeps its place in the order
                self._forget(name)
                self.__dict__.pop(name, None)
            if REGISTERED:
                value = announced(self, "_parameters" if isinstance(value, Parameter) else "_modules", name, value)
            table[name] = value
        else:
            for known, what, kind in HELD:
                table = self.__dict__[known]
                if name in table:
                    if value is not None and not isinstance(value, kind):
                        raise TypeError(f"cannot assign '{type(value).__name__}' as {what.format(name)} or None expected)")
                    table[name] = value
                    return
            object.__setattr__(self, name, value)
            object.__setattr__(self, "_edits", self._edits + 1)

    def _forget(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            table.pop(name, None)
        self._non_persistent.discard(name)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            found = own.get(table)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _check_name(self, table: str, name: str, what: str) -> None:
        """PyTorch's refusals of a name."""
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f"{what} name can't contain \".\", got: {name}")
        if not name:
            raise KeyError(f"{what} name can't be empty string \"\"")
        if hasattr(self, name) and name not in getattr(self, table):
            raise KeyError(f"attribute '{name}' already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or a place for one (None). KeyError for a name that is taken or has a dot."""
        self._check_name("_parameters", name, "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{type(param).__name__}' object to parameter '{name}' (nn.Parameter required)")
        self._parameters[name] = announced(self, "_parameters", name, param) if REGISTERED else param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but no parameter; not saved if `persistent` is False.

        KeyError for a name that is taken or has a dot.
        """
        self._check_name("_buffers", name, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (Tensor or None required)")
        self._buffers[name] = announced(self, "_buffers", name, tensor) if REGISTERED else tensor
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def register_module(self, name: str, module: Any) -> None:
        """Adds a child (or None). TypeError for anything else, KeyError for a name that is taken or has a dot."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("_modules", name, "module")
        self._modules[name] = announced(self, "_modules", name, module) if REGISTERED else module

    add_module = register_module

    # walking ------------------------------------------------------------------------------------------------------------
    def named_children(self) -> Iterator[tuple[str, Registry]]:
        """(name, child) of direct children, each once."""
        seen: set[int] = set()
        for name, m in self._modules.items():
            if m is not None and id(m) not in seen:
                seen.add(id(m))
                yield name, m

    def children(self) -> Iterator[Registry]:
        """Direct children."""
        return (m for _, m in self.named_children())

    def named_modules(self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, module) of this module and all below, each once."""
        memo = set() if memo is None else memo
        if id(self) in memo and remove_duplicate:
            return
        memo.add(id(self))
        yield prefix, self
        for name, m in self._modules.items():
            if m is not None:
                yield from m.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Registry]:
        """This module and all below."""
        return (m for _, m in self.named_modules())

    def _named(self, table: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for at, m in self.named_modules(prefix=prefix, remove_duplicate=unique) if recurse else [(prefix, self)]:
            for name, x in getattr(m, table).items():
                if x is not None and not (unique and id(x) in seen):
                    seen.add(id(x))
                    yield (f"{at}.{name}" if at else name), x

    def named_parameters(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, parameter), each parameter once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True) -> Iterator[Any]:
        """(dotted name, buffer)."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Any:
        """The module at a dotted name; AttributeError if there is none."""
        found: Any = self
        for part in filter(None, target.split(".")):
            if not hasattr(found, part):
                raise AttributeError(f"{type(found).__name__} has no attribute `{part}`")
            found = getattr(found, part)
            if not isinstance(found, Registry):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return found

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Puts a module at a dotted name; strict: only where one is."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if not isinstance(module, Registry):
            raise ValueError(f"`module` is not an nn.Module, found: {type(module).__name__}")
        setattr(parent, name, module)

    def _entry(self, table: str, target: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if name not in getattr(parent, table):
            raise AttributeError(f"`{name}` is not {what}")
        return getattr(parent, table)[name]

    def get_parameter(self, target: str) -> Any:
        """The parameter at a dotted name; AttributeError if there is none."""
        return self._entry("_parameters", target, "an nn.Parameter")

    def get_buffer(self, target: str) -> Any:
        """The buffer at a dotted name; AttributeError if there is none."""
        return self._entry("_buffers", target, "a buffer")


HELD: tuple[tuple[str, str, type], ...] = (
    ("_parameters", "parameter '{}' (nn.Parameter", Parameter),
    ("_modules", "child module '{}' (Module", Registry),
    ("_buffers", "buffer '{}' (Tensor", Tensor),
)
