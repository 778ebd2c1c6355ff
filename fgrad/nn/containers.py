"""Modules that hold modules or parameters: in a row, as a list, as a dict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

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


def shown(items: Iterable[tuple[Any, Any]], kind: Callable[[Any], Any]) -> str:
    """What a container of parameters says of each, in a line of its own."""
    lines = []
    for name, p in items:
        what = f"Object of type: {type(p).__name__}"
        if isinstance(p, Tensor):
            where = f" ({p.device})" if p.is_cuda else ""
            held = "Parameter" if isinstance(p, Parameter) else "Tensor"
            what = f"{held} containing: [{kind(p)} of size {'x'.join(map(str, p.shape))}{where}]"
        lines.append(f"  ({name}): {what}")
    return "\n".join(lines)


def as_parameter(x: Any) -> Any:
    """A tensor as a Parameter; anything else as it is."""
    return Parameter(x) if isinstance(x, Tensor) and not isinstance(x, Parameter) else x


class ParameterList(Module):
    """A list whose tensors are this module's parameters; other objects are kept as they are."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "_size", 0)
        self.extend(() if values is None else values)

    def append(self, value: Any) -> Self:
        """Adds an item at the end."""
        object.__setattr__(self, "_size", self._size + 1)
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds several at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return type(self)([self[k] for k in range(*i.indices(len(self)))])
        return getattr(self, str(place(i, len(self))))

    def __setitem__(self, i: int, value: Any) -> None:
        setattr(self, str(place(i, len(self))), as_parameter(value))

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def __len__(self) -> int:
        return int(self._size)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """RuntimeError: it computes nothing."""
        raise RuntimeError(f"{type(self).__name__} should not be called.")

    def extra_repr(self) -> str:
        """One line for each item."""
        return shown(enumerate(self), lambda p: p.dtype)


class ParameterDict(Module):
    """A dict whose tensors are this module's parameters; other objects are kept as they are."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        object.__setattr__(self, "_keys", {})
        self.update({} if parameters is None else parameters)

    def update(self, parameters: Any) -> None:
        """Adds or replaces items, from a mapping or from pairs."""
        if not isinstance(parameters, Iterable):
            raise TypeError(f"ParametersDict.update should be called with an iterable of key/value pairs, but got {type(parameters).__name__}")
        pairs = parameters.items() if isinstance(parameters, Mapping | ParameterDict) else parameters
        for i, pair in enumerate(pairs):
            if not isinstance(pair, Iterable):
                raise TypeError(f"ParameterDict update sequence element #{i} should be Iterable; is {type(pair).__name__}")
            if len(tuple(pair)) != 2:
                raise ValueError(f"ParameterDict update sequence element #{i} has length {len(tuple(pair))}; 2 is required")
            self[pair[0]] = pair[1]  # type: ignore[index]  # a pair

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._keys.keys()  # type: ignore[no-any-return]

    def values(self) -> Iterable[Any]:
        """Items."""
        return (self[k] for k in self._keys)

    def items(self) -> Iterable[tuple[str, Any]]:
        """(name, item)."""
        return ((k, self[k]) for k in self._keys)

    def pop(self, key: str) -> Any:
        """Takes an item out."""
        found = self[key]
        del self[key]
        return found

    def popitem(self) -> tuple[str, Any]:
        """Takes the item put in last out: (name, item)."""
        key, _ = self._keys.popitem()
        self._keys[key] = None
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The item of that name, or the default."""
        return self[key] if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The item of that name; the default is put there first if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Takes all items out."""
        for key in list(self._keys):
            del self[key]

    def copy(self) -> ParameterDict:
        """Another with the same items."""
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another with these names and one item."""
        return ParameterDict((k, default) for k in keys)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"Index given to ParameterDict cannot be used as a key as it is not a string (type is '{type(name).__name__}').")
        value = as_parameter(value)
        self._keys[name] = None
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            setattr(self, name, value)

    def __delitem__(self, name: str) -> None:
        del self._keys[name]
        delattr(self, name)

    def __contains__(self, name: str) -> bool:
        return name in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return iter([*self._keys][::-1])

    def __or__(self, other: ParameterDict) -> ParameterDict:
        return ParameterDict(OrderedDict([*self.items(), *other.items()]))

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        return ParameterDict(OrderedDict([*other.items(), *self.items()]))

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    __call__ = ParameterList.__call__

    def extra_repr(self) -> str:
        """One line for each item."""
        return shown(self.items(), lambda p: p.type())
