"""Combinators of Layers: in a row, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgrad import random
from fgrad.nn.layer import Layer, stateless


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
