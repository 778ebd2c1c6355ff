"""LLVM text -> machine code in this process. llvmlite is imported when the first kernel is compiled."""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fgrad.errors import MissingError, need


class Host(NamedTuple):
    """The processor: what code is made for."""

    cpu: str
    features: str
    lanes: int  # of float32 in a register
    halves: bool  # converts float16


def guard_forks(llvm: Any) -> None:
    """A fork waits until no other thread is inside LLVM: its lock, taken then, would stay taken in the child for ever."""
    lock = getattr(llvm.ffi.lib, "_lock", None)
    if lock is not None and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.__enter__, after_in_parent=lock.__exit__, after_in_child=lock.__exit__)


@cache
def host() -> Host:
    """This machine. 512-bit registers are used where they exist."""
    llvm = need("llvmlite.binding")
    guard_forks(llvm)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    found = llvm.get_host_cpu_features()
    lanes = 16 if found.get("avx512f") else 8 if found.get("avx2") else 4
    features = found.flatten() + (",-prefer-256-bit" if lanes == 16 else "")
    return Host(llvm.get_host_cpu_name(), features, lanes, found.get("f16c", True))


@cache
def wide() -> bool:
    """True if code is made for AVX-512; False if none is made."""
    try:
        return host().lanes == 16
    except MissingError:
        return False


@cache
def halves() -> bool:
    """True if the processor converts float16, or no code is made for it."""
    try:
        return host().halves
    except MissingError:
        return True


def cache_folder() -> Path | None:
    """Where machine code is kept between processes; FGRAD_CACHE_DIR="" turns that off."""
    named = os.environ.get("FGRAD_CACHE_DIR")
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fgrad"


class Store:
    """Machine code on disk, by what it was made from and for; a broken entry is as good as none."""

    def __init__(self, text: str) -> None:
        machine = host()
        key = hashlib.sha256("\n".join([need("llvmlite").__version__, machine.cpu, machine.features, text]).encode())
        folder = cache_folder()
        self.path = None if folder is None else folder / f"{key.hexdigest()}.o"

    def read(self, module: Any) -> bytes | None:
        """The stored code, if it is whole: its hash comes first."""
        try:
            data = self.path.read_bytes() if self.path is not None else b""
        except OSError:
            return None
        return data[32:] if len(data) > 32 and hashlib.sha256(data[32:]).digest() == data[:32] else None

    def write(self, module: Any, code: bytes) -> None:
        """Writes beside and renames, so that no reader sees half a file; a full disk is no error."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent)
            with os.fdopen(handle, "wb") as f:
                f.write(hashlib.sha256(code).digest() + code)
            Path(name).replace(self.path)
        except OSError:
            return


def compile_text(text: str, arity: Mapping[str, int]) -> dict[str, Callable[..., None]]:
    """The functions of a module, by name; each takes so many integers and releases the GIL while it runs."""
    llvm = need("llvmlite.binding")
    machine = host()
    target = llvm.Target.from_default_triple().create_target_machine(cpu=machine.cpu, features=machine.features, opt=2)
    module = llvm.parse_assembly(text)
    store = Store(text)
    if store.read(module) is None:  # with the code at hand, optimising would be thrown away
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        passes.add_instruction_combine_pass()
        passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1)))
    engine = llvm.create_mcjit_compiler(module, target)
    engine.set_object_cache(store.write, store.read)
    engine.finalize_object()
    functions: dict[str, Callable[..., None]] = {}
    for name, n in arity.items():
        f = ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * n)(engine.get_function_address(name))
        f.engine = engine  # type: ignore[attr-defined]  # the code lives as long as a function of it
        functions[name] = f
    return functions


def define(name: str, function: Any) -> None:
    """Lets code that is linked from now on call a native function by name."""
    need("llvmlite.binding").add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
