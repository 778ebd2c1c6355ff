"""What only moves elements, in native programs: the same elements as the plain lowerings move, by one thread or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.backends.numpy import Program, interpret, pool, tasks
from fgrad.errors import RangeError
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.types import TensorType
from fgrad.transforms.inline import trace

DTYPES = ("float32", "float64", "int64", "bool", "uint8", "float16", "complex128")


@pytest.fixture(autouse=True, params=["one", "tasks"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGRAD_CACHE_DIR", "")
    if request.param == "tasks":
        monkeypatch.setattr(tasks, "WORTH", 0.0)
        monkeypatch.setattr(tasks, "TASK", 1e-3)
        pool.load()
        pool.ready()


def drawn(rng: Any, shape: tuple[int, ...], dtype: str) -> Any:
    return (10 * rng.normal(size=shape)).astype(dtype) if dtype != "bool" else rng.integers(0, 2, shape).astype(bool)


def agree(f: Any, *inputs: Any, calls: tuple[str, ...] = ()) -> None:
    """Native and plain results are equal, and none of these lowerings is called."""
    arrays = [np.asarray(x) for x in inputs]
    graph = trace(f, *[TensorType(x.shape, x.dtype) for x in arrays])
    program = Program(graph, {}, "native")
    assert not [c for c in calls if f"{c}(np" in program.source], program.source
    for _ in range(2):
        for a, b in zip(program(arrays), interpret(graph, arrays), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(6))
def test_turned_views_become_contiguous(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.choice([1, 2, 3, 16, 17, 40], rng.integers(2, 5)).tolist())
    axes = tuple(rng.permutation(len(shape)).tolist())
    agree(lambda x: F["reshape"](F["transpose"](x, axes=axes), shape=(x.size,)), drawn(rng, shape, dtype), calls=("reshape",))


def test_a_large_matrix_is_turned() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        agree(lambda x: F["reshape"](F["transpose"](x, axes=(0, 2, 1)), shape=(x.size,)), drawn(rng, (3, 333, 250), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(6))
def test_pad_and_concatenate(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 9, rng.integers(1, 4)).tolist())
    low, high, interior = (tuple(rng.integers(a, 3, len(shape)).tolist()) for a in (-1, -1, 0))
    agree(lambda x, v: F["pad"](x, v, low=low, high=high, interior=interior), drawn(rng, shape, dtype), drawn(rng, (), dtype), calls=("pad",))
    axis = int(rng.integers(0, len(shape)))
    others = [tuple(int(rng.integers(1, 5)) if a == axis else d for a, d in enumerate(shape)) for _ in range(3)]
    agree(lambda *xs: F["concatenate"](*xs, axis=axis), *[drawn(rng, s, dtype) for s in others], calls=("concatenate",))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["clip", "fill", "raise"])
@pytest.mark.parametrize("seed", range(5))
def test_gather(seed: int, mode: str, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.choice([2, 3, 7, 40], rng.integers(1, 4)).tolist())
    axes = tuple(sorted(rng.choice(len(shape), rng.integers(1, len(shape) + 1), replace=False).tolist()))
    places = tuple(rng.integers(1, 6, rng.integers(0, 3)).tolist())
    wide = 0 if mode == "raise" else 2
    kind = ("int64", "int32")[seed % 2]
    indices = [rng.integers(-shape[a] - wide, shape[a] + wide, places).astype(kind) for a in axes]
    agree(lambda x, *i: F["gather"](x, *i, axes=axes, mode=mode), drawn(rng, shape, dtype), *indices, calls=("gather",))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize(("op", "mode"), [("add", "clip"), ("set", "drop"), ("mul", "drop"), ("max", "raise"), ("min", "clip")])
@pytest.mark.parametrize("seed", range(5))
def test_scatter(seed: int, op: str, mode: str, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.choice([2, 3, 7, 150], rng.integers(1, 4)).tolist())
    axes = tuple(sorted(rng.choice(len(shape), rng.integers(1, len(shape) + 1), replace=False).tolist()))
    places = tuple(rng.integers(1, 6, rng.integers(0, 3)).tolist())
    wide = 0 if mode == "raise" else 2
    indices = [rng.integers(-shape[a] - wide, shape[a] + wide, places) for a in axes]
    rest = tuple(d for i, d in enumerate(shape) if i not in axes)
    x, updates = drawn(rng, shape, dtype), drawn(rng, (*places, *rest), dtype)
    agree(lambda x, u, *i: F["scatter"](x, u, *i, axes=axes, op=op, mode=mode), x, updates, *indices, calls=("scatter",))
    agree(lambda x, u, *i: F["scatter"](F["mul"](x, x), u, *i, axes=axes, op=op, mode=mode), x, updates, *indices, calls=("scatter",))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(6))
def test_slices_that_start_at_run_time(seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, rng.integers(0, 4)).tolist())
    sizes = tuple(int(rng.integers(1, d + 1)) for d in shape)
    starts = [np.asarray(rng.integers(-3, d + 3)) for d in shape]
    x, y = drawn(rng, shape, dtype), drawn(rng, sizes, dtype)
    agree(lambda x, *s: F["dynamic_slice"](x, *s, sizes=sizes), x, *starts, calls=("dynamic_slice",))
    agree(lambda x, y, *s: F["dynamic_update_slice"](x, y, *s), x, y, *starts, calls=("dynamic_update_slice",))
    begin = tuple(int(rng.integers(0, d - n + 1)) for d, n in zip(shape, sizes, strict=True))
    agree(lambda x, y: F["update_slice"](x, y, start=begin, step=(1,) * len(shape)), x, y, calls=("update_slice",))


def test_a_bad_index_is_refused_before_anything_is_written() -> None:
    def f(x: Any, i: Any) -> tuple[Any, ...]:
        return F["add"](x, 1.0), F["gather"](x, F["reshape"](i, shape=(2, 1)), axes=(0,), mode="raise")

    graph = trace(f, TensorType((5, 3), "float32"), TensorType((2,), "int64"))
    program = Program(graph, {0: 0}, "native")
    x = np.zeros((5, 3), "float32")
    with pytest.raises(IndexError, match="index 5 is out of range for axis 0 of length 5"):
        program([x, np.array([1, 5])])
    assert not x.any()
    assert issubclass(RangeError, IndexError)
    assert program([x, np.array([1, -5])])[1].shape == (2, 1, 3)


def test_a_row_written_by_many_updates_adds_them_in_order() -> None:
    rng = np.random.default_rng(0)
    agree(
        lambda x, u, i: F["scatter"](x, u, i, axes=(0,), op="add", mode="clip"),
        np.zeros((50, 300), "float32"), drawn(rng, (2000, 300), "float32"), rng.integers(0, 50, 2000), calls=("scatter",),
    )  # fmt: skip
