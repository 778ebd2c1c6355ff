"""Products of matrices in kernels: every form against NumPy in float64, and whole programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, interpret
from fgrad.backends.numpy.gemm import outer, plan
from fgrad.backends.numpy.gemm.oriented import Matrix, Product
from fgrad.backends.numpy.recipe import Recipe
from fgrad.backends.numpy.table import run
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType
from fgrad.settings import use
from fgrad.transforms.inline import trace

MACHINES = {"512 bits": (16, 32), "256 bits": (8, 16), "128 bits": (4, 32), "128 bits, few": (4, 16)}


def case(m: int, n: int, k: int, turned: tuple[bool, bool], dtype: str, stack: tuple[int, ...] = ()) -> tuple[Product, list[Any]]:
    """A product, and arrays for it."""
    rng = np.random.default_rng(m * 31 + n * 7 + k)
    steps = [int(np.prod(stack[i + 1 :])) for i in range(len(stack))]
    a, b = (Matrix(name, tuple([s * r * c for s in steps]), *((1, r) if t else (c, 1)))
            for name, r, c, t in (("a", m, k, turned[0]), ("b", k, n, turned[1])))  # fmt: skip
    shapes = [(k, m) if turned[0] else (m, k), (n, k) if turned[1] else (k, n)]
    arrays = [np.asarray(rng.normal(size=(*stack, *s)), dtype) for s in shapes]
    c = Matrix("c", tuple([s * m * n for s in steps]), n, 1)
    return Product(a, b, c, stack, m, n, k, dtype), [*arrays, np.full((*stack, m, n), np.nan, dtype)]


def check(p: Product, arrays: list[Any], turned: tuple[bool, bool]) -> None:
    """Computes it, and compares with float64."""
    a, b, c = arrays
    run(Recipe((plan.step(p),), 0), a=a, b=b, c=c)
    left, right = (x.astype(np.float64).swapaxes(-1, -2) if t else x.astype(np.float64) for x, t in ((a, turned[0]), (b, turned[1])))
    bound = 1e-6 if p.dtype == "float32" else 1e-15
    np.testing.assert_allclose(c, left @ right, rtol=0, atol=bound * 4 * p.k**0.5 * 4)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(4))
def test_forms(seed: int, dtype: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes around those of registers, tiles and strips, for machines of other widths too."""
    lanes, many = MACHINES[machine]
    monkeypatch.setattr(plan, "lanes_for", lambda dtype: lanes * 4 // np.dtype(dtype).itemsize)
    monkeypatch.setattr(plan, "registers", lambda: many)
    rng = np.random.default_rng(seed)
    for turned in ((False, False), (False, True), (True, False), (True, True)):
        m = int(rng.choice([1, 2, 3, 5, 6, 7, 13, 64, 65, 71]))
        n = int(rng.choice([1, 3, 15, 16, 17, 63, 64, 65, 80, 130, 200]))
        k = int(rng.choice([1, 2, 15, 16, 33, 65, 100]))
        p, arrays = case(m, n, k, turned, dtype)
        check(p, arrays, turned)


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("k", [512, 513, 1100, 1600])
def test_long_sums_are_added_stretch_by_stretch(k: int, turned: tuple[bool, bool]) -> None:
    p, arrays = case(70, 75, k, turned, "float32")
    step = plan.step(p)
    assert (k > outer.DEPTH) == (dict(zip(range(20), step.words, strict=False))[8] < k)
    assert step.parts > 1
    check(p, arrays, turned)


@pytest.mark.parametrize("turned", [(False, False), (False, True), (True, False)])
def test_stacks(turned: tuple[bool, bool]) -> None:
    for stack in ((3,), (2, 3), (2, 1, 5)):
        p, arrays = case(33, 20, 17, turned, "float32", stack)
        check(p, arrays, turned)


def test_a_repeated_operand_has_stride_zero() -> None:
    p, (a, b, c) = case(4, 40, 9, (False, False), "float32", (3,))
    b = np.ascontiguousarray(b[0])
    check(p._replace(b=p.b._replace(stack=(0,))), [a, b, c], (False, False))


@pytest.mark.parametrize("shape", [(1, 50, 70), (5, 50, 700), (80, 50, 700), (80, 50, 30)])
@pytest.mark.parametrize("turned", [(False, False), (False, True)])
def test_what_is_not_finite_stays_where_it_belongs(shape: tuple[int, int, int], turned: tuple[bool, bool]) -> None:
    """Columns past the last, rows past the last and steps past the last are never mixed in."""
    m, n, k = shape
    p, (a, b, c) = case(m, n, k, turned, "float32")
    a[0, k - 1], a[m - 1, 0] = np.inf, np.nan
    (b.T if turned[1] else b)[k - 1, n - 1] = np.nan
    run(Recipe((plan.step(p),), 0), a=a, b=b, c=c)
    with np.errstate(invalid="ignore"):
        want = a.astype(np.float64) @ (b.T if turned[1] else b).astype(np.float64)
    np.testing.assert_array_equal(np.isnan(c), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(c), np.isinf(want))


def test_bits_do_not_depend_on_threads() -> None:
    graph = trace(lambda a, b: FUNCTIONS["dot_general"](a, b, contract=((1,), (0,)), batch=((), ())),
                  TensorType((300, 700), "float32"), TensorType((700, 200), "float32"))  # fmt: skip
    rng = np.random.default_rng(0)
    inputs = [np.asarray(rng.normal(size=s), np.float32) for s in ((300, 700), (700, 200))]
    program, found = Program(graph, {}, "native"), []
    for threads in (1, 2, 4):
        with use(num_threads=threads):
            found.append(np.array(program(inputs)[0]))
    assert all(np.array_equal(found[0], x) for x in found)


@pytest.mark.parametrize("seed", range(30))
def test_products_in_kernels_are_those_of_numpy(seed: int) -> None:
    """Stacks, repeated stacks, transposed operands, vectors, sizes of 1, both dtypes; cut into parts and whole."""
    rng = np.random.default_rng(seed)
    dtype = ("float32", "float64")[seed % 2]
    stack = tuple(rng.integers(1, 5, rng.integers(0, 3)).tolist())
    m, n, k = (int(rng.choice([1, 2, 7, 33, 150])) for _ in range(3))
    turned = rng.integers(0, 2, 2)
    wide = rng.integers(0, 2)

    def f(a: Any, b: Any) -> Any:
        if wide and stack:  # the second is the same matrix throughout the stack
            b = FUNCTIONS["broadcast_to"](b, shape=(*stack, *b.shape))
        r = tuple(range(len(stack)))
        left, right = len(stack) + (0 if turned[0] else 1), len(stack) + (1 if turned[1] else 0)
        return FUNCTIONS["exp"](FUNCTIONS["dot_general"](a, b, contract=((left,), (right,)), batch=(r, r)))

    shapes = [(*stack, k, m) if turned[0] else (*stack, m, k), (n, k) if turned[1] else (k, n)]
    if not (wide and stack):
        shapes[1] = (*stack, *shapes[1])
    graph = trace(f, *[TensorType(s, dtype) for s in shapes])
    inputs = [(0.1 * rng.normal(size=s)).astype(dtype) for s in shapes]
    program = Program(graph, {}, "native")
    assert "matmul" not in program.source
    want = interpret(graph, inputs)[0]
    np.testing.assert_allclose(program(inputs)[0], want, rtol=2e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_any_product_in_a_kernel_is_the_plain_one(seed: int) -> None:
    """Shared, summed and free axes in any order, of transposed views and of contiguous arrays."""
    rng = np.random.default_rng(100 + seed)
    shared, summed, free_a, free_b = (rng.choice([1, 2, 3, 5, 17], rng.integers(0, 3)).tolist() for _ in range(4))

    def operand(free: list[int]) -> tuple[tuple[int, ...], list[int]]:
        sizes = [*shared, *summed, *free]
        order = rng.permutation(len(sizes)).tolist()
        return tuple(sizes[i] for i in order), order

    (shape_a, order_a), (shape_b, order_b) = operand(free_a), operand(free_b)
    turn_a, turn_b = rng.permutation(len(shape_a)).tolist(), rng.permutation(len(shape_b)).tolist()

    def f(a: Any, b: Any) -> Any:
        if seed % 2:  # views whose axes lie in another order than they are counted
            a, b = (FUNCTIONS["transpose"](x, axes=tuple(t)) for x, t in ((a, turn_a), (b, turn_b)))
        batch = range(len(shared))
        inner = range(len(shared), len(shared) + len(summed))
        contract = tuple(order_a.index(i) for i in inner), tuple(order_b.index(i) for i in inner)
        return FUNCTIONS["exp"](
            FUNCTIONS["dot_general"](
                a, b, contract=contract, batch=(tuple(order_a.index(i) for i in batch), tuple(order_b.index(i) for i in batch))
            )
        )

    shapes = [shape_a, shape_b]
    if seed % 2:
        shapes = [tuple(s[i] for i in np.argsort(t).tolist()) for s, t in zip(shapes, (turn_a, turn_b), strict=True)]
    graph = trace(f, *[TensorType(s, "float64") for s in shapes])
    inputs = [np.asarray(rng.normal(size=s) * 0.3) for s in shapes]
    np.testing.assert_allclose(Program(graph, {}, "native")(inputs)[0], interpret(graph, inputs)[0], rtol=1e-11)
