"""A layer is data and a pure function; a Module over it adds attributes and state. Each is written once, as a Layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from fgrad import numpy, random
from fgrad.functions.call import elsewhere
from fgrad.functions.creation import fill, tensor
from fgrad.functions.dtypes import as_numpy, default_float
from fgrad.functions.inplace import set_grad
from fgrad.functions.random import normal_values, uniform_values
from fgrad.functions.tensor import Parameter, Tensor
from fgrad.nn.module import Module

Tree = Any


class Draw(Protocol):
    """Where starting values come from: the global generator, or a key."""

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> Any:
        """Numbers of [low, high)."""

    def normal(self, shape: tuple[int, ...], std: float) -> Any:
        """Normal draws."""

    def full(self, shape: tuple[int, ...], value: float, dtype: str | None = None) -> Any:
        """One number everywhere."""


@dataclass(frozen=True, slots=True)
class Param:
    """How one parameter or state tensor starts: `start(draw, shape)`."""

    shape: tuple[int, ...]
    start: Callable[[Draw, tuple[int, ...]], Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """`apply(params, state, *xs, train, key) -> (y, state)`; touches nothing else.

    params, state: how they start.  parts: the layers a combinator is made of, whose trees nest.
    """

    params: Mapping[str, Param]
    apply: Callable[..., tuple[Any, Tree]]
    state: Mapping[str, Param] = field(default_factory=dict)
    parts: tuple[Layer, ...] | None = None

    def init(self, key: Any) -> tuple[Tree, Tree]:
        """Fresh `(params, state)` drawn from a key."""
        if self.parts is not None:
            pairs = [part.init(Keyed(key).child(i)) for i, part in enumerate(self.parts)]
            return [p for p, _ in pairs], [s for _, s in pairs]
        draw = key if isinstance(key, Keyed) else Keyed(key)
        return start_all(self.params, draw), start_all(self.state, draw)

    def __call__(self, params: Tree, *xs: Any, key: Any = None) -> Any:
        """The layer without state, in evaluation."""
        return self.apply(params, self.start_state(), *xs, train=key is not None, key=key)[0]

    def start_state(self) -> Tree:
        """State tensors as they start (no layer draws them)."""
        if self.parts is not None:
            return [part.start_state() for part in self.parts]
        return start_all(self.state, Keyed(None))


def start_all(params: Mapping[str, Param], draw: Any) -> dict[str, Any]:
    """Every tensor of a layer, drawn in order."""
    return {name: p.start(draw, p.shape) for name, p in params.items()}


class Global:
    """Draws Tensors from the global generator."""

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = default_float() if dtype is None else as_numpy(dtype)

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> Any:
        """Numbers of [low, high)."""
        return uniform_values(Tensor, shape, low, high, None, self.dtype)

    def normal(self, shape: tuple[int, ...], std: float) -> Any:
        """Normal draws."""
        return normal_values(Tensor, shape, 0.0, std, None, self.dtype)

    def full(self, shape: tuple[int, ...], value: float, dtype: str | None = None) -> Any:
        """One number everywhere."""
        return fill(shape, value, self.dtype if dtype is None else as_numpy(dtype), None, False)


class Keyed:
    """Draws arrays from a key (fgrad.random.key), a new stream for each tensor."""

    def __init__(self, key: Any) -> None:
        self.key: Any = key.key if isinstance(key, Keyed) else key
        self.count = 0

    def child(self, i: int) -> Keyed:
        """An independent source."""
        return Keyed(random.fold_in(self.key, i + 1_000_003))

    def next(self) -> Any:
        """The key of the next tensor."""
        self.count += 1
        return random.fold_in(self.key, self.count)

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> Any:
        """Numbers of [low, high)."""
        return random.uniform(self.next(), shape, minval=low, maxval=high)

    def normal(self, shape: tuple[int, ...], std: float) -> Any:
        """Normal draws."""
        return random.normal(self.next(), shape) * std

    def full(self, shape: tuple[int, ...], value: float, dtype: str | None = None) -> Any:
        """One number everywhere."""
        return numpy.full(shape, value, dtype or default_float())


def stateless(f: Callable[..., Any]) -> Callable[..., tuple[Any, Tree]]:
    """Lifts `f(params, *xs)` to the full signature."""
    return lambda params, state, *xs, train=False, key=None: (f(params, *xs), state)


class LayerModule(Module):
    """A Module that takes everything from a layer function: `class Linear(LayerModule, of=linear)`."""

    make: ClassVar[Callable[..., Layer]]
    plain: ClassVar[frozenset[str]] = frozenset({"bias", "device", "dtype"})
    absent: ClassVar[tuple[str, ...]] = ()  # names that are None where the layer has no such tensor

    def __init_subclass__(cls, of: Callable[..., Layer] | None = None) -> None:
        super().__init_subclass__()
        if of is not None:
            cls.make = staticmethod(of)
            cls.__doc__, cls.__signature__ = of.__doc__, inspect.signature(of)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, device: Any = None, dtype: Any = None, held: Mapping[str, Any] | None = None,
                 **kwargs: Any) -> None:  # fmt: skip
        super().__init__()
        form = inspect.signature(type(self).make)
        device, dtype = (*args[len(form.parameters) :], device, dtype)[:2]  # PyTorch has them last
        given = form.bind(*args[: len(form.parameters)], **kwargs)
        given.apply_defaults()
        for name, value in given.arguments.items():
            if name not in self.plain:
                object.__setattr__(self, name, value)
        object.__setattr__(self, "layer", type(self).make(**given.arguments))
        object.__setattr__(self, "_arguments", dict(given.arguments))
        draw, held = Global(dtype), held or {}
        for name, p in self.layer.params.items():
            check_sizes(p.shape)
            x = held[name] if name in held else p.start(draw, p.shape)
            if tuple(x.shape) != p.shape:
                raise AssertionError(f"{name} of shape {tuple(x.shape)} does not match the sizes given, {p.shape}")
            self.register_parameter(name, Parameter(x))
        if given.arguments.get("bias") is False and "bias" in self.plain:
            self.register_parameter("bias", None)
        for name in self.absent:
            if name not in self.layer.params and name not in self.layer.state:
                self.register_parameter(name, None) if name in ("weight", "bias") else self.register_buffer(name, None)
        for name, p in self.layer.state.items():
            self.register_buffer(name, settled(p.start(draw, p.shape)))
        place = elsewhere() if device is None else device
        if place is not None:
            self.to(place)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "layer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["layer"] = type(self).make(**state["_arguments"])

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        if name in own.get("_arguments", ()) and name not in self.plain:  # `dropout.p = 0`: the layer follows
            arguments = {**own["_arguments"], name: value}
            layer = type(self).make(**arguments)
            new, old = shapes(layer), shapes(own["layer"])
            if new == old or (name == "track_running_stats" and set(new) < set(old)):  # sizes only describe what is made already
                own.update(layer=layer, _arguments=arguments)
        super().__setattr__(name, value)

    def reset_parameters(self) -> None:
        """Draws every parameter anew; state goes back to its start."""
        before = set_grad(False)
        try:
            for name, p in (*self.layer.params.items(), *self.layer.state.items()):
                x = getattr(self, name)
                x.copy_(p.start(Global(x.dtype), p.shape))
        finally:
            set_grad(before)

    def forward(self, *xs: Any) -> Any:
        """The layer on this module's own parameters; new state is kept."""
        layer = self.layer
        held = self._parameters
        params = {k: held[k] if k in held else getattr(self, k) for k in layer.params}  # computed ones: nn.utils.parametrize
        if not layer.state:
            return layer.apply(params, dict(self._buffers), *xs, train=self.training, key=None)[0]
        y, new = layer.apply(params, dict(self._buffers), *xs, train=self.training, key=None)
        if self.training:
            before = set_grad(False)
            try:
                for k, v in new.items():
                    if v is not self._buffers[k]:
                        self._buffers[k].copy_(v)  # type: ignore[union-attr]
            finally:
                set_grad(before)
        return y

    def extra_repr(self) -> str:
        """The arguments the layer was made with."""
        skip = {"layer", "training"}
        shown = [k for k in inspect.signature(type(self).make).parameters if k in self.__dict__ and k not in skip]
        bias = [f"bias={self._parameters.get('bias') is not None}"] if "bias" in self._parameters else []
        return ", ".join([f"{k}={getattr(self, k)!r}" for k in shown] + bias)


def check_sizes(shape: tuple[Any, ...]) -> None:
    """TypeError for sizes that are no integers, RuntimeError for negative ones."""
    if not all(isinstance(n, int | np.integer) for n in shape):
        raise TypeError(f"sizes of a parameter must be ints, but got {shape}")
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(shape)}")


def shapes(layer: Layer) -> list[tuple[str, tuple[int, ...]]]:
    """What a layer's parameters and state look like."""
    return [(name, p.shape) for name, p in (*layer.params.items(), *layer.state.items())]


def settled(x: Any) -> Any:
    """A tensor with its own buffer."""
    return tensor(x)

