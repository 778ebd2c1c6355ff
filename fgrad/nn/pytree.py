"""A Module as a pytree: its leaves are the parameters that require grad, once each.

Everything else (buffers, frozen parameters, attributes) rides along by reference. The structure is a token that clones
share, with the training flags and a count of attribute changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fgrad import tree


class ModuleSpec:
    """The structure of a module without its trainable parameters."""

    __slots__ = ("flags", "module", "names", "token")

    def __init__(self, module: Any, names: tuple[str, ...]) -> None:
        self.module, self.names = module, names
        self.token = module.__dict__.setdefault("_token", object())
        self.flags = tuple((m.training, m._edits) for m in module.modules())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModuleSpec)
            and self.token is other.token
            and self.names == other.names
            and self.flags == other.flags
        )

    def __hash__(self) -> int:
        return hash((id(self.token), self.names, self.flags))

    def __repr__(self) -> str:
        return f"{type(self.module).__name__}[{', '.join(self.names)}]"


def trainable(module: Any) -> dict[str, Any]:
    """The leaves by dotted name."""
    held = module.__dict__.get("_leaf_names")
    found = dict(module.named_parameters())
    if held is not None:
        return {name: found[name] for name in held}
    return {name: p for name, p in found.items() if p.requires_grad}


def flatten_module(module: Any) -> tuple[list[Any], ModuleSpec, tuple[str, ...]]:
    """optree's flatten: leaves, structure, dotted names."""
    leaves = trainable(module)
    names = tuple(leaves)
    return list(leaves.values()), ModuleSpec(module, names), names


def unflatten_module(spec: ModuleSpec, leaves: Sequence[Any]) -> Any:
    """A clone of the module that holds `leaves` as its parameters."""
    new = clone(spec.module, dict(zip(spec.names, leaves, strict=True)), {})
    object.__setattr__(new, "_leaf_names", spec.names)
    return new


def clone(module: Any, parameters: Mapping[str, Any], buffers: Mapping[str, Any]) -> Any:
    """A module of the same classes with some parameters and buffers replaced, the rest shared; ties stay tied."""
    ids = {id(p): parameters[name] for name, p in module.named_parameters() if name in parameters}
    ids.update({id(b): buffers[name] for name, b in module.named_buffers() if name in buffers})
    return _clone(module, ids, {})


def _clone(module: Any, new: Mapping[int, Any], done: dict[int, Any]) -> Any:
    if id(module) in done:
        return done[id(module)]
    copy = done[id(module)] = object.__new__(type(module))
    copy.__dict__.update(module.__dict__)
    copy.__dict__["_parameters"] = {k: new.get(id(p), p) for k, p in module._parameters.items()}
    if any(id(b) in new for b in module._buffers.values()):
        copy.__dict__["_buffers"] = {k: new.get(id(b), b) for k, b in module._buffers.items()}
    copy.__dict__["_modules"] = {k: None if m is None else _clone(m, new, done) for k, m in module._modules.items()}
    return copy


def register_module(cls: type) -> None:
    """Makes a Module class a pytree node."""
    tree.register(cls, flatten_module, unflatten_module)


def functional_call(module: Any, parameter_and_buffer_dicts: Any, args: Any = (), kwargs: Any = None, *,
                    strict: bool = False) -> Any:  # fmt: skip
    """`module(*args, **kwargs)` with some parameters and buffers replaced, by dotted name; the module is unchanged.

    Buffers given here receive the writes a forward makes.
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, tuple | list):
        given = {k: v for d in given for k, v in d.items()}
    if not isinstance(given, Mapping):  # the module's own tree, as grad gives it
        given = dict(given.named_parameters())
    known = {*dict(module.named_parameters()), *dict(module.named_buffers())}
    unknown = [k for k in given if k not in known]
    if strict and (unknown or known - set(given)):
        raise RuntimeError(f"functional_call: unexpected names {unknown}, missing names {sorted(known - set(given)) if strict else []}")
    stand_in = clone(module, given, given)
    return stand_in(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
