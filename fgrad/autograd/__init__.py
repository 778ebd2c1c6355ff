"""PyTorch's autograd namespace: grad, backward, Function, grad modes, checks, Variable (its old name for a tensor).

Inside, none importing another: anomaly_mode, forward_ad, function, functional, grad_mode, gradcheck, graph, profiler. Imports functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.autograd import anomaly_mode, forward_ad, function, functional, grad_mode, graph, profiler
from fgrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from fgrad.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from fgrad.eager import autograd as engine
from fgrad.eager.cell import Cell
from fgrad.eager.function import Function
from fgrad.errors import GradError
from fgrad.functions.creation import zeros_like
from fgrad.functions.gradmode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from fgrad.functions.shape import stack
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def _listed(x: Any) -> list[Any]:
    return [x] if isinstance(x, Cell) else list(x)


def Variable(data: Any, requires_grad: bool = False) -> Any:  # noqa: N802  # PyTorch's name
    """The tensor itself (it was a wrapper once)."""
    x = data.detach()
    return x.requires_grad_() if requires_grad else x


def _cotangents(given: Any, roots: list[Any]) -> list[Any]:
    """One for each root (None: 1), in its dtype."""
    if given is None:
        return [None] * len(roots)
    listed: list[Any] = [given] if isinstance(given, Cell) else list(given)
    if len(listed) != len(roots):
        raise GradError(f"got {len(roots)} tensors and {len(listed)} gradients", where=caller(), fix="give one gradient for each tensor")
    return [g if g is None or g._type.dtype.kind != x._type.dtype.kind else g.to(x.dtype) for x, g in zip(roots, listed, strict=True)]


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: Any = None) -> None:  # fmt: skip
    """Adds the derivatives of several tensors into `.grad` of the leaves (of `inputs`, if given)."""
    roots = _listed(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    engine.backward(roots, _cotangents(grad_tensors, roots), keep, create_graph, None if inputs is None else _listed(inputs))


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
         allow_unused: bool | None = None, is_grads_batched: bool = False, materialize_grads: bool = False) -> Sequence[Any]:  # fmt: skip
    """The derivatives of outputs with respect to inputs, one for each input; `.grad` is not touched.

    grad_outputs: cotangents (1 for scalars).  create_graph: record the derivatives for higher orders.
    allow_unused: None for inputs the outputs don't depend on; materialize_grads: zeros for them.  is_grads_batched:
    the first dimension of every cotangent counts several; so does that of every result.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    if is_grads_batched:
        return _batched(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads)
    roots, wrt = _listed(outputs), _listed(inputs)
    if not wrt:
        raise GradError("`inputs` argument to `grad()` cannot be empty.", where=caller(), fix="name the tensors to differentiate by")
    keep = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    found = engine.gradients(roots, wrt, _cotangents(grad_outputs, roots), keep, create_graph, unused, Tensor)
    if materialize_grads:
        found = tuple(zeros_like(x) if g is None else g for x, g in zip(wrt, found, strict=True))
    return found


def _batched(outputs: Any, inputs: Any, cts: Any, retain: bool | None, create: bool, unused: bool | None, full: bool) -> tuple[Any, ...]:
    """`grad` for each of several cotangents, the results stacked."""
    given: list[Any] = [cts] if isinstance(cts, Cell) else list(cts)
    n = next(g.shape[0] for g in given if g is not None)
    keep = create if retain is None else retain
    rows = [
        grad(outputs, inputs, [None if g is None else g[i] for g in given], keep or i < n - 1, create, unused, False, full)
        for i in range(n)
    ]
    return tuple(None if column[0] is None else stack(column) for column in zip(*rows, strict=True))
