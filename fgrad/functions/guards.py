"""What a recording depends on beside its arguments: the Python values its function can reach, and whether calling it changes them."""

from __future__ import annotations

import copyreg
import functools
import io
import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fgrad.eager.cell import Cell
from fgrad.eager.generator import Generator

LIMIT = 20_000  # places looked at before a function counts as unguardable
EMPTY = object()
PLAIN = (bool, int, float, complex, str, bytes, type(None))
TABLES = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
HELD = (np.ndarray, np.random.Generator, np.random.RandomState, io.IOBase, bytearray, memoryview, array)  # what changes unseen
WRAPPERS = (types.MethodType, functools.partial, property, staticmethod, classmethod)
WRAPPED = ("__func__", "__self__", "func", "args", "keywords", "fget", "fset")

Reader = Callable[[], list[Any]]


class Reached:
    """Every place a function can reach, with what stood there: cells of closures, globals it names, containers, attributes.

    `holds()` is False once one of them holds something else.  Tensors are compared by identity, type and requires_grad,
    with `grads` by their `.grad` too; numbers and text by value.  `unsure` says why places exist that cannot be compared.
    """

    def __init__(self, roots: Iterable[Any], grads: bool = False) -> None:
        self.places: list[tuple[Reader, list[Any], list[int]]] = []
        self.cells: dict[int, Cell] = {}
        self.unsure = ""
        self._seen: dict[int, Any] = {}
        self._waiting = [*roots]
        while self._waiting and not self.unsure:
            self._visit(self._waiting.pop())
        cells = list(self.cells.values())
        self._place(lambda: [y for x in cells for y in (x._value.type, x._value.needs)])
        if grads:
            self._place(lambda: [x._extra and x._extra.grad for x in cells])
        self._waiting.clear()
        self._seen.clear()

    def holds(self) -> bool:
        """True if everything is as it was."""
        for read, kept, ids in self.places:
            now = read()
            if list(map(id, now)) != ids and not same(now, kept):
                return False
        return True

    def _place(self, read: Reader) -> None:
        found = read()
        self.places.append((read, found, list(map(id, found))))
        self._waiting += found
        if len(self.places) > LIMIT:
            self.unsure = "it reaches too much"

    def _visit(self, x: Any) -> None:
        if isinstance(x, PLAIN) or id(x) in self._seen or isinstance(x, Generator):
            return
        self._seen[id(x)] = x
        if isinstance(x, Cell):
            self.cells[id(x)] = x
        elif isinstance(x, HELD) or (isinstance(x, Iterator) and not isinstance(x, type)):
            self.unsure = f"it reads a {type(x).__name__}"
        elif isinstance(x, types.FunctionType):
            self._function(x)
        elif isinstance(x, WRAPPERS):
            self._waiting += [getattr(x, n, None) for n in WRAPPED]
        elif isinstance(x, type):
            if not library(x.__module__):
                self._waiting += list(x.__mro__)
                self._place(lambda: [v for k, v in vars(x).items() if k != "__dict__"])
        elif not isinstance(x, types.ModuleType):
            self._contents(x)

    def _contents(self, x: Any) -> None:
        if isinstance(x, dict):
            self._place(lambda: [*x, *x.values()])
        elif isinstance(x, list | set | deque):
            self._place(lambda: [*x])
        elif isinstance(x, tuple | frozenset):
            self._waiting += x
        kind = type(x)
        if library(kind.__module__) and not kind.__module__.startswith("fgrad.") and kind.__module__ not in ("types", "argparse"):
            return
        own: Any = getattr(x, "__dict__", ())
        if "_strikes" in own:  # a compiled function
            self._waiting.append(own["_original"])
            return
        self._waiting.append(kind)
        if "_parameters" in own:
            self._module(own)
        elif isinstance(own, dict):
            self._place(lambda: [*own, *own.values()])
        slots = copyreg._slotnames(kind)  # type: ignore[attr-defined]  # there since Python 2
        if slots and not kind.__module__.startswith("fgrad."):
            self._place(lambda: [getattr(x, n, EMPTY) for n in slots])

    def _module(self, own: dict[str, Any]) -> None:
        tables = [own[name] for name in TABLES]
        params, buffers, modules, after, before, back, ahead = tables

        def read() -> list[Any]:
            return [*own.values(), *params.values(), *buffers.values(), *modules.values(), *after.values(), *before.values(),
                    *back.values(), *ahead.values()]  # fmt: skip

        self._seen.update({id(table): table for table in tables})
        self._place(read)

    def _function(self, f: types.FunctionType) -> None:
        cells = f.__closure__ or ()
        if cells:
            self._place(lambda: [contents(c) for c in cells])
        self._waiting += [f.__defaults__, f.__kwdefaults__, f.__dict__.get("__wrapped__")]
        scope = f.__globals__
        if library(scope.get("__name__") or ""):
            return
        words = frozenset(names(f.__code__))
        found = sorted(n for n in words if n in scope)
        self._place(lambda: [scope.get(n, EMPTY) for n in found])
        for n in found:
            if isinstance(scope[n], types.ModuleType) and not library(scope[n].__name__):
                self._place(functools.partial(attributes, scope[n], words))


def attributes(module: types.ModuleType, words: Iterable[str]) -> list[Any]:
    """What the words name in a module of the user's."""
    own = vars(module)
    return [own.get(n, EMPTY) for n in words]


def contents(cell: Any) -> Any:
    """What a closure's cell holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


def names(code: types.CodeType) -> Iterator[str]:
    """Names of globals and attributes that code and the functions inside it use."""
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from names(part)


def same(now: list[Any], kept: list[Any]) -> bool:
    """True for the same objects, or plain ones of equal value."""
    if len(now) != len(kept):
        return False
    return all(a is b or (type(a) is type(b) and isinstance(a, PLAIN) and a == b) for a, b in zip(now, kept, strict=True))


@functools.lru_cache(maxsize=4096)
def library(module: str) -> bool:
    """True for modules whose own globals are not the user's: Python's, installed ones, fgrad."""
    root = module.partition(".")[0]
    if root == "__main__":
        return False
    if root in sys.stdlib_module_names or root in ("fgrad", "numpy"):
        return True
    return "site-packages" in (getattr(sys.modules.get(root), "__file__", None) or "")


ASKS = frozenset(("item", "tolist", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__", "uncompiled"))
CHANGES = frozenset((
    "register_hook", "register_post_accumulate_grad_hook", "retain_grad", "manual_seed", "seed", "set_rng_state", "requires_grad_",
    "set_default_dtype", "set_default_device", "set_printoptions",
))  # fmt: skip
STARTS = frozenset(("backward", "step"))
OUTSIDE = frozenset(("random", "_random", "time", "datetime", "logging", "warnings", "uuid", "secrets", "os", "posix", "threading", "subprocess", "pathlib", "_io"))


class Watch:
    """One call in Python, watched: `broke` names what a recording of it would lose, such as print, clocks and tensors' hooks.

    grads: True if it read `.grad`.
    """

    def __init__(self) -> None:
        self.broke: dict[str, bool] = {}
        self.grads = False
        self._before: Any = None

    def __enter__(self) -> Watch:
        self._before = sys.getprofile()
        sys.setprofile(self._see)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(self._before)
        outer = getattr(self._before, "__self__", None)
        if isinstance(outer, Watch):
            outer.broke.update(self.broke)
            outer.grads |= self.grads

    def _see(self, frame: types.FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            if not library(frame.f_globals.get("__name__") or ""):
                self._built_in(arg)
        elif event == "call" and frame.f_back is not None and not library(frame.f_back.f_globals.get("__name__") or ""):
            self._function(frame.f_globals.get("__name__") or "", frame.f_code.co_name)

    def _built_in(self, f: Any) -> None:
        owner = getattr(f, "__self__", None)
        home = owner.__name__ if isinstance(owner, types.ModuleType) else type(owner).__module__
        if f is print or f is input or f is open:
            self.broke[f.__name__] = True
        elif home.partition(".")[0] in OUTSIDE:
            self.broke[f"{home}.{f.__name__}"] = True

    def _function(self, module: str, name: str) -> None:
        root = module.partition(".")[0]
        if root in OUTSIDE:
            self.broke[f"{root}.{name}"] = True
        elif root == "fgrad" and (name in ASKS or name in CHANGES or name in STARTS):
            self.broke[name] = name not in CHANGES
        elif root == "fgrad" and (name == "grad" or name.startswith("clip_grad")):
            self.grads = True

    @property
    def strict(self) -> list[str]:
        """What fullgraph=True refuses."""
        return [name for name, hard in self.broke.items() if hard]


def entangled(out: Iterable[Any], others: dict[int, Any]) -> str:
    """Why results cannot be made by a program: they are, or share storage with, tensors there before, or have hooks; else ""."""
    bases: set[int] = set()
    for x in out:
        if not isinstance(x, Cell):
            continue
        if id(x) in others:
            return "it returns a tensor that was there before"
        extra = x._extra
        if extra is None:
            bases.add(id(x))
            continue
        if extra.hooks or extra.after or extra.retain:
            return "it returns a tensor with hooks"
        base = x if extra.base is None else extra.base
        if id(base) in others or id(base) in bases:
            return "it returns a view of another tensor"
        bases.add(id(base))
    return ""
