"""PyTorch's old constructors, tensor types, generators and storages, against PyTorch."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

KINDS = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16", "LongTensor": "int64",
    "IntTensor": "int32", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool",
}  # fmt: skip
both = pytest.mark.parametrize("T", [fgrad, torch])


def same(ours: Any, theirs: Any) -> None:
    assert (tuple(ours.shape), ours.dtype.name if hasattr(ours.dtype, "name") else "") == (tuple(theirs.shape), str(theirs.dtype)[6:])
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", [*KINDS, "Tensor"])
def test_constructors(name: str) -> None:
    ours, theirs = getattr(fgrad, name), getattr(torch, name)
    for make in (ours, theirs):
        assert tuple(make(2, 3).shape) == (2, 3)
        assert tuple(make(4).shape) == (4,)
        assert tuple(make().shape) == (0,)
        assert tuple(make(np.int64(3), 0).shape) == (3, 0)
    assert ours(fgrad.Size((2, 3))).shape == theirs(torch.Size((2, 3))).shape
    for data in ([1, 0, 2], [[1.5, 0.0], [2.5, 3.0]], (2, 3), [], [[], []], np.arange(4.0).reshape(2, 2), range(3), [True, False]):
        same(ours(data), theirs(data))
    same(ours([fgrad.tensor(1), 2.0]), theirs([torch.tensor(1), 2.0]))
    same(ours([fgrad.tensor([1]), fgrad.tensor([2])]), theirs([torch.tensor([1]), torch.tensor([2])]))


@both
def test_constructor_of_a_tensor_shares_it(T: Any) -> None:
    x = T.arange(3.0)
    for y in (T.Tensor(x), T.FloatTensor(x)):
        y[0] += 7
    assert x.tolist() == [14, 1, 2]
    assert T.Tensor(T.arange(2)).dtype is T.int64
    with pytest.raises(TypeError):
        T.LongTensor(x)


@both
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda T: T.FloatTensor(2.5), TypeError), (lambda T: T.Tensor(None), TypeError), (lambda T: T.Tensor("abc"), TypeError),
        (lambda T: T.Tensor({"a": 1}), TypeError), (lambda T: T.Tensor(2, 3.0), TypeError), (lambda T: T.Tensor(True), TypeError),
        (lambda T: T.Tensor(-1), RuntimeError), (lambda T: T.FloatTensor([[1], [2, 3]]), ValueError), (lambda T: T.ByteTensor([300]), RuntimeError),
        (lambda T: T.CharTensor([200]), RuntimeError), (lambda T: T.LongTensor([float("nan")]), RuntimeError),
        (lambda T: T.FloatTensor([1], [2]), TypeError), (lambda T: T.tensor([300], dtype=T.uint8), RuntimeError),
        (lambda T: T.tensor([1e30], dtype=T.int32), RuntimeError), (lambda T: T.tensor([-256], dtype=T.uint8), RuntimeError),
        (lambda T: T.tensor([1j], dtype=T.float32), TypeError), (lambda T: T.tensor(-(2**31) - 1, dtype=T.int32), RuntimeError),
        (lambda T: T.FloatTensor(requires_grad=True), TypeError),
    ],
)  # fmt: skip
def test_what_constructors_refuse(T: Any, make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make(T)


def test_numbers_that_just_fit() -> None:
    for data, kind in [([-1, -255, 255], "uint8"), ([-128, 127], "int8"), ([2**31 - 1, -(2**31)], "int32"), ([1.9, -1.9], "int64"), ([3.7], "bool")]:
        same(fgrad.tensor(data, dtype=getattr(fgrad, kind)), torch.tensor(data, dtype=getattr(torch, kind)))
    same(fgrad.tensor(np.array([300, -1]), dtype=fgrad.uint8), torch.tensor(np.array([300, -1]), dtype=torch.uint8))


@both
def test_types_are_classes(T: Any) -> None:
    for name, kind in KINDS.items():
        x = T.ones(2).to(getattr(T, kind))
        cls = getattr(T, name)
        assert isinstance(x, cls)
        assert [n for n in KINDS if isinstance(x, getattr(T, n))] == [name]
        assert not issubclass(T.Tensor, cls)
        assert (cls.dtype, cls.is_cuda, cls.__name__, T.typename(cls)) == (x.dtype, False, name, f"torch.{name}")
        assert cls.layout is T.strided
        assert T.ones(2).type(cls).dtype is T.ones(2).type(f"torch.{name}").dtype is T.ones(2).type(x.dtype).dtype is x.dtype
    assert isinstance(T.nn.Parameter(T.ones(1)), T.FloatTensor)
    assert not isinstance([1.0], T.FloatTensor)
    for bad in ("torch.FooTensor", "float32", "FloatTensor"):
        with pytest.raises(ValueError, match="invalid type"):
            T.ones(1).type(bad)


@both
@pytest.mark.filterwarnings("ignore:.*set_default_tensor_type")
def test_default_tensor_type(T: Any) -> None:
    try:
        T.set_default_tensor_type("torch.DoubleTensor")
        assert T.get_default_dtype() is T.tensor(1.5).dtype is T.Tensor(2).dtype is T.float64
        T.set_default_tensor_type(T.HalfTensor)
        assert T.ones(1).dtype is T.float16
    finally:
        T.set_default_tensor_type(T.FloatTensor)
    assert T.get_default_dtype() is T.float32
    for bad in ("torch.LongTensor", T.LongTensor, T.float64, 3):
        with pytest.raises(TypeError, match="floating-point"):
            T.set_default_tensor_type(bad)


@both
def test_dtypes_of_parts(T: Any) -> None:
    names = ["float32", "float64", "bfloat16", "complex64", "complex128"]
    assert [str(getattr(T, n).to_complex())[-9:] for n in names] == ["complex64", "omplex128", "complex64", "complex64", "omplex128"]
    assert T.complex64.to_real() is T.float32
    assert T.complex128.to_real() is T.float64
    assert T.int64.to_real() is T.int64
    for bad in (T.int64, T.bool):
        with pytest.raises(RuntimeError, match="Unknown Complex"):
            bad.to_complex()


@both
def test_generators(T: Any) -> None:
    g = T.Generator().manual_seed(5)
    assert g.initial_seed() == 5
    assert g.device == T.device("cpu")
    state = g.get_state()
    assert state.dtype is T.uint8
    first = T.rand(4, generator=g)
    assert not T.equal(T.rand(4, generator=g), first)
    g.set_state(state)
    assert T.equal(T.rand(4, generator=g), first)
    other = g.clone_state()
    assert T.equal(T.rand(4, generator=g), T.rand(4, generator=other))
    assert T.Generator().manual_seed(-5).initial_seed() == 2**64 - 5
    assert g.seed() == g.initial_seed()
    for bad, error in [("a", RuntimeError), (2.5, RuntimeError), (2**65, ValueError)]:
        with pytest.raises(error):
            g.manual_seed(bad)
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state([1])
    with pytest.raises(TypeError, match="ByteTensor"):
        g.set_state(T.ones(3))
    with pytest.raises(RuntimeError, match="size|bytes"):
        g.set_state(T.ones(3, dtype=T.uint8))
    with pytest.raises(ValueError, match="invalid literal"):
        T.manual_seed("a")
    assert T.manual_seed(2.7).initial_seed() == T.initial_seed() == 2


@both
def test_forked_streams(T: Any) -> None:
    T.manual_seed(1)
    a = T.rand(3)
    T.manual_seed(1)
    with T.random.fork_rng(devices=[]):
        T.manual_seed(9)
        T.rand(10)
    assert T.equal(T.rand(3), a)
    T.random.manual_seed(1)
    with T.random.fork_rng(enabled=False):
        T.rand(3)
    assert not T.equal(T.rand(3), a)
    state = T.random.get_rng_state()
    x = T.randn(3)
    T.random.set_rng_state(state)
    assert T.equal(T.randn(3), x)
    assert T.random.initial_seed() == 1


def test_a_generator_in_a_pickle_goes_on() -> None:
    g = fgrad.Generator().manual_seed(3)
    fgrad.rand(5, generator=g)
    for other in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert fgrad.equal(fgrad.rand(2, generator=other), fgrad.rand(2, generator=g.clone_state()))
