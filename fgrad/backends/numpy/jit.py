"""LLVM text -> machine code in this process. llvmlite is imported when the first kernel is compiled."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
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


def object_of(text: str) -> bytes:
    """Machine code of a module, from LLVM."""
    llvm = need("llvmlite.binding")
    target = target_machine()
    module = llvm.parse_assembly(text)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.add_instruction_combine_pass()
    passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1)))
    code: bytes = target.emit_object(module)
    return code


def target_machine() -> Any:
    """What LLVM needs to know to make code for this machine."""
    llvm, machine = need("llvmlite.binding"), host()
    return llvm.Target.from_default_triple().create_target_machine(cpu=machine.cpu, features=machine.features, opt=2)


class Linked(NamedTuple):
    """Machine code in this process."""

    functions: dict[str, Callable[..., None]]
    engine: Any


def link(codes: Iterable[bytes], arity: Mapping[str, int]) -> Linked:
    """The functions in machine code, by name; each takes so many integers and releases the GIL while it runs."""
    llvm = need("llvmlite.binding")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    for code in codes:
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    functions: dict[str, Callable[..., None]] = {}
    for name, n in arity.items():
        f = ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * n)(engine.get_function_address(name))
        f.engine = engine  # type: ignore[attr-defined]  # the code lives as long as a function of it
        functions[name] = f
    return Linked(functions, engine)


def define(name: str, function: Any) -> None:
    """Lets code that is linked from now on call a native function by name."""
    need("llvmlite.binding").add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)


def address_of(name: str) -> int:
    """Where a function is that `define` named."""
    found: int = need("llvmlite.binding").address_of_symbol(name)
    return found
