"""PyTorch's control flow on tensors: cond and while_loop, one node of the graph each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgrad.eager import branches, loops
from fgrad.eager.cell import Cell

__all__ = ["cond", "while_loop"]


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = ()) -> Any:
    """true_fn(*operands) if pred, else false_fn(*operands): trees of tensors of the same types. Only one of them runs.

    pred: a bool, or a bool tensor of one element.

    >>> import fgrad as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> torch.cond(x.sum() > 2, torch.sin, torch.neg, (x * 0,))
    tensor([0., 0.])
    """
    if isinstance(pred, bool):
        return true_fn(*operands) if pred else false_fn(*operands)
    if not isinstance(pred, Cell):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred._type.size != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")
    if not isinstance(operands, tuple | list):
        raise RuntimeError(f"Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of tensor leaves, but got {operands}.")
    return branches.cond(pred.reshape(()), true_fn, false_fn, *operands)  # type: ignore[attr-defined]  # a Tensor's


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Sequence[Any]) -> Any:
    """body_fn(*carried), a tuple of the carried types, again and again while cond_fn(*carried) is true; the last tuple.

    >>> import fgrad as torch
    >>> torch.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.tensor(1.0)))
    (tensor(3), tensor(8.))
    """
    if not isinstance(carried_inputs, tuple | list):
        raise RuntimeError(f"carried_inputs must be a tuple or list, got {type(carried_inputs)}")

    def body(carried: Any) -> Any:
        found = body_fn(*carried)
        return tuple(found) if isinstance(found, tuple | list) else (found,)

    return loops.while_loop(lambda carried: cond_fn(*carried), body, tuple(carried_inputs))
