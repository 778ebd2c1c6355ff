"""Programs that differ in numbers alone: one machine code, and the numbers each was written with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, interpret, sizes, store
from fgrad.backends.numpy import table as kernels
from fgrad.backends.numpy.sizes import Form, compile_form, taken_apart
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

pytest.importorskip("llvmlite")
TEXT = """define void @f(i64 %a) {{
entry:
  %p = inttoptr i64 %a to ptr
  %x = load <4 x double>, ptr %p, align 8
  %s = insertelement <4 x double> %x, double {scalar}, i32 0
  %y = fmul <4 x double> %s, splat (double {splat})
  %q = getelementptr inbounds double, ptr %p, i64 {at}
  %r = add nuw nsw i64 {one}, {two}
  %z = add <4 x i64> <i64 1, i64 2, i64 3, i64 4>, splat (i64 5)
  %w = getelementptr inbounds i64, ptr %p, i64 {wide}
  store <4 x double> %y, ptr %q, align 8
  store i64 %r, ptr %w, align 8
  ret void
}}
"""


def written(scalar: float, splat: float, at: int, one: int, two: int, wide: int) -> str:
    bits = [f"0x{np.float64(x).view(np.uint64):016X}" for x in (scalar, splat)]
    return TEXT.format(scalar=bits[0], splat=bits[1], at=at, one=one, two=two, wide=wide)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Nothing known, on disk or in memory; the texts that LLVM gets from now on."""
    monkeypatch.setenv("FGRAD_CACHE_DIR", str(tmp_path))
    for name in ("FORMS", "CODES"):
        monkeypatch.setattr(sizes, name, {})
    monkeypatch.setattr(kernels, "KERNELS", {})
    seen: list[str] = []
    made = sizes.object_of
    monkeypatch.setattr(sizes, "object_of", lambda text: (seen.append(text), made(text))[1])
    return seen


def test_a_text_is_its_form_with_its_numbers() -> None:
    text = written(1.5, -2.0, 4, 5, 6, 9)
    parts = taken_apart(text)
    assert [n for n, kind in zip(parts.numbers, parts.kinds, strict=True) if kind == "i64"] == ["4", "5", "9"]
    assert parts.kinds.count("splat double") == parts.kinds.count("double") == 1
    assert Form(parts.numbers, (-1,) * len(parts.numbers)).text(parts) == text


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-9, 9), st.integers(4, 7), st.integers(0, 9), st.integers(10, 13)), min_size=1, max_size=5))
def test_numbers_that_vary_are_read_from_a_table(rows: Any) -> None:
    for scalar, splat, at, one, wide in rows:
        f = compile_form(written(scalar, splat, at, one, 7, wide), {"f": 1})["f"]
        memory = np.arange(16.0)
        f(memory.ctypes.data)
        want = np.arange(16.0)
        want[at : at + 4] = np.array([scalar, 1, 2, 3]) * splat
        want.view(np.int64)[wide] = one + 7
        np.testing.assert_array_equal(memory, want)


def test_a_third_text_needs_no_compiler(fresh: list[str]) -> None:
    for k, row in enumerate([(1.0, 2.0, 4, 1, 6, 10), (1.0, 2.5, 5, 1, 6, 11), (1.0, 7.5, 7, 1, 6, 13), (1.0, -1.0, 6, 1, 6, 12)]):
        compile_form(written(*row), {"f": 1})
        assert len(fresh) == min(k + 1, 2)
    assert sizes.TABLE not in fresh[0]
    assert "[3 x i64]" in fresh[1]
    compile_form(written(1.0, -1.0, 6, 2, 6, 12), {"f": 1})  # another gap
    assert "[4 x i64]" in fresh[2]


def test_what_varies_is_known_to_another_process(fresh: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for at in (4, 5):
        compile_form(written(1.0, 2.0, at, 1, 6, 10), {"f": 1})
    for name in ("FORMS", "CODES"):
        monkeypatch.setattr(sizes, name, {})
    compile_form(written(1.0, 2.0, 6, 1, 6, 10), {"f": 1})
    assert len(fresh) == 2


def test_a_new_batch_size_needs_no_compiler(fresh: list[str]) -> None:
    def step(x: Any, w: Any) -> Any:
        y = F["tanh"](F["dot_general"](x, w, contract=((1,), (0,)), batch=((), ())))
        return F["reduce_sum"](F["mul"](y, F["sigmoid"](y)), axes=(0,))

    rng, counts = np.random.default_rng(0), []
    for n in (96, 120, 132, 116, 104, 128):
        graph = trace(step, TensorType((n, 40), "float32"), TensorType((40, 50), "float32"))
        inputs = [rng.normal(size=t.shape).astype("float32") for t in graph.input_types]  # type: ignore[union-attr]
        before = len(fresh)
        (found,) = Program(graph, {}, "native")(inputs)
        np.testing.assert_allclose(found, interpret(graph, inputs)[0], rtol=2e-5, atol=2e-5)
        counts.append(len(fresh) - before)
    assert counts[0] >= 3
    assert counts[-2:] == [0, 0]


def test_the_folder_is_kept_within_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(store, "BOUND", 3000)
    paths = [store.entry("o", str(k)) for k in range(4)]
    for path in paths:
        store.tidy.cache_clear()
        store.write(path, b"x" * 900)
    assert [store.read(p) is not None for p in paths] == [False, True, True, True]
    assert store.read(paths[1]) is not None  # used: others go first now
    store.tidy.cache_clear()
    store.write(store.entry("o", "more"), b"x" * 900)
    assert [store.read(p) is not None for p in paths] == [False, True, False, True]
