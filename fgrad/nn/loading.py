"""load_state_dict: all names and shapes are checked before anything is written."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from fgrad.errors import StateError
from fgrad.functions.creation import as_tensor
from fgrad.functions.inplace import set_grad
from fgrad.ir.apply import caller
from fgrad.nn.parameter import Parameter, is_lazy


class Keys(NamedTuple):
    """What did not match in load_state_dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if any(self):
            return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return "<All keys matched successfully>"


WRITES = "_writes"  # in local_metadata: what `load_into` will copy once everything has been checked
EXTRA = "_extra_state"


def load_into(module: Any, state: Mapping[str, Any], strict: bool, assign: bool = False) -> tuple[list[str], list[str]]:
    """Copies `state` into `module`; returns (missing, unexpected) names."""
    if not isinstance(state, Mapping):
        raise TypeError(f"Expected state_dict to be dict-like, got {type(state)}.")
    metadata = getattr(state, "_metadata", None) or {}
    missing: list[str] = []
    unexpected: list[str] = []
    wrong: list[str] = []
    writes: list[Callable[[], None]] = []
    visited: list[Any] = []

    def visit(m: Any, local: dict[str, Any], prefix: str) -> None:
        about = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": assign, WRITES: writes}
        m._load_from_state_dict(local, prefix, about, True, missing, unexpected, wrong)
        for name, child in m._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                visit(child, {k: v for k, v in local.items() if k.startswith(below)}, below)
        visited.append(m)

    visit(module, OrderedDict(state), "")
    hooked = [(m, hook) for m in visited for hook in m._state_hooks_of("after_load")]
    if wrong or not hooked:
        refuse(module, missing, unexpected, wrong, strict)
    before = set_grad(False)
    try:
        for write in writes:
            write()
    finally:
        set_grad(before)
    keys = Keys(missing, unexpected)
    for m, hook in hooked:
        if hook(m, keys) is not None:
            raise AssertionError("Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, "
                                 "if incompatible_keys need to be modified, it should be done inplace.")  # fmt: skip
    refuse(module, missing, unexpected, wrong, strict)
    return missing, unexpected


def quoted(names: list[str]) -> str:
    """Names as PyTorch lists them."""
    return ", ".join(f'"{name}"' for name in names)


def refuse(module: Any, missing: list[str], unexpected: list[str], wrong: list[str], strict: bool) -> None:
    """StateError if something does not fit."""
    lines = list(wrong)
    if strict and missing:
        lines.append(f"Missing key(s) in state_dict: {quoted(missing)}. ")
    if strict and unexpected:
        lines.append(f"Unexpected key(s) in state_dict: {quoted(unexpected)}. ")
    if lines:
        raise StateError(
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t" + "\n\t".join(lines), where=caller(),
            fix="load into the model that saved it, or pass strict=False for names",
        )  # fmt: skip


def load_own(module: Any, state: Mapping[str, Any], prefix: str, assign: bool, missing: list[str], wrong: list[str]) -> list[Callable[[], None]]:
    """Checks what `state` has for a module's own parameters and buffers; returns the copies to be made."""
    writes: list[Callable[[], None]] = []
    for name, own in own_tensors(module).items():
        key = prefix + name
        if key not in state:
            missing.append(key)
            continue
        given = as_tensor(state[key])
        if is_lazy(own) and not is_lazy(given):
            own.materialize(given.shape)
        if own.ndim == 0 and tuple(given.shape) == (1,):
            given = given[0]
        if tuple(given.shape) != tuple(own.shape):
            wrong.append(f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape in current "
                         f"model is {own.shape}.")  # fmt: skip
        elif assign:
            writes.append(partial(replace, module, name, given))
        else:
            writes.append(partial(own.copy_, given))
    return writes


def own_tensors(module: Any) -> dict[str, Any]:
    """A module's own parameters and persistent buffers."""
    kept = {n: b for n, b in module._buffers.items() if n not in module._non_persistent}
    return {n: x for n, x in (*module._parameters.items(), *kept.items()) if x is not None}


def surplus(module: Any, state: Mapping[str, Any], prefix: str) -> list[str]:
    """Names below `prefix` that neither the module nor a child of it has."""
    own = own_tensors(module)
    found = []
    for key in state:
        if key.startswith(prefix) and key != prefix + EXTRA:
            first, dot, _ = key[len(prefix) :].partition(".")
            if first not in (module._modules if dot else own):
                found.append(key)
    return found


def replace(module: Any, name: str, x: Any) -> None:
    """The given tensor becomes the module's own, a parameter with the requires_grad that it had."""
    old = module._parameters.get(name)
    if old is not None:
        new = x if isinstance(x, Parameter) else Parameter(x, old.requires_grad)
        module._parameters[name] = new.requires_grad_(old.requires_grad)
    else:
        module._buffers[name] = x.detach()
