"""Optimisers as objects: parameters in groups, state by parameter, one recorded update for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.eager import engine
from fgrad.eager.cell import concrete
from fgrad.eager.enter import enter
from fgrad.eager.mode import set_grad
from fgrad.eager.record import composite
from fgrad.eager.tape import THREAD
from fgrad.eager.views import rebind, variable
from fgrad.errors import ArgumentError, StateError, TraceError
from fgrad.functions.base import Handle
from fgrad.functions.creation import as_tensor, tensor
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.optim.rules import Rule
from fgrad.primitives.structure import stop_gradient


class Optimizer:
    """Base of the stateful optimisers: a subclass names its rule, its slots, flags and scalars for one group.

    params: an iterable of parameters, or of dicts with "params" and options of their own.
    """

    rule: Rule

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self._buffers: dict[Any, list[Any]] = {}
        self._pre_hooks: dict[int, Callable[..., Any]] = {}
        self._post_hooks: dict[int, Callable[..., Any]] = {}
        groups = list(params) if not isinstance(params, Tensor) else None
        if groups is None:
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts, but got Tensor")
        if not groups:
            raise ArgumentError("optimizer got an empty parameter list", where=caller(), fix="pass model.parameters()")
        for g in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(g)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own."""
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                            "sets will change between runs. Please use a list instead.")  # fmt: skip
        ps = [given] if isinstance(given, Tensor) else list(given)
        if ps and all(isinstance(p, tuple) and len(p) == 2 for p in ps):  # named_parameters()
            group["param_names"], ps = [name for name, _ in ps], [p for _, p in ps]
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in ps:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ArgumentError("can't optimize a non-leaf Tensor", where=caller(), fix="pass leaf tensors")
            if id(p) in known:
                raise ArgumentError("some parameters appear in more than one parameter group", where=caller(),
                                    fix="put each parameter in one group")  # fmt: skip
            known.add(id(p))
        group["params"] = ps
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self.check(group)
        self.param_groups.append(group)

    # what a subclass says -----------------------------------------------------------------------------------------------
    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state tensors of a parameter."""
        return self.rule.slots

    def flags(self, group: dict[str, Any]) -> dict[str, bool]:
        """What shapes the update's graph."""
        raise NotImplementedError

    def scalars(self, group: dict[str, Any], step: int) -> tuple[float, ...]:
        """Numbers of the update, in the rule's order; `step` counts from 1."""
        raise NotImplementedError

    # use ----------------------------------------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops (or zeroes) the gradients of all parameters."""
        for group in self.param_groups:
            for p in group["params"]:
                e = p._extra
                if e is not None and e.grad is not None:
                    e.grad = None if set_to_none else e.grad.detach() * 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient; `closure` re-evaluates the loss first, which is returned."""
        for hook in list(self._pre_hooks.values()):
            hook(self, (closure,), {})
        loss = self._evaluate(closure) if closure is not None else None
        tape = THREAD.tape
        if tape.tracing:
            raise TraceError(
                f"optimizer.step() was called while {tape.tracing} is being recorded", where=caller(),
                fix="step outside the recorded function: plain eager steps are compiled as a whole anyway",
            )  # fmt: skip
        before = set_grad(False)
        try:
            for group in self.param_groups:
                self._record(group)
        finally:
            set_grad(before)
        engine.flush(THREAD.tape)
        for hook in list(self._post_hooks.values()):
            hook(self, (closure,), {})
        return loss

    @staticmethod
    def _evaluate(closure: Callable[[], Any]) -> Any:
        """The loss; derivatives are recorded even if `step` is called under no_grad."""
        before = set_grad(True)
        try:
            return closure()
        finally:
            set_grad(before)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """`hook(optimizer, args, kwargs)` before every step."""
        return Handle(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """`hook(optimizer, args, kwargs)` after every step."""
        return Handle(self._post_hooks, hook)

    def _record(self, group: dict[str, Any]) -> None:
        """One look-up for all parameters of a group that have run the same number of steps."""
        by_step: dict[int, list[Any]] = {}
        names = self.slots(group)
        for p in group["params"]:
            e = p._extra
            if e is not None and e.grad is not None:
                state = self.state[p]
                if "step" not in state:
                    state["step"] = 0
                    state.update({n: zeros_like(p) for n in names})
                state["step"] += 1
                by_step.setdefault(state["step"], []).append(p)
        for step, ps in by_step.items():
            self._update(group, ps, step, names)

    def _update(self, group: dict[str, Any], ps: list[Any], step: int, names: tuple[str, ...]) -> None:
        tape = THREAD.tape
        values: list[Value] = []
        cells: list[Any] = []
        for p in ps:
            state = self.state[p]
            owned = [p, *[state[n] for n in names]]
            cells += owned
            values += [t._value if t._tape is tape else enter(tape, t) for t in (p, p._extra.grad, *owned[1:])]
        kind = TensorType((), ps[0]._type.dtype)  # on the host, whatever device the parameters are on
        numbers = [tape.input(kind, a) for a in self._scalar_buffers(group, kind, step)]
        flags = self.flags(group)
        key = (type(self).rule.update, tuple(flags.items()), len(ps))
        width = 2 + len(names)

        def rule(*given: Value) -> list[Value]:
            return update_all(type(self).rule, given, width, len(ps), flags)

        new = composite(key, rule, (*values, *numbers), tape)
        for t, v in zip(cells, new, strict=True):
            rebind(tape, t, variable(tape, t, v) if t._value.needs else v)

    def _scalar_buffers(self, group: dict[str, Any], kind: TensorType, step: int) -> list[Any]:
        """This step's numbers as 0-d buffers. They are used again, since the flush that follows reads them."""
        held = self._buffers.setdefault((id(group), kind), [])
        if not held or THREAD.tape.busy:
            held[:] = [np.empty((), kind.dtype) for _ in self.rule.scalars]
        for a, x in zip(held, self.scalars(group, step), strict=True):
            a[()] = x
        return held

    # persistence --------------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """`{"state": {index: {...}}, "param_groups": [...]}` in PyTorch's form and names."""
        order = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**{k: v for k, v in g.items() if k != "params"}, "params": [order[id(p)] for p in g["params"]]}
                  for g in self.param_groups]  # fmt: skip
        state = {order[id(p)]: {k: self.saved(k, v) for k, v in s.items()} for p, s in self.state.items() if s}
        shown = {i: self.shown(s) for i, s in sorted(state.items())}
        return {"state": {i: s for i, s in shown.items() if s}, "param_groups": groups}

    @staticmethod
    def saved(name: str, value: Any) -> Any:
        """One state entry as saved: the step as a float tensor."""
        return tensor(float(value)) if name == "step" else value

    def shown(self, state: dict[str, Any]) -> dict[str, Any]:
        """The entries of one parameter that PyTorch's optimiser has."""
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up saved state; groups must have the sizes of this optimiser's. Nothing is changed if they don't."""
        saved = state_dict["param_groups"]
        sizes, own = [len(g["params"]) for g in saved], [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise StateError(
                f"loaded state dict contains parameter groups of sizes {sizes}, this optimizer's are {own}", where=caller(),
                fix="build the optimiser over the same parameters",
            )  # fmt: skip
        names = [i for g in saved for i in g["params"]]
        ps = dict(zip(names, (p for g in self.param_groups for p in g["params"]), strict=True))
        new: dict[Any, dict[str, Any]] = {}
        for i, s in state_dict["state"].items():
            new[ps[i]] = {k: int(float(v)) if k == "step" else as_tensor(v).clone() if isinstance(v, Tensor) else v
                          for k, v in s.items()}  # fmt: skip
            new[ps[i]].setdefault("step", 1)
        for g, s in zip(self.param_groups, saved, strict=True):
            g.update({k: v for k, v in s.items() if k not in ("params", "param_names")})
        self.state = defaultdict(dict, new)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, g in enumerate(self.param_groups):
            lines += [f"Parameter Group {i}", *(f"    {k}: {v}" for k, v in sorted(g.items()) if k != "params")]
        return "\n".join([*lines, ")"])


def update_all(rule: Rule, given: tuple[Value, ...], width: int, n: int, flags: dict[str, bool]) -> list[Value]:
    """New parameters and slots of all parameters, from their values, gradients, slots, then the scalars."""
    scalars = dict(zip(rule.scalars, given[width * n :], strict=True))
    out: list[Value] = []
    for i in range(n):
        p, g, *slots = (stop_gradient(v) if v.needs else v for v in given[width * i : width * (i + 1)])
        new, after = rule.update(p, g, tuple(slots), scalars, **flags)
        out += [new, *after]
    return out


def zeros_like(p: Any) -> Any:
    """A state tensor: zeros with a buffer of their own."""
    kind = p._type
    return concrete(Tensor, devices.zeros(kind), kind)
