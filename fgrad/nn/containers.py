"""Modules that hold modules, and the combinators of Layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fgrad import random
from fgrad.functions.tensor import Parameter
from fgrad.nn.layer import Layer, stateless
from fgrad.nn.module import Module


class Sequential(Module):
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

    def append(self, module: Module) -> Sequential:
        """Adds a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def __getitem__(self, i: Any) -> Any:
        items = list(self._modules.items())
        if isinstance(i, slice):
            return Sequential(OrderedDict(items[i]))
        return items[i][1]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())


class ModuleList(Module):
    """A list whose modules are children."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)

    def append(self, module: Module) -> ModuleList:
        """Adds a module at the end."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Adds several."""
        for m in modules:
            self.append(m)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Puts a module at a place."""
        items = list(self._modules.values())
        items.insert(index, module)
        self._modules.clear()
        self.extend(items)

    def __getitem__(self, i: Any) -> Any:
        items = list(self._modules.values())
        return ModuleList(items[i]) if isinstance(i, slice) else items[i]

    def __setitem__(self, i: int, module: Module) -> None:
        self._modules[str(range(len(self))[i])] = module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())


class ModuleDict(Module):
    """A dict whose modules are children."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds or replaces modules."""
        for name, m in modules.items():
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

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.register_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)


class ParameterList(Module):
    """A list whose parameters are this module's."""

    def __init__(self, values: Iterable[Parameter] = ()) -> None:
        super().__init__()
        for p in values:
            self.append(p)

    def append(self, value: Parameter) -> ParameterList:
        """Adds a parameter at the end."""
        self.register_parameter(str(len(self)), value)
        return self

    def __getitem__(self, i: int) -> Any:
        return list(self._parameters.values())[i]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())


def as_layer(part: Layer | Callable[[Any], Any]) -> Layer:
    """A plain function is a layer without parameters."""
    return part if isinstance(part, Layer) else Layer({}, stateless(lambda p, *xs: part(*xs)))


def serial(*parts: Layer | Callable[[Any], Any]) -> Layer:
    """Layers (or plain functions) in a row. Parameters and state are lists, one entry a part.

    >>> import fgrad
    >>> net = fgrad.nn.serial(fgrad.nn.linear(2, 8), fgrad.nn.relu, fgrad.nn.linear(8, 1))
    >>> params, state = net.init(fgrad.random.key(0))
    >>> net(params, fgrad.numpy.ones((3, 2))).shape
    (3, 1)
    """
    layers = tuple(map(as_layer, parts))

    def apply(params: Any, state: Any, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        new = []
        for layer, p, s, k in zip(layers, params, state, keys(key, len(layers)), strict=True):
            x, after = layer.apply(p, s, x, train=train, key=k)
            new.append(after)
        return x, new

    return Layer({}, apply, parts=layers)


def branches(*parts: Layer | Callable[[Any], Any], join: Callable[..., Any]) -> Layer:
    """Layers side by side on one input; `join(*results)` makes one of them (addition, concatenation, ...)."""
    layers = tuple(map(as_layer, parts))

    def apply(params: Any, state: Any, x: Any, *, train: bool = False, key: Any = None) -> tuple[Any, Any]:
        done = [
            layer.apply(p, s, x, train=train, key=k)
            for layer, p, s, k in zip(layers, params, state, keys(key, len(layers)), strict=True)
        ]
        return join(*[y for y, _ in done]), [s for _, s in done]

    return Layer({}, apply, parts=layers)


def keys(key: Any, n: int) -> list[Any]:
    """A key for each part, or None."""
    return [None] * n if key is None else [random.fold_in(key, i) for i in range(n)]
