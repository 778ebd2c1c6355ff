"""Creation functions with all their options, windows, foreign memory; in-place and copying functions, `out=`, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])


def same(ours: Any, theirs: Any, **tolerance: float) -> None:
    assert (tuple(ours.shape), str(ours.dtype)[6:]) == (tuple(theirs.shape), str(theirs.dtype)[6:])
    if tolerance:
        np.testing.assert_allclose(ours.double().numpy(), theirs.double().numpy(), **tolerance)
    else:
        assert ours.tolist() == theirs.tolist()


MADE = [
    lambda T: T.zeros(size=(2, 3)), lambda T: T.ones(2, 3, layout=T.strided, pin_memory=False), lambda T: T.zeros(T.tensor(2), np.int64(3)),
    lambda T: T.zeros([2, 3]), lambda T: T.zeros(()), lambda T: T.full((2,), True), lambda T: T.full(size=(2,), fill_value=2.5),
    lambda T: T.full((2,), T.tensor(3)), lambda T: T.full((2,), 3, dtype=T.float64, layout=T.strided), lambda T: T.eye(n=2, m=3),
    lambda T: T.eye(2, dtype=T.bool, out=T.empty(0, dtype=T.bool)), lambda T: T.linspace(0, 1, 5, dtype=T.int64), lambda T: T.linspace(T.tensor(0.0), 2, 3),
    lambda T: T.linspace(0, 1j, 3), lambda T: T.linspace(start=0, end=1, steps=0), lambda T: T.logspace(0, 1, 3, base=2), lambda T: T.arange(end=3),
    lambda T: T.arange(start=1, end=3), lambda T: T.arange(3, out=T.empty(0, dtype=T.int64)), lambda T: T.arange(5, 0, -2, dtype=T.float64),
    lambda T: T.randint(high=1, size=(2,)), lambda T: T.randint(1, size=(2,), pin_memory=False), lambda T: T.randint(low=3, high=4, size=(2,), dtype=T.float32),
    lambda T: T.normal(0.0, 0.0, (2,), dtype=T.float64), lambda T: T.normal(T.ones(2), 0.0), lambda T: T.normal(2.0, T.zeros(2)),
    lambda T: T.normal(mean=0.0, std=0.0, size=(2,), out=T.empty(0)), lambda T: T.zeros(2, 3, out=T.ones(2, 3)), lambda T: T.scalar_tensor(True),
    lambda T: T.scalar_tensor(3, dtype=T.int64, layout=T.strided), lambda T: T.tril_indices(2, 3, dtype=T.int32, layout=T.strided),
    lambda T: T.full_like(T.ones(2), 3, dtype=T.int64, memory_format=T.preserve_format), lambda T: T.randint_like(T.ones(2), 1, layout=T.strided),
    lambda T: T.zeros_like(T.ones(2), layout=T.strided, memory_format=T.preserve_format, pin_memory=False), lambda T: T.empty(0, memory_format=T.contiguous_format),
    lambda T: T.rand(size=(2, 0)), lambda T: T.randn(2, 0, layout=T.strided, out=T.empty(0)), lambda T: T.randperm(1, dtype=T.int32, layout=T.strided),
    lambda T: T.hann_window(5), lambda T: T.hann_window(5, periodic=False), lambda T: T.hann_window(5, False), lambda T: T.hann_window(0), lambda T: T.hann_window(1),
    lambda T: T.hamming_window(5), lambda T: T.hamming_window(6, True, 0.5), lambda T: T.hamming_window(5, False, 0.6, 0.3), lambda T: T.kaiser_window(5),
    lambda T: T.kaiser_window(5, True, 2.0), lambda T: T.kaiser_window(5, False, beta=3.0), lambda T: T.kaiser_window(1), lambda T: T.bartlett_window(5),
    lambda T: T.bartlett_window(4, False), lambda T: T.blackman_window(6), lambda T: T.blackman_window(6, periodic=False, dtype=T.float64),
    lambda T: T.hann_window(7, dtype=T.float64, layout=T.strided, device="cpu"), lambda T: T.asarray([1, 2.0]), lambda T: T.asarray(np.ones(2)),
    lambda T: T.asarray(1, dtype=T.float32), lambda T: T.asarray(np.float64(1)), lambda T: T.asarray(bytearray(8), dtype=T.float32), lambda T: T.asarray(bytearray(8)),
    lambda T: T.asarray([T.ones(1), 2]), lambda T: T.asarray(np.arange(3), dtype=T.float64, copy=True), lambda T: T.frombuffer(bytearray(8), dtype=T.float32),
    lambda T: T.frombuffer(bytearray(9), dtype=T.float32, count=1, offset=5), lambda T: T.frombuffer(bytearray(range(8)), dtype=T.int16, offset=2),
    lambda T: T.frombuffer(bytearray(b"abc"), dtype=T.uint8, count=-2),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MADE)))
def test_creation(number: int) -> None:
    same(MADE[number](fgrad), MADE[number](torch), **({"rtol": 1e-5, "atol": 1e-6} if MADE[number](torch).dtype.is_floating_point else {}))


RANGES = [((0, 5), {}), ((0, 1, 0.25), {}), ((1, 4), {"dtype": "int64"}), ((0, 5, 2), {}), ((5, 0, -2), {}), ((0.5, 3), {"dtype": "float64"}), ((2, 2), {})]


@pytest.mark.parametrize(("args", "options"), RANGES)
def test_inclusive_ranges(args: tuple[Any, ...], options: dict[str, Any]) -> None:
    found = []
    for T in (fgrad, torch):
        with pytest.warns(UserWarning, match="range"):
            found.append(T.range(*args, **{k: getattr(T, v) for k, v in options.items()}))
    same(*found)


REFUSED = [
    (lambda T: T.zeros("a"), TypeError), (lambda T: T.zeros(2.5), TypeError), (lambda T: T.zeros(), TypeError), (lambda T: T.full(2.5, 1.0), TypeError),
    (lambda T: T.zeros(2, foo=3), TypeError), (lambda T: T.zeros(2, layout="strided"), TypeError), (lambda T: T.eye(-1), RuntimeError),
    (lambda T: T.linspace(0, 1, -1), RuntimeError), (lambda T: T.normal(0.0, 1.0), TypeError), (lambda T: T.normal(T.zeros(2), -2.0), RuntimeError),
    (lambda T: T.normal(0.0, -1.0, (2,)), RuntimeError), (lambda T: T.randperm(-1), RuntimeError), (lambda T: T.zeros(-1), RuntimeError),
    (lambda T: T.zeros(2, dtype=T.float32, out=T.ones(2, dtype=T.int64)), RuntimeError), (lambda T: T.empty(2, memory_format=3), TypeError),
    (lambda T: T.hann_window(-1), RuntimeError), (lambda T: T.kaiser_window(5, dtype=T.int64), RuntimeError), (lambda T: T.asarray([1.0], copy=False), ValueError),
    (lambda T: T.asarray(np.ones(2), copy=False, dtype=T.float32), ValueError), (lambda T: T.asarray(b"ab"), ValueError),
    (lambda T: T.frombuffer(bytearray(9), dtype=T.float32), ValueError), (lambda T: T.frombuffer(bytearray(9), dtype=T.float32, offset=20), ValueError),
    (lambda T: T.frombuffer(bytearray(0), dtype=T.float32), ValueError), (lambda T: T.frombuffer(bytearray(4), dtype=T.float32, count=3), ValueError),
    (lambda T: T.frombuffer(bytearray(4), dtype=T.float32, count=0), ValueError), (lambda T: T.frombuffer([1], dtype=T.uint8), ValueError),
    (lambda T: T.frombuffer(bytearray(4)), TypeError), (lambda T: T.sin_(3), TypeError), (lambda T: T.add(T.ones(2), 1, out=T.empty(2, dtype=T.int64)), RuntimeError),
    (lambda T: T.range(5), TypeError), (lambda T: T.range(0, 5, -1), RuntimeError), (lambda T: T.range(0, 5, 0), RuntimeError),
]  # fmt: skip


@both
@pytest.mark.filterwarnings("ignore:.*range:UserWarning", "ignore:.*not writable")
@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_refused(T: Any, number: int) -> None:
    call, error = REFUSED[number]
    with pytest.raises(error):
        call(T)


@both
def test_gradients_start_at_created_tensors(T: Any) -> None:
    for make in (
        lambda **o: T.zeros(2, **o), lambda **o: T.rand(2, **o), lambda **o: T.hann_window(3, **o), lambda **o: T.scalar_tensor(1.0, **o), lambda **o: T.normal(0.0, 1.0, (2,), **o),
        lambda **o: T.frombuffer(bytearray(4), dtype=T.float32, **o), lambda **o: T.asarray([1.0], **o), lambda **o: T.empty_like(T.ones(2), **o), lambda **o: T.eye(2, **o),
    ):  # fmt: skip
        x = make(requires_grad=True)
        assert x.requires_grad
        assert x.is_leaf
        assert not make(requires_grad=False).requires_grad


@both
def test_foreign_memory_is_shared(T: Any) -> None:
    memory = bytearray(8)
    x = T.frombuffer(memory, dtype=T.float32)
    x[0] = 1.0
    assert bytes(memory[:4]) == np.float32(1).tobytes()
    a = np.zeros(2)
    y = T.asarray(a)
    y += 1
    assert a.tolist() == [1, 1]
    z = T.asarray(a, copy=True)
    z += 1
    assert a.tolist() == [1, 1]
    t = T.ones(2, requires_grad=True)
    assert T.asarray(t, requires_grad=True) is t
    assert not T.asarray(t, requires_grad=False).requires_grad
    assert T.asarray(t * 2, requires_grad=True).requires_grad
    assert T.asarray(t.detach(), copy=True).data_ptr() != t.data_ptr()


@both
def test_out_takes_the_results_shape(T: Any) -> None:
    out = T.empty(0)
    assert T.add(T.ones(2, 3), 1, out=out) is out
    assert out.tolist() == [[2.0] * 3] * 2
    with pytest.warns(UserWarning, match="resized since it had shape"):
        T.mul(T.ones(4), 3, out=out)
    assert out.tolist() == [3.0] * 4
    assert T.add(T.ones(2), 1, out=T.empty(2, dtype=T.float64)).dtype is T.float64
    assert T.cat([T.ones(2), T.zeros(1)], out=T.empty(0)).tolist() == [1, 1, 0]


COPIES = [
    ("view_copy", lambda T: ((3, 2),), {}), ("view_copy", lambda T: (), {"dtype": "int32"}), ("transpose_copy", lambda T: (0, 1), {}), ("t_copy", lambda T: (), {}),
    ("permute_copy", lambda T: ((1, 0),), {}), ("diagonal_copy", lambda T: (1,), {}), ("select_copy", lambda T: (0, 1), {}), ("squeeze_copy", lambda T: (), {}),
    ("unsqueeze_copy", lambda T: (1,), {}), ("slice_copy", lambda T: (1, 0, 3, 2), {}), ("as_strided_copy", lambda T: ((2, 2), (1, 2), 1), {}), ("alias_copy", lambda T: (), {}),
    ("expand_copy", lambda T: ((4, 2, 3),), {"implicit": False}), ("unfold_copy", lambda T: (1, 2, 1), {}), ("split_copy", lambda T: (1,), {}), ("unbind_copy", lambda T: (1,), {}),
    ("split_with_sizes_copy", lambda T: ((1, 2), 1), {}), ("detach_copy", lambda T: (), {}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(COPIES)))
def test_copying_views(number: int) -> None:
    name, args, options = COPIES[number]
    results = []
    for T in (fgrad, torch):
        x = T.arange(6.0).reshape(2, 3)
        named = {k: getattr(T, v) if k == "dtype" else v for k, v in options.items()}
        y = getattr(T, name)(x, *args(T), **named)
        many = y if isinstance(y, tuple | list) else [y]
        results.append([p.clone() for p in many])
        for p in many:
            p.zero_()
        assert x.sum().item() == 15.0
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs)


@both
def test_copies_of_complex_views_into_given_tensors_and_gradients(T: Any) -> None:
    z = T.tensor([1 + 2j, 3j])
    parts = T.view_as_real_copy(z)
    assert parts.tolist() == [[1, 2], [0, 3]]
    assert T.view_as_complex_copy(parts).tolist() == z.tolist()
    out = T.empty(6)
    assert T.view_copy(T.ones(2, 3), size=(6,), out=out) is out
    places = [T.empty(2), T.empty(2)]
    T.split_copy(T.arange(4.0), 2, out=places)
    assert [p.tolist() for p in places] == [[0, 1], [2, 3]]
    x = T.ones(2, 3, requires_grad=True)
    T.transpose_copy(x, 0, 1).sum().backward()
    assert x.grad.tolist() == [[1.0] * 3] * 2
    assert not T.detach(x).requires_grad
    assert T.detach(x).data_ptr() == x.data_ptr()
