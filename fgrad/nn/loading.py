"""load_state_dict: all names and shapes are checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fgrad.errors import StateError
from fgrad.functions.creation import as_tensor
from fgrad.functions.inplace import set_grad
from fgrad.ir.apply import caller
from fgrad.nn.parameter import Parameter, is_lazy


def own_state(module: Any) -> dict[str, Any]:
    """Parameters and persistent buffers by dotted name, the tensors themselves."""
    found: dict[str, Any] = module.state_dict(keep_vars=True)
    return found


def load_into(module: Any, state: Mapping[str, Any], strict: bool, assign: bool = False) -> tuple[list[str], list[str]]:
    """Copies `state` into `module`; returns (missing, unexpected) names."""
    if not isinstance(state, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state)}.")
    own = own_state(module)
    missing = [k for k in own if k not in state]
    unexpected = [k for k in state if k not in own]
    given = {k: as_tensor(v) for k, v in state.items() if k in own}
    for k, v in given.items():
        if is_lazy(own[k]) and not is_lazy(v):
            own[k].materialize(v.shape)
    wrong = [
        f"size mismatch for {k}: copying a param with shape {v.shape} from checkpoint, the shape in current model "
        f"is {own[k].shape}."
        for k, v in given.items()
        if tuple(v.shape) != tuple(own[k].shape)
    ]
    if strict and missing:
        wrong.append(f"Missing key(s) in state_dict: {', '.join(map(repr, missing))}.")
    if strict and unexpected:
        wrong.append(f"Unexpected key(s) in state_dict: {', '.join(map(repr, unexpected))}.")
    if wrong:
        raise StateError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(wrong), where=caller(),
            fix="load into the model that saved it, or pass strict=False for names",
        )  # fmt: skip
    if assign:
        replace_state(module, given)
        return missing, unexpected
    before = set_grad(False)
    try:
        for k, v in given.items():
            own[k].copy_(v)
    finally:
        set_grad(before)
    return missing, unexpected


def replace_state(module: Any, given: Mapping[str, Any]) -> None:
    """The given tensors become the module's own, parameters with the requires_grad that they had."""
    for name, x in given.items():
        path, _, own = name.rpartition(".")
        holder = module.get_submodule(path)
        old = holder._parameters.get(own)
        if old is not None:
            new = x if isinstance(x, Parameter) else Parameter(x, old.requires_grad)
            holder._parameters[own] = new.requires_grad_(old.requires_grad)
        else:
            holder._buffers[own] = x.detach()
