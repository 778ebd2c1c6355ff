"""Kernels as machine code, one for each text; recipes run on arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from fgrad.backends.numpy.code import NAME, name_of
from fgrad.backends.numpy.jit import compile_text, define
from fgrad.backends.numpy.recipe import ALIGN, FREE, Place, Recipe, Step

KERNELS: dict[str, Callable[..., None]] = {}
LOCK = Lock()


def kernel(text: str) -> Callable[..., None]:
    """The kernel of a text, compiled once, and known by its name to what is linked later."""
    name = name_of(text)
    with LOCK:
        found = KERNELS.get(name)
        if found is None:
            found = KERNELS[name] = compile_text(text.replace(f"@{NAME}(", f"@{name}("), {name: 3})[name]
            define(name, found)
    return found


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
