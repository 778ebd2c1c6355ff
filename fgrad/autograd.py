"""PyTorch's autograd namespace: grad, backward, Function, grad modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgrad.eager import autograd as engine
from fgrad.eager.cell import Cell
from fgrad.eager.function import Function
from fgrad.functions.gradmode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from fgrad.functions.tensor import Tensor

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]


def _listed(x: Any) -> list[Any]:
    return [x] if isinstance(x, Cell) else list(x)


def _cotangents(given: Any, n: int) -> list[Any]:
    if given is None:
        return [None] * n
    return [given] if isinstance(given, Cell) else list(given)


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
             inputs: Any = None) -> None:  # fmt: skip
    """Adds the derivatives of several tensors into `.grad` of the leaves (of `inputs`, if given)."""
    roots = _listed(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    engine.backward(roots, _cotangents(grad_tensors, len(roots)), keep, create_graph, None if inputs is None else _listed(inputs))


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
         allow_unused: bool | None = None, is_grads_batched: bool = False, materialize_grads: bool = False) -> Sequence[Any]:  # fmt: skip
    """The derivatives of outputs with respect to inputs, one for each input; `.grad` is not touched.

    grad_outputs: cotangents (1 for scalars).  create_graph: record the derivatives for higher orders.
    allow_unused: None for inputs the outputs don't depend on; materialize_grads: zeros for them.
    """
    roots, wrt = _listed(outputs), _listed(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    found = engine.gradients(roots, wrt, _cotangents(grad_outputs, len(roots)), keep, create_graph, unused, Tensor)
    if materialize_grads:
        found = tuple(x * 0 if g is None else g for x, g in zip(wrt, found, strict=True))
    return found
