"""The autograd namespace in the ways PyTorch users call it, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

import fgrad

torch = pytest.importorskip("torch")

BOTH = [torch, fgrad]


def leaf(T: Any) -> Any:
    return T.tensor([0.5, -1.0, 2.0], requires_grad=True)


def numbers(x: Any) -> Any:
    return x if x is None or isinstance(x, bool | int) else x.detach().numpy().round(4).tolist()


def modes(T: Any) -> Any:
    x = leaf(T)

    @T.set_grad_enabled(False)
    def plain() -> Any:
        return x * 2

    after = T.is_grad_enabled()

    @T.no_grad()
    def steps() -> Iterator[Any]:
        got = yield (x * 2).requires_grad
        yield got, T.is_grad_enabled()
        try:
            yield None
        except KeyError:
            yield T.is_grad_enabled()

    it = steps()
    out = [after, plain().requires_grad, next(it), T.is_grad_enabled(), it.send("given"), T.is_grad_enabled()]
    next(it)
    return [*out, it.throw(KeyError()), T.is_grad_enabled()]


def batched(T: Any) -> Any:
    x = leaf(T)
    (g,) = T.autograd.grad(x * x, x, grad_outputs=T.eye(3), is_grads_batched=True)
    return numbers(g)


def materialized(T: Any) -> Any:
    x, w = leaf(T), T.ones(2, requires_grad=True)
    (_, g) = T.autograd.grad((x * x).sum(), [x, w], materialize_grads=True)
    return [numbers(g), g.requires_grad]


def post_accumulate(T: Any) -> Any:
    x, seen = leaf(T), []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(numbers(p.grad)))
    for _ in range(2):
        (x * x).sum().backward()
    handle.remove()
    (x * x).sum().backward()
    return [seen, numbers(x.grad)]


def hook_for_a_block(T: Any) -> Any:
    x = leaf(T)
    with x.register_hook(lambda g: g * 2):
        x.sum().backward()
    x.sum().backward()
    return numbers(x.grad)


def once(T: Any) -> Any:
    class Square(T.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @import_module(f"{T.__name__}.autograd.function").once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(T)
    (g,) = T.autograd.grad(Square.apply(x).sum(), x, create_graph=True)
    value = numbers(g)
    with pytest.raises(RuntimeError, match="once_differentiable|does not require grad"):
        g.sum().backward()
    Square.apply(x).sum().backward()
    return [value, numbers(x.grad)]


def dirty(T: Any) -> Any:
    class Double(T.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(T)
    y = x * 3
    z = Double.apply(y)
    (z * y).sum().backward()
    return [z is y, numbers(y), numbers(x.grad)]


@pytest.mark.parametrize("case", [modes, batched, materialized, post_accumulate, hook_for_a_block, once, dirty])
def test_as_in_torch(case: Callable[[Any], Any]) -> None:
    assert case(fgrad) == case(torch)


def wrong_count(T: Any) -> None:
    class Product(T.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    Product.apply(leaf(T), leaf(T)).sum().backward()


@pytest.mark.parametrize("T", BOTH)
@pytest.mark.parametrize(
    ("error", "f"),
    [
        (RuntimeError, wrong_count),
        (RuntimeError, lambda T: leaf(T).sum().backward(inputs=[])),
        (TypeError, lambda T: setattr(leaf(T), "grad", 3)),
        (RuntimeError, lambda T: setattr(leaf(T), "grad", T.ones(3, dtype=T.float64))),
        (ValueError, lambda T: T.autograd.grad(leaf(T).sum(), leaf(T), allow_unused=False, materialize_grads=True)),
    ],
)
def test_refusals(T: Any, error: type[Exception], f: Callable[[Any], Any]) -> None:
    with pytest.raises(error):
        f(T)


@pytest.mark.parametrize("T", BOTH)
def test_variable_is_the_tensor(T: Any) -> None:
    assert T.autograd.Variable(T.ones(2), requires_grad=True).requires_grad
