"""Threads of NumPy's matrix library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad as fg
import fgrad.numpy as jnp
from fgrad.backends.numpy import Program, blas, interpret
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace


def threads_seen(monkeypatch: pytest.MonkeyPatch, f: Any, *args: Any) -> list[int]:
    seen: list[int] = []
    monkeypatch.setattr(blas, "control", lambda: (seen.append, lambda: 7))
    fg.jit(f)(*args)
    return seen


def test_small_products_run_on_one_thread_and_the_number_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((8, 8), np.float32)
    assert threads_seen(monkeypatch, lambda x: x @ x, a) == [1, 7]


def test_large_products_and_programs_without_any_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((400, 400), np.float32)
    assert threads_seen(monkeypatch, lambda x: x @ x, a) == []
    assert threads_seen(monkeypatch, lambda x: jnp.exp(x), a) == []


def test_a_setting_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((400, 400), np.float32)
    with fg.settings(num_threads=2):
        assert threads_seen(monkeypatch, lambda x: x @ x, a) == [2, 7]
    with pytest.raises(ValueError, match="num_threads"), fg.settings(num_threads=-1):
        pass


def test_an_error_puts_the_number_back(monkeypatch: pytest.MonkeyPatch) -> None:
    a = np.ones((8, 8), np.float32)

    def fail(x: Any) -> Any:
        raise FloatingPointError("stopped")

    shape = fg.ShapeDtypeStruct((8, 8), np.float32)
    seen: list[int] = []
    monkeypatch.setattr(blas, "control", lambda: (seen.append, lambda: 7))
    with pytest.raises(FloatingPointError):
        fg.jit(lambda x: fg.pure_callback(fail, shape, x @ x))(a)
    assert seen == [1, 7]


def test_the_library_is_found_where_numpy_brings_one() -> None:
    found = blas.control()
    if found is None:
        pytest.skip("this NumPy uses another matrix library")
    change, ask = found
    usual = ask()
    change(1)
    assert ask() == 1
    change(usual)
    assert ask() == usual


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
    assert blas.products() == {} or "matmul" not in program.source
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
