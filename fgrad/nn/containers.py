"""Modules that hold modules or parameters: in a row, as a list, as a dict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from fgrad.functions.creation import as_tensor
from fgrad.functions.tensor import Parameter, Tensor
from fgrad.nn.module import Module


def place(index: int, n: int) -> int:
    """A position counted from the front; IndexError outside."""
    i = index.__index__()
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range")
    return i % n


class Listed(Module):
    """Children named by their positions."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Any) -> None:
        setattr(self, list(self._modules)[place(index, len(self))], module)

    def __delitem__(self, index: Any) -> None:
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [names[place(index, len(self))]]:
            del self._modules[name]
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: Iterable[Any]) -> None:
        held = {str(i): m for i, m in enumerate(modules)}
        self._modules.clear()
        self._modules.update(held)

    def append(self, module: Any) -> Self:
        """Adds a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Adds several at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"extend should be called with an iterable, but got {type(modules).__name__}")
        for m in list(modules):
            self.append(m)
        return self

    def insert(self, index: int, module: Any) -> None:
        """Puts a module before a position."""
        items = list(self._modules.values())
        items.insert(index, module)
        self.register_module(str(len(self)), module)  # refuses what is no Module
        self._renumber(items)

    def pop(self, key: Any) -> Any:
        """Takes a module out."""
        found = self[key]  # type: ignore[index]  # subclasses have __getitem__
        del self[key]
        return found


class Sequential(Listed):
    """Modules in a row: each takes what the one before gives. Given in order, or as an OrderedDict of names."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else ((str(i), m) for i, m in enumerate(args))
        for name, m in named:
            self.register_module(name, m)

    def forward(self, input: Any) -> Any:
        """The composition."""
        x = input
        for m in self._modules.values():
            x = m(x)
        return x

    def __getitem__(self, i: Any) -> Any:
        items = list(self._modules.items())
        return type(self)(OrderedDict(items[i])) if isinstance(i, slice) else items[place(i, len(items))][1]

    def insert(self, index: int, module: Any) -> Self:  # type: ignore[override]  # PyTorch's returns itself here
        """Puts a module before a position."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        super().insert(index, module)
        return self

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(other)

    def __mul__(self, n: int) -> Sequential:
        if n <= 0:
            raise ValueError(f"Non-positive multiplication factor {n} for {type(self)}")
        return Sequential(*list(self) * n)

    __rmul__ = __mul__

    def __imul__(self, n: int) -> Self:
        return self.extend(list(self) * (n - 1))


class ModuleList(Listed):
    """A list whose modules are children."""

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, i: Any) -> Any:
        items = list(self._modules.values())
        return type(self)(items[i]) if isinstance(i, slice) else items[place(i, len(items))]

    def __add__(self, other: Iterable[Any]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, modules: Iterable[Any]) -> Self:
        return self.extend(modules)

    def __repr__(self) -> str:
        """Equal neighbours on one line, as in `(0-2): 3 x Linear(...)`."""
        if not len(self):
            return f"{type(self).__name__}()"
        runs: list[list[Any]] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][1] == text:
                runs[-1][2] = i
            else:
                runs.append([i, text, i])
        lines = [f"({a}): {t}" if a == b else f"({a}-{b}): {b - a + 1} x {t}" for a, t, b in runs]
        return f"{type(self).__name__}(\n  " + "\n  ".join(line.replace("\n", "\n  ") for line in lines) + "\n)"


class ModuleDict(Module):
    """A dict whose modules are children."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Any) -> None:
        """Adds or replaces modules, from a mapping or from pairs."""
        for name, m in modules.items() if hasattr(modules, "items") else modules:
            self.register_module(name, m)

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """Modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, module)."""
        return self._modules.items()

    def pop(self, key: str) -> Any:
        """Takes a module out."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Takes all modules out."""
        self._modules.clear()

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Any) -> None:
        self.register_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)


def as_parameter(x: Any) -> Parameter:
    """A tensor as a Parameter."""
    return x if isinstance(x, Parameter) else Parameter(x if isinstance(x, Tensor) else as_tensor(x))


def shown(name: str, p: Any) -> str:
    """One line of a parameter container's text."""
    return f"    ({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"


class ParameterList(Module):
    """A list whose parameters are this module's; tensors become Parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Any) -> Self:
        """Adds a parameter at the end."""
        self.register_parameter(str(len(self)), as_parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds several at the end."""
        for p in list(values):
            self.append(p)
        return self

    def __getitem__(self, i: Any) -> Any:
        items = list(self._parameters.values())
        return type(self)(items[i]) if isinstance(i, slice) else items[place(i, len(items))]

    def __setitem__(self, i: int, value: Any) -> None:
        self._parameters[str(place(i, len(self)))] = as_parameter(value)

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def extra_repr(self) -> str:
        """One line for each parameter."""
        return "\n".join(shown(k, p) for k, p in self._parameters.items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(\n{self.extra_repr()}\n)" if len(self) else f"{type(self).__name__}()"


class ParameterDict(Module):
    """A dict whose parameters are this module's; tensors become Parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Any) -> None:
        """Adds or replaces parameters, from a mapping or from pairs."""
        for name, p in parameters.items() if isinstance(parameters, Mapping | ParameterDict) else parameters:
            self[name] = p

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._parameters.keys()

    def values(self) -> Iterable[Any]:
        """Parameters."""
        return self._parameters.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, parameter)."""
        return self._parameters.items()

    def pop(self, key: str) -> Any:
        """Takes a parameter out."""
        return self._parameters.pop(key)

    def __getitem__(self, name: str) -> Any:
        return self._parameters[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.register_parameter(name, as_parameter(value))

    def __delitem__(self, name: str) -> None:
        del self._parameters[name]

    def __contains__(self, name: str) -> bool:
        return name in self._parameters

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    extra_repr, __repr__ = ParameterList.extra_repr, ParameterList.__repr__
