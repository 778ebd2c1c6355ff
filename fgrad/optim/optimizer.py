"""Optimisers as objects: parameters in groups, state by parameter, one recorded update for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from fgrad.backends import devices
from fgrad.eager import engine
from fgrad.eager.cell import concrete
from fgrad.eager.enter import enter, variable
from fgrad.eager.mode import set_grad
from fgrad.eager.record import composite, wrap
from fgrad.eager.tape import THREAD
from fgrad.eager.views import rebind, write
from fgrad.errors import ArgumentError, TraceError
from fgrad.functions.base import Handle
from fgrad.functions.creation import as_tensor, tensor
from fgrad.functions.tensor import Tensor
from fgrad.ir.apply import caller
from fgrad.ir.graph import Value
from fgrad.ir.types import TensorType
from fgrad.optim.rules import Rule
from fgrad.optim.update import computed, directly, update_all

_BEFORE: dict[int, Callable[..., Any]] = {}  # hooks around every optimiser's steps
_AFTER: dict[int, Callable[..., Any]] = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(optimizer, args, kwargs)` before every step of every optimiser."""
    return Handle(_BEFORE, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> Handle:
    """`hook(optimizer, args, kwargs)` after every step of every optimiser."""
    return Handle(_AFTER, hook)


class Optimizer:
    """Base of the stateful optimisers: a subclass names its rule, its slots, flags and scalars for one group.

    params: an iterable of parameters, or of dicts with "params" and options of their own.
    """

    rule: Rule
    numbers: tuple[str, ...] = ()  # state of a parameter that is a number, beside "step"
    hidden: tuple[str, ...] = ()  # state that PyTorch's optimiser of this name does not have

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self.stepped = False  # whether a step was made: schedulers warn if not
        self._buffers: dict[Any, list[Any]] = {}
        self._direct: dict[Any, engine.Runner] = {}  # programs of steps at which nothing waits to be computed
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
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                            "sets will change between runs. Please use a list instead.")  # fmt: skip
        ps = [given] if isinstance(given, Tensor) else list(given)
        named = [isinstance(p, tuple) and len(p) == 2 for p in ps]  # named_parameters()
        if any(named) and not all(named):
            raise ArgumentError("all optimizer params should be with/without names. Some param names are missing", where=caller(), fix="name all or none")
        if any(named):
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
        check_ways(group)
        self.check(group)
        self.param_groups.append(group)

    # what a subclass says -----------------------------------------------------------------------------------------------
    def check(self, group: dict[str, Any]) -> None:
        """Refuses options that make no sense."""

    def slots(self, group: dict[str, Any], p: Any) -> tuple[str, ...]:
        """Names of the state tensors of a parameter."""
        return self.rule.slots

    def start(self, group: dict[str, Any], p: Any, name: str) -> Any:
        """What a state tensor, or a number of the state, is at first."""
        return filled(p, 0)

    def flags(self, group: dict[str, Any], p: Any) -> dict[str, Any]:
        """What shapes the update's graph; `p` is one of the parameters it is for, all of one dtype."""
        raise NotImplementedError

    def scalars(self, group: dict[str, Any], state: dict[str, Any]) -> tuple[float, ...]:
        """Numbers of the update, in the rule's order; `state["step"]` counts from 1."""
        raise NotImplementedError

    def after(self, group: dict[str, Any], state: dict[str, Any]) -> None:
        """Moves the numbers of the state on."""

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
        given = (self,) if closure is None else (self, closure)
        if _BEFORE or self._pre_hooks:
            closure = self._before_step(given)
        tape = THREAD.tape
        if tape.tracing:
            raise TraceError(
                f"optimizer.step() was called while {tape.tracing} is being recorded", where=caller(),
                fix="step outside the recorded function: plain eager steps are compiled as a whole anyway",
            )  # fmt: skip
        before = set_grad(False)
        try:
            loss = self._run(closure)
        finally:
            set_grad(before)
        engine.flush(THREAD.tape)
        self.stepped = True
        for hook in (*self._post_hooks.values(), *_AFTER.values()):
            hook(self, given, {})
        return loss

    def _before_step(self, given: tuple[Any, ...]) -> Callable[[], Any] | None:
        """Runs the pre-hooks; the closure, as they leave it."""
        options: dict[str, Any] = {}
        for hook in (*_BEFORE.values(), *self._pre_hooks.values()):
            changed = hook(self, given, options)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(f"a step pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
                given, options = changed
        return options.get("closure", given[1] if len(given) > 1 else None)

    def _run(self, closure: Callable[[], Any] | None) -> Any:
        loss = self._evaluate(closure) if closure is not None else None
        for group in self.param_groups:
            self._record(group)
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

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(optimizer)` before every state_dict; prepend: before the other hooks."""
        return self._hooked("save", hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(optimizer, state_dict)` after every state_dict; what it returns replaces that."""
        return self._hooked("saved", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(optimizer, state_dict)` before a state is loaded; what it returns replaces it."""
        return self._hooked("load", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """`hook(optimizer)` after a state was loaded."""
        return self._hooked("loaded", hook, prepend)

    def _hooked(self, when: str, hook: Callable[..., Any], first: bool) -> Handle:
        table = self.__dict__.setdefault("_state_hooks", {}).setdefault(when, {})
        handle = Handle(table, hook)
        if first:
            for k in list(table)[:-1]:
                table[k] = table.pop(k)
        return handle

    def _call_hooks(self, when: str, given: Any = None) -> Any:
        """Runs the hooks around states; what they return replaces what they were given."""
        for hook in list(self.__dict__.get("_state_hooks", {}).get(when, {}).values()):
            found = hook(self) if given is None else hook(self, given)
            given = found if found is not None and given is not None else given
        return given

    def _record(self, group: dict[str, Any]) -> None:
        """One look-up for all parameters of a group that have one dtype, the same state and as many steps behind them."""
        alike: dict[Any, list[Any]] = {}
        for p in group["params"]:
            e = p._extra
            if e is None or e.grad is None:
                continue
            state, names = self.state[p], self.slots(group, p)
            if "step" not in state:
                state["step"] = 0
            for n in (*self.numbers, *names):
                if n not in state:
                    state[n] = self.start(group, p, n)
            state["step"] += 1
            alike.setdefault((p._type.dtype, names, state["step"], *[state[n] for n in self.numbers]), []).append(p)
        for (_, names, *_), ps in alike.items():
            self._update(group, ps, names)

    def _update(self, group: dict[str, Any], ps: list[Any], names: tuple[str, ...]) -> None:
        tape = THREAD.tape
        given: list[Any] = []
        cells: list[Any] = []
        for p in ps:
            state = self.state[p]
            slots = [state[n] for n in names]
            cells += [p, *slots]
            given += [p, p._extra.grad, *slots]
        kind = TensorType((), computed(ps[0]._type.dtype))  # on the host, whatever device the parameters are on
        numbers = self._scalar_buffers(group, kind, self.state[ps[0]])
        flags = self.flags(group, ps[0])
        key = (type(self).rule.update, tuple(flags.items()), len(ps))
        width = 2 + len(names)

        def rule(*values: Value) -> list[Value]:
            return update_all(type(self).rule, values, width, len(ps), flags)

        if tape.idle() and directly(self._direct, key, rule, given, cells, numbers):
            for p in ps:
                self.after(group, self.state[p])
            return
        values = [t._value if t._tape is tape else enter(tape, t) for t in given]
        new = composite(key, rule, (*values, *[tape.input(kind, a) for a in numbers]), tape)
        for t, v in zip(cells, new, strict=True):
            if t._extra is not None and t._extra.base is not None:
                write(t, wrap(Tensor, tape, v))
            else:
                rebind(tape, t, variable(tape, t, v) if t._value.needs else v)
        for p in ps:
            self.after(group, self.state[p])

    def _scalar_buffers(self, group: dict[str, Any], kind: TensorType, state: dict[str, Any]) -> list[Any]:
        """This step's numbers as 0-d buffers. They are used again, since the flush that follows reads them."""
        held = self._buffers.setdefault((id(group), kind), [])
        if not held or THREAD.tape.busy:
            held[:] = [np.empty((), kind.dtype) for _ in self.rule.scalars]
        for a, x in zip(held, self.scalars(group, state), strict=True):
            a[()] = x
        return held

    # persistence --------------------------------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """`{"state": {index: {...}}, "param_groups": [...]}` in PyTorch's form and names."""
        self._call_hooks("save")
        order = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**{k: v for k, v in g.items() if k != "params"}, "params": [order[id(p)] for p in g["params"]]}
                  for g in self.param_groups]  # fmt: skip
        state = {order[id(p)]: {k: self.saved(k, v) for k, v in s.items() if k not in self.hidden} for p, s in self.state.items()}
        found: dict[str, Any] = self._call_hooks("saved", {"state": {i: s for i, s in sorted(state.items()) if s}, "param_groups": groups})
        return found

    def saved(self, name: str, value: Any) -> Any:
        """One state entry as saved: numbers as float tensors."""
        return tensor(float(value)) if name == "step" or name in self.numbers else value

    def taken(self, name: str, value: Any) -> Any:
        """One state entry from what was saved; copies, so that the two share nothing."""
        if name == "step":
            return int(float(value))
        if name in self.numbers:
            return float(value)
        if isinstance(value, list):
            return [self.taken("", v) for v in value]
        return as_tensor(value).clone() if isinstance(value, Tensor) else value

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes up saved state; groups must have the sizes of this optimiser's. Nothing is changed if they don't."""
        state_dict = self._call_hooks("load", dict(state_dict))
        saved = state_dict["param_groups"]
        sizes, own = [len(g["params"]) for g in saved], [len(g["params"]) for g in self.param_groups]
        if sizes != own:
            raise ArgumentError(
                f"loaded state dict contains parameter groups of sizes {sizes}, this optimizer's are {own}", where=caller(),
                fix="build the optimiser over the same parameters",
            )  # fmt: skip
        names = [i for g in saved for i in g["params"]]
        ps = dict(zip(names, (p for g in self.param_groups for p in g["params"]), strict=True))
        new: dict[Any, dict[str, Any]] = {}
        for i, s in state_dict["state"].items():
            new[ps[i]] = {**dict.fromkeys(self.hidden, 1), **{k: self.taken(k, v) for k, v in s.items() if v is not None}}
        for g, s in zip(self.param_groups, saved, strict=True):
            g.update({k: v for k, v in s.items() if k not in ("params", "param_names")})
        self.state = defaultdict(dict, new)
        self._call_hooks("loaded")

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, g in enumerate(self.param_groups):
            lines += [""] if i else []
            lines += [f"Parameter Group {i}", *(f"    {k}: {v}" for k, v in sorted(g.items()) if k != "params")]
        return "\n".join([*lines, ")"])


def filled(p: Any, value: Any, shape: tuple[int, ...] | None = None) -> Any:
    """A state tensor of one value, like the parameter, with a buffer of its own."""
    kind = p._type if shape is None else p._type.with_shape(shape)
    data = devices.zeros(kind)
    if value:
        data[...] = value
    return concrete(Tensor, data, kind)


def check_ways(group: dict[str, Any]) -> None:
    """PyTorch's refusals of ways to compute that exclude each other."""
    if group.get("fused") and group.get("foreach"):
        raise ArgumentError("`fused` and `foreach` cannot be `True` together.", where=caller(), fix="leave both out")
    if isinstance(group.get("lr"), Tensor) and group.get("foreach") and group.get("capturable") is False:
        raise ArgumentError("lr as a Tensor is not supported for capturable=False and foreach=True", where=caller(), fix="leave foreach out")


def at_least_zero(**values: Any) -> None:
    """PyTorch's refusal of negative options."""
    for name, value in values.items():
        if not value >= 0.0:  # NaN too
            raise ArgumentError(f"Invalid {name} value: {value}", where=caller(), fix="use 0 or more")


def check_betas(betas: Any) -> None:
    """PyTorch's refusal of betas outside [0, 1)."""
    for i, b in enumerate(betas):
        if not 0.0 <= b < 1.0:
            raise ArgumentError(f"Invalid beta parameter at index {i}: {b}", where=caller(), fix="use 0 <= beta < 1")
