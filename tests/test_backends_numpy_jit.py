"""Machine code on disk, lazily imported llvmlite, and the way without it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad import backends
from fgrad.backends.numpy import Program, native, sizes
from fgrad.backends.numpy import table as kernels
from fgrad.backends.numpy.jit import host
from fgrad.backends.numpy.sizes import compile_text
from fgrad.errors import ArgumentError, MissingError
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.settings import current, use
from fgrad.transforms.inline import trace

GRAPH = trace(lambda x: F["exp"](F["mul"](x, 0.5)), TensorType((37,), "float32"))
X = np.linspace(-2, 2, 37, dtype="float32")


def check(program: Program) -> None:
    np.testing.assert_allclose(program([X])[0], np.exp(X * np.float32(0.5)), rtol=1e-6)


def test_code_is_kept_on_disk_and_broken_entries_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", str(tmp_path))
    for module, name in ((sizes, "FORMS"), (sizes, "CODES"), (kernels, "KERNELS")):
        monkeypatch.setattr(module, name, {})
    check(Program(GRAPH, {}, "native"))
    entries = sorted(tmp_path.iterdir())
    kinds = [e.suffix for e in entries]
    assert sorted(kinds) == [".form", ".form", ".o", ".o"]  # a group's, and the program's that calls it
    check(Program(GRAPH, {}, "native"))
    for entry in entries:
        good = entry.read_bytes()
        for bad in (b"", b"x" * 10, good[:-7], good[:40] + bytes([good[40] ^ 1]) + good[41:]):
            entry.write_bytes(bad)
            for table in (sizes.FORMS, sizes.CODES, kernels.KERNELS):  # as in another process
                table.clear()
            check(Program(GRAPH, {}, "native"))
            assert entry.read_bytes() == good
    assert sorted(tmp_path.iterdir()) == entries


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FGRAD_CACHE_DIR", str(tmp_path / "file" / "folder"))
    check(Program(GRAPH, {}, "native"))


def test_llvmlite_is_imported_for_the_first_kernel_only() -> None:
    code = "import fgrad.primitives, fgrad.backends.numpy, sys; assert 'llvmlite' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(backends.__file__).parents[2])


def test_without_llvmlite_tiles_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(text: str, arity: Any) -> Any:
        raise MissingError("llvmlite is needed", fix="install it")

    monkeypatch.setattr(native, "compile_form", missing)
    program = Program(GRAPH, {}, "auto")
    for _ in range(4):
        check(program)
    assert program.compiled is not None
    program.compiled.result(timeout=60)
    check(program)
    assert "kernel0" not in program.source


def test_arrays_are_found_without_knowing_their_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")
    assert native.FIELD is not None
    monkeypatch.setattr(native, "FIELD", None)
    program = Program(GRAPH, {}, "native")
    assert "cell(" in program.source
    check(program)


@pytest.mark.parametrize("lanes", [4, 8])
def test_narrow_registers_give_the_same(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")
    here = native.host()
    monkeypatch.setattr(native, "host", lambda: here._replace(lanes=lanes))
    program = Program(GRAPH, {}, "native")
    check(program)


def test_settings_are_replaced_whole_and_come_back() -> None:
    before = current()
    with use(kernels="plain") as inside:
        assert current() is inside
        assert inside.kernels == "plain"
    assert current() is before
    with pytest.raises(ArgumentError, match="auto, plain, tiled, native"), use(kernels="fast"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_can_compile_while_its_parent_was_compiling() -> None:
    """Another thread is inside LLVM all the time; every child frees and makes code of its own."""
    text = "define void @f(i64 %x) {{\n  %y{n} = add i64 %x, {n}\n  ret void\n}}\n"
    stop = threading.Event()
    host()

    def compiling() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            compile_text(text.format(n=n), {"f": 1})

    thread = threading.Thread(target=compiling)
    thread.start()
    try:
        for n in range(6):
            child = os.fork()
            if not child:
                signal.alarm(20)  # a child that waits for ever is ended by this, and seen by its status
                compile_text(text.format(n=-n), {"f": 1})
                gc.collect()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
