"""Every row of tests/rows against PyTorch: values, dtypes and errors in every dtype, derivatives, layouts, forms, transforms."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest
import rows
from rows.row import DTYPES, Of, Row

import fgrad as fg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
ROWS: list[Row] = [
    row._replace(family=m.name)
    for m in pkgutil.iter_modules(rows.__path__) if m.name != "row"
    for row in importlib.import_module(f"rows.{m.name}").ROWS
]  # fmt: skip
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.family}:{r.id}")
TOLERANCE = {"float32": 2e-5, "float64": 1e-9, "bfloat16": 2e-2, "float16": 4e-3, "complex64": 4e-5, "complex128": 1e-9}


def flat(y: Any) -> list[Any]:
    """Results as a list of tensors and numbers."""
    if isinstance(y, tuple | list):
        return [x for part in y for x in flat(part)]
    return [y]


def array(y: Any) -> Any:
    """A tensor of either side, widened to what NumPy compares."""
    if not hasattr(y, "detach"):
        return np.asarray(y)
    y = y.detach()
    if "bfloat16" in str(y.dtype) or "float16" in str(y.dtype):
        y = y.float()
    if isinstance(y, torch.Tensor):
        y = y.resolve_conj().resolve_neg()
    return y.numpy(force=True)


def dtype_name(y: Any) -> str:
    return str(y.dtype).split(".")[-1] if hasattr(y, "dtype") else type(y).__name__


def agree(got: Any, want: Any, row: Row, tol: float = 1.0) -> None:
    ours, theirs = flat(got), flat(want)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if b is None:
            assert a is None
            continue
        name = dtype_name(b)
        assert dtype_name(a) == name
        x, y = array(a), array(b)
        assert x.shape == y.shape
        bound = TOLERANCE.get(name, 1e-9 if isinstance(b, float) else 0.0) * row.tol * tol
        finite = np.abs(y[np.isfinite(y)]) if y.dtype.kind in "fc" else np.zeros(0)
        np.testing.assert_allclose(x, y, rtol=bound, atol=bound * float(finite.max(initial=1.0 if bound else 0.0)))


def tensors(t: Any, xs: list[Any], row: Row, dtype: str, *, needs: bool = False) -> list[Any]:
    out = []
    for x, o in zip(xs, row.operands, strict=True):
        y = t.tensor(x)
        if dtype in ("bfloat16", "float16") and not isinstance(o, Of):
            y = y.to(getattr(t, dtype))
        if needs and (y.is_floating_point() or y.is_complex()):
            y.requires_grad_()
        out.append(y)
    return out


def both(row: Row, xs: list[Any], dtype: str) -> None:
    """The same call on both sides: the same results, or an error of the same class.

    What torch has no kernel for in a dtype, we may compute.
    """
    try:
        want = row.run(torch, tensors(torch, xs, row, dtype))
    except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError) as e:
        if any(text in str(e) for text in ("not implemented for", "not supported for", "on CPU")):
            return
        with pytest.raises((type(e), RuntimeError) if type(e) in (IndexError, ValueError) else (RuntimeError, TypeError)):
            flat_numbers(row.run(fg, tensors(fg, xs, row, dtype)))
        return
    agree(row.run(fg, tensors(fg, xs, row, dtype)), want, row)


def flat_numbers(y: Any) -> list[Any]:
    return [array(v) for v in flat(y)]


@every_row
@pytest.mark.filterwarnings("ignore")
def test_values_in_every_dtype(row: Row) -> None:
    for dtype in DTYPES:
        if dtype not in row.without:
            both(row, row.draw(dtype), dtype)


@every_row
@pytest.mark.filterwarnings("ignore")
def test_empty_and_0d_operands(row: Row) -> None:
    if not row.empty:
        pytest.skip("the row's arguments fit its shapes only")
    for change in (lambda s: (0, *s[1:]), lambda s: (*s[:-1], 0), lambda s: ()):
        shapes = [o._replace(shape=change(o.shape)) if isinstance(o, Of) else change(o) for o in row.operands]
        both(row, row.draw("float32", shapes=shapes), "float32")


@every_row
@pytest.mark.filterwarnings("ignore")
def test_operands_in_another_layout(row: Row) -> None:
    if not row.layout:
        pytest.skip("it speaks of memory")
    results = []
    for t in (fg, torch):
        xs = tensors(t, [np.ascontiguousarray(x.T) for x in row.draw("float32")], row, "float32")
        results.append(row.run(t, [x.permute(*reversed(range(x.dim()))) for x in xs]))
    agree(*results, row)


def loss(t: Any, row: Row, xs: list[Any]) -> Any:
    """A number that depends on every float result."""
    total = None
    for k, y in enumerate(flat(row.run(t, xs))):
        if not hasattr(y, "requires_grad") or not y.requires_grad:
            continue
        weights = t.linspace(0.5, 1.5, max(y.numel(), 1), dtype=t.float64)[: y.numel()].reshape(y.shape)
        y = (y * y.conj()).real if y.is_complex() else y
        part = (y * weights.to(y.dtype)).sum() * (k + 1)
        total = part if total is None else total + part
    return total


def derivatives(t: Any, row: Row, dtype: str, second: bool) -> list[Any]:
    xs = tensors(t, row.draw(dtype), row, dtype, needs=True)
    wrt = [x for x in xs if x.requires_grad]
    number = loss(t, row, xs)
    if number is None:
        return []
    first = t.autograd.grad(number, wrt, create_graph=second, allow_unused=True)
    if not second:
        return list(first)
    total = sum((g * g.conj()).real.sum() if g.is_complex() else (g * g).sum() for g in first if g is not None and g.requires_grad)
    if not getattr(total, "requires_grad", False):
        return [*first, *map(t.zeros_like, wrt)]
    again = t.autograd.grad(total, wrt, allow_unused=True)
    return [*first, *[t.zeros_like(x) if g is None else g for x, g in zip(wrt, again, strict=True)]]


@every_row
@pytest.mark.filterwarnings("ignore")
def test_first_and_second_derivatives(row: Row) -> None:
    if not row.grad:
        pytest.skip("the row has no derivative")
    agree(derivatives(fg, row, "float64", row.second), derivatives(torch, row, "float64", row.second), row, 100)


@every_row
@pytest.mark.filterwarnings("ignore")
def test_jit_computes_the_same(row: Row) -> None:
    if not row.jit:
        pytest.skip("its shape or path depends on values")
    xs = tensors(fg, row.draw("float32"), row, "float32")
    plain = flat_numbers(row.run(fg, xs))

    def f(*given: Any) -> Any:
        return [y for y in flat(row.run(fg, list(given))) if isinstance(y, fg.Tensor)]

    got = fg.jit(f)(*xs)
    for a, b in zip(map(array, got), [p for p, y in zip(plain, flat(row.run(fg, xs)), strict=True) if isinstance(y, fg.Tensor)], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def owner(row: Row) -> Any:
    return functools.reduce(getattr, row.name.split(".")[:-1], torch)


@every_row
@pytest.mark.filterwarnings("ignore")
def test_methods_in_place_forms_and_out(row: Row) -> None:
    if row.call is not None or "." in row.name or not hasattr(torch.Tensor, row.name):
        pytest.skip("not a method")
    forms = [lambda xs: getattr(xs[0], row.name)(*xs[1:], *row.args, **row.options)]
    if hasattr(torch.Tensor, f"{row.name}_"):
        forms.append(lambda xs: getattr(xs[0], f"{row.name}_")(*xs[1:], *row.args, **row.options))
    for form in forms:
        try:
            theirs = tensors(torch, row.draw("float32"), row, "float32")
            want = form(theirs)
        except (RuntimeError, TypeError):
            continue
        ours = tensors(fg, row.draw("float32"), row, "float32")
        agree(form(ours), want, row)
        agree(ours, theirs, row)
    try:
        want = row.run(torch, tensors(torch, row.draw("float32"), row, "float32"))
        if not isinstance(want, torch.Tensor):
            return
        place = torch.empty_like(want)
        owner_of = getattr(torch, row.name)
        owner_of(*tensors(torch, row.draw("float32"), row, "float32"), *row.args, **row.options, out=place)
    except (RuntimeError, TypeError):
        return
    mine = fg.empty(want.shape, dtype=getattr(fg, dtype_name(want)))
    got = getattr(fg, row.name)(*tensors(fg, row.draw("float32"), row, "float32"), *row.args, **row.options, out=mine)
    assert got is mine
    agree(mine, place, row)
