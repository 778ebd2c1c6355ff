"""Products whose operands lie in any order are part of the kernel, with the numbers of the plain lowering."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from fgrad.backends.numpy import compile
from fgrad.backends.numpy.capable import able
from fgrad.backends.numpy.launches import Launches
from fgrad.backends.numpy.native import Native
from fgrad.backends.numpy.writer import Writer
from fgrad.ir.graph import Graph, Value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.passes.fuse import fuse
from fgrad.passes.plan import plan_memory
from fgrad.passes.schedule import schedule
from fgrad.transforms.inline import trace


def run(graph: Graph) -> str:
    """The source of the native program, whose results are those of the plain lowerings."""
    rng = np.random.default_rng(0)
    given = [rng.normal(size=x.shape).astype(x.dtype) for x in graph.inputs]
    plain, native = (compile(graph, kernels=k) for k in ("plain", "native"))
    for a, b in zip(plain(given), native(given), strict=True):
        tolerance = 1e-12 if a.dtype == np.float64 else 1e-4
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
    return native.source


@pytest.mark.parametrize(("contract", "batch"), [
    (((1, 0), (0, 1)), ((), ())), (((0, 1), (1, 0)), ((), ())), (((0,), (1,)), ((1,), (0,))), (((2, 0), (2, 1)), ((), ())),
    (((2, 1, 0), (2, 0, 1)), ((), ())), (((1, 2), (0, 2)), ((0,), (1,))),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_summed_axes_in_another_order(contract: tuple[tuple[int, ...], ...], batch: tuple[tuple[int, ...], ...], dtype: str) -> None:
    types = [TensorType((5, 6, 7), dtype), TensorType((6, 5, 7), dtype)]
    graph = trace(lambda x, y: F["dot_general"](F["sin"](x), y, contract=contract, batch=batch), *types)
    assert "dot_general(" not in run(graph)


def drawn(seed: int) -> Graph:
    """A product of forms of two arrays."""
    rng = np.random.default_rng(seed)
    sizes = {a: int(rng.integers(1, 9)) for a in "abcdef"}
    shared, summed, left, right = "a"[: rng.integers(2)], "bc"[: rng.integers(1, 3)], "d"[: rng.integers(2)], "ef"[: rng.integers(3)]

    def lying(names: str) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
        held = "".join(rng.permutation(list(names)))
        seen = "".join(rng.permutation(list(names)))
        return seen, tuple([sizes[a] for a in held]), tuple([held.index(a) for a in seen])

    (x, x_shape, x_axes), (y, y_shape, y_axes) = lying(shared + summed + left), lying(shared + summed + right)

    def f(a: Value, b: Value) -> Value:
        a = F["mark"](F["transpose"](F["sin"](a), axes=x_axes), depth=1)
        b = F["transpose"](b, axes=y_axes)
        pairs = [tuple([tuple([n.index(c) for c in names]) for n in (x, y)]) for names in (summed, shared)]
        made: Value = F["dot_general"](a, b, contract=pairs[0], batch=pairs[1])
        return made

    return trace(f, TensorType(x_shape, "float64"), TensorType(y_shape, "float64"))


@pytest.mark.parametrize("seed", range(30))
def test_drawn_products(seed: int) -> None:
    assert "dot_general(" not in run(drawn(seed))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("first", [True, False])
def test_a_matrix_by_a_vector_is_one_call(axis: int, first: bool) -> None:
    """Tiled programs hand it to NumPy's matmul as it lies, from either side and over either axis."""
    shapes = ((3, 4), (3, 4)[axis : axis + 1])

    def f(m: Value, v: Value) -> Value:
        operands, axes = ((m, v), ((axis,), (0,))) if first else ((v, m), ((0,), (axis,)))
        return F["dot_general"](*operands, contract=axes, batch=((), ()))

    rng = np.random.default_rng(0)
    m, v = (rng.normal(size=s) for s in shapes)
    program = compile(trace(f, *[TensorType(s, "float64") for s in shapes]), kernels="tiled")
    assert "matmul(" in program.source
    np.testing.assert_allclose(program([m, v])[0], np.tensordot(m, v, (axis, 0)))


def test_groups_that_are_alike_are_one_function() -> None:
    def f(x: Any, w: Any) -> Any:
        for _ in range(5):
            y = F["dot_general"](x, w, contract=((1,), (0,)), batch=((), ()))
            x = F["tanh"](F["mul"](F["add"](F["sin"](y), x), F["exp"](F["mul"](y, -0.5))))
        return x

    graph = trace(f, TensorType((9, 16), "float32"), TensorType((16, 16), "float32"))
    run(graph)
    native, fused = Native(), fuse(graph, able)
    Writer(fused, {}, plan_memory(fused, {}, schedule(fused), native.target), native.step, native.flush).code()
    launches = Launches([f.asm for f in native.functions])
    text = native.text(launches)
    calls = Counter(re.findall(r"call void @(fgrad_kernel_\w+)", text))
    assert calls.total() == 10
    assert sorted(calls.values()) in ([5, 5], [1, 4, 5])  # products, groups; the first group reads an input
    assert len(launches.texts()) == len(calls)
