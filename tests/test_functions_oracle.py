"""The PyTorch face against PyTorch: values, dtypes, gradients, errors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


class Case(NamedTuple):
    name: str
    call: Any  # (namespace, *tensors) -> tensor or tuple
    shapes: tuple[tuple[int, ...], ...] = ((3, 4),)
    low: float = -2.0
    high: float = 2.0
    grad: bool = True
    tol: float = 2e-5


def method(name: str, *args: Any, **kwargs: Any) -> Any:
    return lambda t, x, *rest: getattr(x, name)(*rest, *args, **kwargs)


UNARY = (
    "abs neg exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh sigmoid relu erf erfc square sign floor ceil round trunc "
    "frac"
).split()
POSITIVE = "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma".split()
BINARY = "add sub mul div maximum minimum atan2 hypot fmod remainder floor_divide copysign logaddexp".split()
CASES = [
    *(Case(n, method(n)) for n in UNARY),
    *(Case(n, method(n), low=0.1, high=3.0) for n in POSITIVE),
    *(Case(n, method(n), low=-0.9, high=0.9) for n in ("asin", "acos", "atanh", "erfinv")),
    *(Case(n, lambda t, x, y, n=n: getattr(t, n)(x, y), ((3, 4), (4,)), grad=n != "floor_divide") for n in BINARY),
    *(Case(f"{n}-numbers", lambda t, x, n=n: getattr(t, n)(x, 1.5), grad=n != "floor_divide") for n in BINARY[:4]),
    Case("pow", lambda t, x, y: x**y, ((3, 4), (3, 4)), low=0.2),
    Case("pow-3", lambda t, x: x**3),
    Case("rpow", lambda t, x: 2.0**x),
    Case("rsub", lambda t, x: 1 - x),
    Case("rdiv", lambda t, x: 1 / x, low=0.5),
    Case("clamp", lambda t, x: x.clamp(-0.5, 0.7)),
    Case("clamp-min", lambda t, x: x.clamp(min=0.1)),
    Case("clamp-tensor", lambda t, x, y: t.clamp(x, max=y), ((3, 4), (4,))),
    Case("where", lambda t, x, y: t.where(x > y, x, y), ((3, 4), (4,))),
    Case("lerp", lambda t, x, y: t.lerp(x, y, 0.3), ((3, 4), (3, 4))),
    Case("addcmul", lambda t, x, y, z: t.addcmul(x, y, z, value=0.5), ((3, 4),) * 3),
    Case("xlogy", lambda t, x, y: t.xlogy(x, y), ((3, 4), (3, 4)), low=0.1),
    Case("isclose", lambda t, x: t.isclose(x, x + 1e-9), grad=False),
    *(Case(f"sum{d}{k}", lambda t, x, d=d, k=k: x.sum(d, k), ((2, 3, 4),)) for d in (0, -1, (0, 2)) for k in (False, True)),
    Case("sum", lambda t, x: x.sum(), ((2, 3, 4),)),
    Case("prod", lambda t, x: x.prod(1), ((2, 3, 4),)),
    Case("mean", lambda t, x: x.mean((0, 1)), ((2, 3, 4),)),
    Case("var", lambda t, x: x.var(1), ((2, 3, 4),)),
    Case("var-biased", lambda t, x: x.var(unbiased=False), ((2, 3, 4),)),
    Case("std", lambda t, x: x.std(dim=(0, 1), correction=0), ((2, 3, 4),)),
    Case("amax", lambda t, x: x.amax((0, 2)), ((2, 3, 4),)),
    Case("max-dim", lambda t, x: x.max(1), ((2, 3, 4),)),
    Case("min-dim", lambda t, x: x.min(-1, keepdim=True), ((2, 3, 4),)),
    Case("max", lambda t, x: x.max()),
    Case("argmax", lambda t, x: x.argmax(1), grad=False),
    Case("argmin", lambda t, x: x.argmin(), grad=False),
    Case("logsumexp", lambda t, x: x.logsumexp(1)),
    Case("softmax", lambda t, x: x.softmax(-1)),
    Case("log_softmax", lambda t, x: x.log_softmax(0)),
    *(Case(f"norm{p}", lambda t, x, p=p: x.norm(p, dim=1)) for p in (1, 2, 3, float("inf"))),
    Case("cumsum", lambda t, x: x.cumsum(1)),
    Case("cumprod", lambda t, x: x.cumprod(0)),
    Case("sort", lambda t, x: x.sort(1)),
    Case("sort-descending", lambda t, x: x.sort(0, descending=True)),
    Case("topk", lambda t, x: x.topk(2, 1)),
    Case("median", lambda t, x: x.median(1)),
    Case("matmul", lambda t, x, y: x @ y, ((3, 4), (4, 5))),
    Case("matmul-batch", lambda t, x, y: x @ y, ((2, 1, 3, 4), (5, 4, 2)), tol=1e-4),
    Case("matmul-vector", lambda t, x, y: x @ y, ((3, 4), (4,))),
    Case("vector-matmul", lambda t, x, y: x @ y, ((4,), (4, 3))),
    Case("dot", lambda t, x, y: t.dot(x, y), ((4,), (4,))),
    Case("outer", lambda t, x, y: t.outer(x, y), ((3,), (4,))),
    Case("addmm", lambda t, b, x, y: t.addmm(b, x, y, beta=0.5, alpha=2), ((5,), (3, 4), (4, 5))),
    Case("einsum", lambda t, x, y: t.einsum("bij,bjk->bik", x, y), ((2, 3, 4), (2, 4, 5))),
    Case("einsum-trace", lambda t, x: t.einsum("ii->i", x), ((4, 4),)),
    Case("einsum-three", lambda t, x, y, z: t.einsum("ab,bc,cd->ad", x, y, z), ((2, 3), (3, 4), (4, 5)), tol=1e-4),
    Case("tensordot", lambda t, x, y: t.tensordot(x, y, dims=([1], [0])), ((3, 4), (4, 5))),
    Case("kron", lambda t, x, y: t.kron(x, y), ((2, 3), (3, 2))),
    Case("cross", lambda t, x, y: t.cross(x, y, dim=1), ((2, 3), (2, 3))),
    Case("reshape", lambda t, x: x.reshape(2, -1), ((3, 4),)),
    Case("flatten", lambda t, x: x.flatten(1), ((2, 3, 4),)),
    Case("unflatten", lambda t, x: x.unflatten(1, (2, -1)), ((3, 4),)),
    Case("squeeze", lambda t, x: x.squeeze(1), ((3, 1, 4),)),
    Case("unsqueeze", lambda t, x: x.unsqueeze(-1)),
    Case("permute", lambda t, x: x.permute(2, 0, 1), ((2, 3, 4),)),
    Case("transpose", lambda t, x: x.transpose(0, -1), ((2, 3, 4),)),
    Case("movedim", lambda t, x: t.movedim(x, 0, 2), ((2, 3, 4),)),
    Case("expand", lambda t, x: x.expand(5, -1, 4), ((3, 1),)),
    Case("repeat", lambda t, x: x.repeat(2, 3)),
    Case("tile", lambda t, x: t.tile(x, (2,))),
    Case("repeat_interleave", lambda t, x: x.repeat_interleave(2, 1)),
    Case("cat", lambda t, x, y: t.cat([x, y], 1), ((3, 2), (3, 4))),
    Case("stack", lambda t, x, y: t.stack([x, y], -1), ((3, 4), (3, 4))),
    Case("hstack", lambda t, x, y: t.hstack([x, y]), ((3, 2), (3, 4))),
    Case("vstack", lambda t, x, y: t.vstack([x, y]), ((4,), (4,))),
    Case("split", lambda t, x: x.split(3, 1), ((2, 7),)),
    Case("chunk", lambda t, x: x.chunk(3, 1), ((2, 7),)),
    Case("unbind", lambda t, x: x.unbind(1)),
    Case("narrow", lambda t, x: x.narrow(1, 1, 2)),
    Case("flip", lambda t, x: x.flip(0, 1)),
    Case("roll", lambda t, x: x.roll(1, 0)),
    Case("roll-flat", lambda t, x: x.roll(-2)),
    Case("tril", lambda t, x: x.tril(1)),
    Case("triu", lambda t, x: x.triu(-1)),
    Case("diagonal", lambda t, x: x.diagonal(1)),
    Case("diag", lambda t, x: t.diag(x, -1), ((3,),)),
    Case("meshgrid", lambda t, x, y: t.meshgrid(x, y, indexing="xy"), ((3,), (4,))),
    Case("index-int", lambda t, x: x[1]),
    Case("index-slice", lambda t, x: x[:, 1::2]),
    Case("index-mix", lambda t, x: x[..., None, 2]),
    Case("index-list", lambda t, x: x[[0, 2, 2]]),
    Case("index-two", lambda t, x: x[[0, 2], [1, 3]]),
    Case("index-middle", lambda t, x: x[:, [0, 2], :], ((2, 3, 4),)),
    Case("index-mask", lambda t, x: x[x > 0]),
    Case("gather", lambda t, x: x.gather(1, t.tensor([[0, 2], [1, 1], [3, 0]]))),
    Case("scatter", lambda t, x, y: x.scatter(1, t.tensor([[0, 2], [1, 3], [3, 0]]), y), ((3, 4), (3, 2))),
    Case("scatter_add", lambda t, x, y: x.scatter_add(1, t.tensor([[0, 0], [1, 1], [3, 0]]), y), ((3, 4), (3, 2))),
    Case("index_select", lambda t, x: x.index_select(1, t.tensor([0, 0, 3]))),
    Case("index_add", lambda t, x, y: x.index_add(0, t.tensor([0, 2]), y, alpha=2), ((3, 4), (2, 4))),
    Case("masked_fill", lambda t, x: x.masked_fill(x > 0.5, 9.0)),
    Case("take_along_dim", lambda t, x: t.take_along_dim(x, t.tensor([[0], [1], [2]]), 1)),
    Case("nan_to_num", lambda t, x: t.nan_to_num(x / x.relu(), nan=1.0, posinf=2.0), grad=False),
]


def tensors_of(y: Any) -> list[Any]:
    return list(y) if isinstance(y, tuple | list) else [y]


def draw(case: Case) -> list[Any]:
    rng = np.random.default_rng(len(case.name))
    return [rng.uniform(case.low, case.high, s).astype("float32") for s in case.shapes]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_values_and_gradients_match_torch(case: Case) -> None:
    xs = draw(case)
    ours = [fg.tensor(x, requires_grad=case.grad) for x in xs]
    theirs = [torch.tensor(x, requires_grad=case.grad) for x in xs]
    ys, zs = tensors_of(case.call(fg, *ours)), tensors_of(case.call(torch, *theirs))
    assert len(ys) == len(zs)
    for y, z in zip(ys, zs, strict=True):
        assert tuple(y.shape) == tuple(z.shape)
        assert y.dtype.name == str(z.dtype).removeprefix("torch.")
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=case.tol, atol=case.tol)
    pairs = [(y, z) for y, z in zip(ys, zs, strict=True) if case.grad and z.requires_grad]
    if pairs:
        sum((y * y.sin()).sum() for y, _ in pairs).backward()
        sum((z * z.sin()).sum() for _, z in pairs).backward()
        for x, w in zip(ours, theirs, strict=True):
            if w.grad is not None:
                np.testing.assert_allclose(x.grad.numpy(), w.grad.numpy(), rtol=20 * case.tol, atol=20 * case.tol)


DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
@pytest.mark.parametrize("op", ["add", "mul", "div", "eq", "maximum"])
def test_promotion_matches_torch(a: str, b: str, op: str) -> None:
    ours, theirs = ((getattr(t, a), getattr(t, b)) for t in (fg, torch))
    for shapes in (((2,), (2,)), ((), (2,)), ((2,), ()), ((), ())):
        x, y = (fg.ones(s, dtype=d) for s, d in zip(shapes, ours, strict=True))
        u, v = (torch.ones(s, dtype=d) for s, d in zip(shapes, theirs, strict=True))
        expected = getattr(torch, op)(u, v)
        found = getattr(fg, op)(x, y)
        assert found.dtype.name == str(expected.dtype).removeprefix("torch."), (shapes, found.dtype, expected.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 2, 2.5])
def test_promotion_with_numbers_matches_torch(dtype: str, number: Any) -> None:
    x, u = fg.ones(2, dtype=getattr(fg, dtype)), torch.ones(2, dtype=getattr(torch, dtype))
    for op in ("add", "mul", "div"):
        expected, found = getattr(torch, op)(u, number), getattr(fg, op)(x, number)
        assert found.dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_allclose(found.double().numpy(), expected.double().numpy(), rtol=1e-2)


ERRORS = [
    ("shapes", lambda t: t.ones(2, 3) + t.ones(4)),
    ("matmul", lambda t: t.ones(2, 3) @ t.ones(2, 3)),
    ("reshape", lambda t: t.ones(6).reshape(4, 2)),
    ("dim", lambda t: t.ones(2, 3).sum(2)),
    ("index", lambda t: t.ones(2)[2]),
    ("backward-vector", lambda t: t.ones(2, requires_grad=True).mul(2).backward()),
    ("backward-plain", lambda t: t.ones(()).backward()),
    ("leaf", lambda t: t.ones(2, requires_grad=True).add_(1)),
    ("item", lambda t: t.ones(2).item()),
    ("bool", lambda t: bool(t.ones(2))),
    ("cat", lambda t: t.cat([])),
    ("stack", lambda t: t.stack([t.ones(2), t.ones(3)])),
    ("int-grad", lambda t: t.ones(2, dtype=t.int64, requires_grad=True)),
    ("numpy-grad", lambda t: t.ones(2, requires_grad=True).numpy()),
    ("integer-mean", lambda t: t.ones(2, dtype=t.int64).mean()),
    ("twice", lambda t: [y.backward() for y in [(t.ones(2, requires_grad=True) ** 2).sum()] * 2]),
    ("inplace-cast", lambda t: t.ones(2, dtype=t.int64).add_(1.5)),
    ("empty-max", lambda t: t.ones(0).max()),
    ("squeeze", lambda t: t.ones(2).squeeze(3)),
    ("permute", lambda t: t.ones(2, 3).permute(0, 0)),
]


@pytest.mark.parametrize(("name", "call"), ERRORS, ids=[n for n, _ in ERRORS])
def test_errors_are_of_the_class_torch_raises(name: str, call: Any) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  # the class is what is compared
        call(torch)
    with pytest.raises(Exception) as found:  # noqa: PT011
        call(fg)
    assert isinstance(found.value, expected.type), (expected.value, found.value)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_empty_and_0d(shape: tuple[int, ...]) -> None:
    x, u = fg.ones(shape), torch.ones(shape)
    for call in (lambda t: t * 2, lambda t: t.sum(), lambda t: t.exp(), lambda t: t.reshape(-1), lambda t: t.flatten(),
                 lambda t: t.unsqueeze(0), lambda t: (t > 0).any(), lambda t: t.prod()):  # fmt: skip
        a, b = call(x), call(u)
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.numpy(), b.numpy())
