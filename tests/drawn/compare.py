"""One drawn call on both sides: values, dtypes, shapes, operands afterwards, errors; derivatives, jit and vmap."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import fgrad as fg
from drawn.exceptions import EXCEPTIONS, MISSING
from drawn.pen import Case, Operand
from fgrad.errors import FgradError

TOLERANCE = {"float32": 3e-5, "float64": 1e-9, "bfloat16": 2e-2, "float16": 4e-3, "complex64": 6e-5, "complex128": 1e-9, "float": 1e-9}
REFUSALS = (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError)


def flat(y: Any) -> list[Any]:
    return [x for part in y for x in flat(part)] if isinstance(y, tuple | list) else [y]


def name_of(y: Any) -> str:
    return str(y.dtype).split(".")[-1] if hasattr(y, "dtype") else type(y).__name__


def array(y: Any) -> Any:
    if not hasattr(y, "detach"):
        return np.asarray(y)
    y = y.detach()
    if "float16" in str(y.dtype):
        y = y.float()
    if isinstance(y, torch.Tensor):
        y = y.resolve_conj().resolve_neg()
    return y.numpy(force=True)


def same(got: Any, want: Any, tol: float = 1.0, zeros: bool = True) -> None:
    """Equal up to rounding, infinities, NaNs and signs of zeros in the same places."""
    ours, theirs = flat(got), flat(want)
    assert len(ours) == len(theirs), f"{len(ours)} results, torch has {len(theirs)}"
    for a, b in zip(ours, theirs, strict=True):
        assert name_of(a) == name_of(b), f"{name_of(a)}, torch has {name_of(b)}"
        x, y = array(a), array(b)
        assert x.shape == y.shape, f"{x.shape}, torch has {y.shape}"
        bound = TOLERANCE.get(name_of(b), 0.0) * tol
        finite = np.abs(y[np.isfinite(y)]) if y.dtype.kind in "fc" else np.zeros(0)
        np.testing.assert_allclose(x, y, rtol=bound, atol=bound * min(float(finite.max(initial=1.0)), 10.0))
        if zeros and y.dtype.kind == "f":
            both = (x == 0) & (y == 0)
            np.testing.assert_array_equal(np.signbit(x[both]), np.signbit(y[both]), err_msg="signs of zeros")


def attempt(case: Case, t: Any) -> tuple[Any, list[Any]]:
    """The results and the operands afterwards."""
    operands: list[Any] = []

    def fill(o: Operand) -> Any:
        operands.append(o.of(t))
        return operands[-1]

    return case.run(t, fill), operands


def check(case: Case) -> None:
    rule = next((e for e in EXCEPTIONS if e.holds(case)), None)
    if rule is not None and rule.skip:
        return
    try:
        want = attempt(case, torch)
    except REFUSALS as e:
        refused(case, e)
        return
    got = attempt(case, fg)
    zeros = rule is None or not rule.zeros
    same(got[0], want[0], case.tol, zeros)
    same(got[1], want[1], case.tol, zeros)


def refused(case: Case, theirs: Exception) -> None:
    """torch raised: fgrad raises as well, except where torch only has no kernel."""
    if any(text in str(theirs) for text in MISSING):
        return
    try:
        got = attempt(case, fg)
        flat_arrays(got)
    except (FgradError, TypeError):
        return
    raise AssertionError(f"torch raises {type(theirs).__name__}: {str(theirs)[:200]}; fgrad gives {got[0]}")


def flat_arrays(y: Any) -> list[Any]:
    return [array(v) for v in flat(y)]


def floats(y: Any) -> list[Any]:
    return [v for v in flat(y) if hasattr(v, "is_floating_point") and v.is_floating_point()]


def gradients(case: Case, t: Any) -> list[Any]:
    wrt: list[Any] = []

    def fill(o: Operand) -> Any:
        x = o.of(t)
        if o.dtype == "float64":
            x = x.detach().requires_grad_()
            wrt.append(x)
        return x

    total = None
    for k, y in enumerate(floats(case.run(t, fill))):
        if y.requires_grad:
            weights = t.linspace(0.5, 1.5, max(y.numel(), 1), dtype=t.float64)[: y.numel()].reshape(y.shape)
            part = (y * weights).sum() * (k + 1)
            total = part if total is None else total + part
    if total is None:
        return [t.zeros_like(x) for x in wrt]
    return [t.zeros_like(x) if g is None else g for x, g in zip(wrt, t.autograd.grad(total, wrt, allow_unused=True), strict=True)]


def check_gradients(case: Case) -> None:
    try:
        want = gradients(case, torch)
    except REFUSALS:
        return  # the values' test compares errors
    same(gradients(case, fg), want, 100 * case.tol, zeros=False)


def program(case: Case) -> tuple[Any, list[Any]]:
    """The case as a function of its operands, and those."""
    given = attempt(case, fg)[1]

    def f(*xs: Any) -> Any:
        rest = iter(xs)
        return [y for y in flat(case.run(fg, lambda o: next(rest))) if isinstance(y, fg.Tensor)]

    return f, given


def check_jit(case: Case) -> None:
    try:
        f, given = program(case)
    except (FgradError, TypeError):
        return
    want = f(*given)
    if want:
        same(fg.jit(f)(*given), want, 10 * case.tol, zeros=False)


def check_vmap(case: Case) -> None:
    try:
        f, given = program(case)
    except (FgradError, TypeError):
        return
    if not given or not f(*given):
        return
    batches = [fg.stack((x, x * 0.75 + 0.125, x * 0.5) if x.is_floating_point() else (x, x, x)) for x in given]
    want = [fg.stack(ys) for ys in zip(*(f(*(b[i] for b in batches)) for i in range(3)), strict=True)]
    same(fg.vmap(f)(*batches), want, 10 * case.tol, zeros=False)
