"""Kernels as machine code, one for each text; recipes run on arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fgrad.backends.numpy.code import NAME, name_of
from fgrad.backends.numpy.jit import define, link
from fgrad.backends.numpy.locks import ForkLock
from fgrad.backends.numpy.recipe import ALIGN, FREE, Place, Recipe, Step
from fgrad.backends.numpy.sizes import code_of

KERNELS: dict[str, Callable[..., None]] = {}
LOCK = ForkLock()


def load(texts: Iterable[str]) -> None:
    """Kernels, each compiled once, and known by their names to what is linked later."""
    with LOCK:
        new = {name: text for name, text in [(name_of(text), text) for text in texts] if name not in KERNELS}
        if not new:
            return
        codes = [code_of(text.replace(f"@{NAME}(", f"@{name}(")) for name, text in new.items()]
        for name, function in link(codes, dict.fromkeys(new, 3)).functions.items():
            define(name, function)
            KERNELS[name] = function


def kernel(text: str) -> Callable[..., None]:
    """The kernel of a text."""
    load([text])
    return KERNELS[name_of(text)]


def words(step: Step, addresses: Mapping[str, int]) -> Any:
    """The arguments of a kernel in memory."""
    given = [addresses[w.name] + w.offset if isinstance(w, Place) else w for w in step.words]
    return np.array([step.chunk, step.tasks, *given], np.int64)


def run(recipe: Recipe, **arrays: Any) -> None:
    """All kernels of a recipe, one after the other, on contiguous arrays that `Place` names."""
    memory = np.empty(recipe.nbytes + ALIGN, np.uint8)
    addresses = {name: a.ctypes.data for name, a in arrays.items()}
    addresses["memory"] = memory.ctypes.data + -memory.ctypes.data % ALIGN
    for step in recipe.steps:
        if step.claims >= 0:
            ctypes.c_int64.from_address(addresses["memory"] + step.claims).value = FREE
        args = words(step, addresses)
        kernel(step.text)(args.ctypes.data, 0, step.parts)
