"""Tensor's methods about memory, its questions and its Python functions, against PyTorch."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

both = pytest.mark.parametrize("T", [fgrad, torch])
VIEWS = [
    lambda x: x, lambda x: x.T, lambda x: x[1:], lambda x: x[:, 1:3], lambda x: x.T[2:, ::2], lambda x: x.view(2, 6)[1], lambda x: x[1, 2],
    lambda x: x.unsqueeze(1).transpose(0, 2), lambda x: x[:, :1].expand(3, 5), lambda x: x[:0], lambda x: x[::2],
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_strides_and_addresses(number: int) -> None:
    bases = T_ours, T_theirs = fgrad.arange(12.0).reshape(3, 4).clone(), torch.arange(12.0).reshape(3, 4).clone()
    ours, theirs = (VIEWS[number](x) for x in bases)
    for f in (
        lambda x: x.stride(), lambda x: x.storage_offset(), lambda x: x.is_contiguous(), lambda x: x.untyped_storage().nbytes(),
        lambda x: x.untyped_storage().size(), lambda x: len(x.storage()), lambda x: x.storage().tolist(), lambda x: x.untyped_storage().tolist(),
        lambda x: x.contiguous().is_contiguous(), lambda x: x.element_size(), lambda x: x.itemsize, lambda x: x.nbytes, lambda x: x.nelement(),
    ):  # fmt: skip
        assert f(ours) == f(theirs)
    assert (ours.data_ptr() - T_ours.data_ptr() if ours.numel() else 0) == (theirs.data_ptr() - T_theirs.data_ptr() if theirs.numel() else 0)
    assert ours.untyped_storage().data_ptr() == T_ours.data_ptr() == T_ours.storage().data_ptr()
    if ours.ndim:
        assert ours.stride(0) == theirs.stride(0)
    if number not in (7, 8):  # PyTorch orders dimensions of equal strides its own way
        assert ours.dim_order() == theirs.dim_order()


@both
def test_memory_stays_through_writes_in_place(T: Any) -> None:
    x = T.ones(3)
    at = x.data_ptr()
    x.add_(1).mul_(3)
    x[0] = 7
    assert x.data_ptr() == at != T.ones(3).data_ptr()
    assert T.zeros(0).data_ptr() == 0
    assert x.untyped_storage().data_ptr() == x.view(3, 1).detach().untyped_storage().data_ptr() != x.clone().untyped_storage().data_ptr()


@both
@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_storages(T: Any) -> None:
    x = T.tensor([1, 2, 3], dtype=T.int16)
    bytes_, items = x.untyped_storage(), x.storage()
    assert T.is_storage(bytes_)
    assert T.is_storage(items)
    assert not T.is_storage(x)
    assert (bytes_[0], bytes_.element_size(), len(bytes_), bytes_.device, bytes_.is_cuda) == (1, 1, 6, T.device("cpu"), False)
    items[0] = 9
    assert x.tolist() == [9, 2, 3]
    assert (items.size(), items.dtype, items.nbytes(), items.element_size(), items[1], items.untyped().nbytes()) == (3, T.int16, 6, 2, 2, 6)
    assert "size 6" in repr(bytes_)
    assert "size 3" in repr(items)


def test_storages_are_one_for_all_views() -> None:
    x = fgrad.ones(2, 3)
    assert x[1:].untyped_storage() == x.T.untyped_storage() == x.untyped_storage() != fgrad.ones(2, 3).untyped_storage()
    assert len({x[1:].untyped_storage(), x.untyped_storage()}) == 1


@both
def test_set_to(T: Any) -> None:
    x = T.arange(6.0)
    assert x.is_set_to(x.detach())
    assert not x.is_set_to(x[1:])
    assert not x.is_set_to(x.view(2, 3))
    assert not x.is_set_to(x.clone())
    y = T.zeros(2)
    assert y.set_(x) is y
    y.add_(1)
    x.mul_(2)
    assert y.tolist() == x.tolist() == [2, 4, 6, 8, 10, 12]
    y.set_(x.view(2, 3)[1])
    y.zero_()
    assert x.tolist() == [2, 4, 6, 0, 0, 0]
    assert tuple(y.set_().shape) == (0,)
    with pytest.raises(RuntimeError, match="Could not set"):
        T.ones(1).set_(T.ones(1, dtype=T.int64))


@both
def test_memory_formats(T: Any) -> None:
    x = T.arange(120.0).reshape(2, 3, 4, 5)
    cl = T.channels_last
    assert isinstance(cl, T.memory_format)
    assert repr(cl).endswith("rad.channels_last") or repr(cl) == "torch.channels_last"
    assert not x.is_contiguous(memory_format=cl)
    assert x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).is_contiguous(memory_format=cl)
    assert T.ones(2, 1, 4, 5).is_contiguous(memory_format=cl)
    assert not T.ones(2, 3).is_contiguous(memory_format=cl)
    assert T.ones(0, 3).is_contiguous()
    assert T.ones(2, 1, 3, 4, 5).is_contiguous(memory_format=T.channels_last_3d)
    for f in (
        lambda x: x.contiguous(memory_format=cl), lambda x: x.clone(memory_format=cl), lambda x: x.to(memory_format=cl), lambda x: T.clone(x, memory_format=cl),
        lambda x: x.to(T.float32, memory_format=T.preserve_format), lambda x: x.contiguous(memory_format=T.contiguous_format),
        lambda x: T.zeros_like(x, memory_format=cl) + x, lambda x: T.empty(2, 3, 4, 5, memory_format=cl).zero_() + x, lambda x: x.float(memory_format=cl),
        lambda x: x.double(memory_format=cl), lambda x: x.cpu(memory_format=cl), lambda x: x.to("cpu", memory_format=cl), lambda x: x.type(T.float64),
    ):  # fmt: skip
        assert f(x).tolist() == x.tolist()
    with pytest.raises(RuntimeError, match="required rank 4"):
        T.ones(2, 3).contiguous(memory_format=cl)
    with pytest.raises(RuntimeError, match="required rank 5"):
        T.ones(2, 3).clone(memory_format=T.channels_last_3d)
    for f in (lambda: T.ones(2).to(memory_format=3), lambda: T.ones(2).clone(memory_format="channels_last")):
        with pytest.raises(TypeError, match="memory_format"):
            f()


def test_memory_formats_are_one_object_each() -> None:
    for one in (fgrad.channels_last, fgrad.contiguous_format, fgrad.preserve_format, fgrad.channels_last_3d):
        assert pickle.loads(pickle.dumps(one)) is one


@both
def test_python_functions(T: Any) -> None:
    assert T.tensor([1.0, 2.0]).apply_(lambda v: v * 2.5).tolist() == [2.5, 5.0]
    assert T.tensor([1, 2]).apply_(lambda v: v * 2.5).tolist() == [2, 5]
    x = T.ones(2, 3)
    assert x.T.apply_(lambda v: v + 1).shape == x.T.shape
    assert x.tolist() == [[2.0] * 3] * 2
    assert x.map_(T.arange(3.0), lambda a, b: a * b).tolist() == [[0, 2, 4]] * 2
    assert x.map2_(T.ones(3), T.ones(2, 1), lambda a, b, c: a + b - 3 * c).tolist() == [[-2, 0, 2]] * 2
    with pytest.raises(RuntimeError, match="requires grad"):
        T.ones(2, requires_grad=True).apply_(lambda v: v)
    with pytest.raises(TypeError, match="expected"):
        x.map_(T.ones(3, dtype=T.int64), lambda a, b: a)


@pytest.mark.parametrize("shape", [(3, 3), (7, 3), (3, 7), (2, 2, 2), (3, 3, 3, 3), (1, 1), (0, 3), (8, 2)])
@pytest.mark.parametrize("wrap", [False, True])
def test_filled_diagonals(shape: tuple[int, ...], wrap: bool) -> None:
    found = [T.zeros(*shape).fill_diagonal_(5, wrap=wrap).tolist() for T in (fgrad, torch)]
    assert found[0] == found[1]
    turned = [T.zeros(*shape).transpose(0, 1) for T in (fgrad, torch)]
    if len(shape) == 2 and not wrap:
        for x in turned:
            x.fill_diagonal_(2)
        assert turned[0].tolist() == turned[1].tolist()


@both
def test_wrong_diagonals(T: Any) -> None:
    with pytest.raises(RuntimeError, match="larger than 1"):
        T.ones(3).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="equal length"):
        T.ones(3, 2, 3).fill_diagonal_(1)


@both
def test_questions(T: Any) -> None:
    x = T.ones(2, 3)
    assert (x.get_device(), x.is_cpu, x.is_cuda, x.is_meta, x.is_quantized, x.is_sparse, x.is_mps, x.is_xpu) == (-1, True, *(False,) * 6)
    assert (x.is_signed(), T.ones(1, dtype=T.uint8).is_signed(), x.is_same_size(x + 1), x.is_same_size(x.T)) == (True, False, True, False)
    assert (T.tensor([2.0]).is_nonzero(), T.tensor(0).is_nonzero(), x.is_pinned(), x.is_shared(), x.is_inference(), x.is_distributed()) == (True, *(False,) * 5)
    assert (x.layout, x.grad_dtype, x.output_nr, x.name) == (T.strided, T.float32, 0, None)
    assert x.pin_memory() is x if T is fgrad else True
    assert x.share_memory_() is x
    for bad in (T.ones(2), T.ones(0)):
        with pytest.raises(RuntimeError, match="ambiguous"):
            bad.is_nonzero()
    assert (x.cfloat().dtype, x.cdouble().dtype, x.half().dequantize().dtype) == (T.complex64, T.complex128, T.float32)
    assert tuple(x.new(3, 2).shape) == (3, 2)
    assert (x.long().new([1.5]).tolist(), x.new().numel(), x.new(x).tolist()) == ([1], 0, x.tolist())
    assert [tuple(p.shape) for p in x.unsafe_split_with_sizes([1, 2], 1)] == [(2, 1), (2, 2)]
    with pytest.raises(RuntimeError, match="non-negative"):
        x.split([-1, 4], 1)
    assert x.module_load(x * 2).tolist() == [[2.0] * 3] * 2
    y = x * 3
    assert x.module_load(y, assign=True).tolist() == y.tolist() != x.tolist()
    z = T.ones(2, 2).as_subclass(T.nn.Parameter)
    assert isinstance(z, T.nn.Parameter)
    assert T.adjoint(T.tensor([[1j, 2.0]])).tolist() == [[-1j], [2.0]]
    with pytest.raises(TypeError):
        x.as_subclass(int)


def test_methods_of_functions_that_stand_elsewhere() -> None:
    a = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    ours, theirs = fgrad.tensor(a), torch.tensor(a)
    s, t = ours.stft(16, 4, return_complex=True, window=fgrad.ones(16)), theirs.stft(16, 4, return_complex=True, window=torch.ones(16))
    np.testing.assert_allclose(s.numpy(), t.numpy(), atol=1e-5)
    np.testing.assert_allclose(s.istft(16, 4, window=fgrad.ones(16)).numpy(), t.istft(16, 4, window=torch.ones(16)).numpy(), atol=1e-5)
    np.testing.assert_array_equal(ours.hardshrink(0.3).numpy(), theirs.hardshrink(0.3).numpy())
    np.testing.assert_array_equal(ours.prelu(fgrad.tensor([0.5])).numpy(), theirs.prelu(torch.tensor([0.5])).numpy())


@both
def test_draws_as_methods(T: Any) -> None:
    T.manual_seed(0)
    x = T.full((4000,), 0.25)
    assert abs(x.bernoulli().mean().item() - 0.25) < 0.04
    assert abs(x.bernoulli(0.7).mean().item() - 0.7) < 0.04
    assert abs(T.bernoulli(x, 0.7).mean().item() - 0.7) < 0.04
    out = T.empty(4000)
    assert T.bernoulli(x, out=out) is out
    assert set(out.tolist()) == {0.0, 1.0}
    assert x.bernoulli(0.0).sum().item() == 0
    with pytest.raises(RuntimeError, match="expects p to be in"):
        x.bernoulli(2)
    picked = T.tensor([0.0, 1.0, 3.0]).multinomial(8000, replacement=True)
    assert abs((picked == 2).float().mean().item() - 0.75) < 0.04
    assert sorted(T.tensor([0.0, 1.0, 3.0]).multinomial(2).tolist()) == [1, 2]
    g = T.Generator().manual_seed(1)
    first = x.bernoulli(generator=g)
    assert T.equal(first, x.bernoulli(generator=g.manual_seed(1)))


@both
def test_modules_take_memory_formats(T: Any) -> None:
    net = T.nn.Sequential(T.nn.Conv2d(1, 2, 3), T.nn.Linear(2, 2))
    before = [p.tolist() for p in net.parameters()]
    net.to(memory_format=T.channels_last).to("cpu", memory_format=T.preserve_format)
    assert [p.tolist() for p in net.parameters()] == before
    assert net(T.ones(1, 1, 4, 4).to(memory_format=T.channels_last)).shape == (1, 2, 2, 2)
    with pytest.raises(TypeError):
        net.to(memory_format=3)


@both
def test_new_tensors_sizes_and_devices(T: Any) -> None:
    x = T.ones(2, dtype=T.float64)
    assert x.new_tensor([1], device="cpu", dtype=T.float32, requires_grad=True).dtype is T.float32
    assert tuple(x.new_zeros(size=(2, 3)).shape) == tuple(x.new_ones(2, 3).shape) == tuple(x.new_empty(size=(2, 3), layout=T.strided).shape) == (2, 3)
    assert T.Size([2]) * 2 == 2 * T.Size([2]) == T.Size([2, 2])
    assert isinstance(T.Size([2]) * 2, T.Size)
    assert T.device(T.device("cpu")) == T.device("cpu")
    assert T.device("cuda", 1).index == T.device("cuda:1").index == 1
    assert T.cuda.FloatTensor.is_cuda
    assert not isinstance(T.ones(1), T.cuda.FloatTensor)
    with pytest.raises((RuntimeError, TypeError)):
        T.cuda.FloatTensor(2)


def test_limits_print_as_pytorchs() -> None:
    for kind in ("float32", "float64", "float16", "bfloat16"):
        assert repr(fgrad.finfo(getattr(fgrad, kind))) == repr(torch.finfo(getattr(torch, kind)))
