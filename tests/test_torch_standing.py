"""In-place functions and copying twins of views at the top level, against PyTorch."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import fgrad
from fgrad.functions.standing import COPIES, IN_PLACE

torch = pytest.importorskip("torch")
both = pytest.mark.parametrize("T", [fgrad, torch])
OTHER: dict[str, Any] = {
    "addmv_": lambda T: (T.ones(4), (T.full((4, 3), 0.5), T.arange(3.0))), "as_strided_": lambda T: (T.arange(6.0), ((2, 2), (1, 2))),
    "clamp_": lambda T: (T.arange(4.0), (1, 2)), "clip_": lambda T: (T.arange(4.0), (1, 2)), "clamp_max_": lambda T: (T.arange(4.0), (2,)),
    "clamp_min_": lambda T: (T.arange(4.0), (2,)), "fill_": lambda T: (T.arange(4.0), (7,)), "ldexp_": lambda T: (T.arange(4.0), (T.ones(4),)),
    "gcd_": lambda T: (T.tensor([4, 6]), (T.tensor([6, 9]),)), "lcm_": lambda T: (T.tensor([4, 6]), (T.tensor([6, 9]),)),
    "index_put_": lambda T: (T.zeros(4), ((T.tensor([1, 3]),), T.tensor([5.0, 6.0]))), "resize_as_": lambda T: (T.arange(4.0), (T.ones(2, 2),)),
    "xlogy_": lambda T: (T.ones(3), (T.tensor([1.0, 2.0, 3.0]),)), "acosh_": lambda T: (T.tensor([1.0, 2.5]), ()), "arccosh_": lambda T: (T.tensor([1.5]), ()),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_functions(name: str) -> None:
    found = []
    for T in (fgrad, torch):
        x, args = OTHER.get(name, lambda T: (T.tensor([0.25, -0.5, 0.75]), ()))(T)
        assert getattr(T, name)(x, *args) is x
        found.append(x.numpy())
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_every_in_place_name_is_there() -> None:
    named = {n for n in dir(torch) if n.endswith("_") and not n.startswith("_") and inspect.isroutine(getattr(torch, n))}
    missing = {n for n in named if not hasattr(fgrad, n)}
    assert missing == {"resize_as_sparse_"}


ARGS: dict[str, tuple[Any, ...]] = {
    "as_strided": ((2, 2), (1, 3)), "diagonal": (1,), "expand": ((2, 3, 4),), "permute": ((1, 0),), "select": (1, 2), "transpose": (0, 1),
    "unsqueeze": (1,), "view": ((2, 6),), "unfold": (1, 2, 1), "split": (2,), "split_with_sizes": ([1, 2],), "slice": (1, 1, 4, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", [*COPIES, "split", "unbind", "split_with_sizes", "slice", "alias"])
def test_copies(name: str) -> None:
    results = []
    for T in (fgrad, torch):
        x = T.arange(12.0).reshape(3, 4).clone().requires_grad_()
        y = getattr(T, f"{name}_copy")(x, *ARGS.get(name, ()))
        parts = list(y) if isinstance(y, tuple | list) else [y]
        values = [p.detach().numpy().copy() for p in parts]
        if name != "detach":
            sum((p * p).sum() for p in parts).backward()
            values.append(x.grad.numpy())
        with T.no_grad():
            parts[0].detach().zero_()
        results.append([*values, x.detach().numpy()])
        if len(parts) == 1:
            out = T.empty(*parts[0].shape)
            assert getattr(T, f"{name}_copy")(x.detach(), *ARGS.get(name, ()), out=out) is out
            results[-1].append(out.numpy())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@both
def test_copies_into_several_tensors(T: Any) -> None:
    out = [T.empty(2), T.empty(2)]
    assert T.unbind_copy(T.arange(4.0).reshape(2, 2), out=out) is None
    assert [o.tolist() for o in out] == [[0, 1], [2, 3]]
    assert not T.detach(T.ones(2, requires_grad=True) * 2).requires_grad


@both
def test_copies_of_complex_numbers(T: Any) -> None:
    x = T.arange(4.0).reshape(2, 2)
    z = T.view_as_complex_copy(x)
    assert z.tolist() == [1j, 2 + 3j]
    y = T.view_as_real_copy(z)
    y.zero_()
    z.zero_()
    assert x.tolist() == [[0, 1], [2, 3]]
