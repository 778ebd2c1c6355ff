"""checkpoint: a function whose intermediate values are computed again in the reverse pass rather than kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from fgrad import tree
from fgrad.eager.closures import closed, enter_cells, flat_cells, record_call, region, types_of, wrap_results
from fgrad.eager.convert import as_cell
from fgrad.eager.counter import advance
from fgrad.eager.record import record
from fgrad.eager.tape import THREAD
from fgrad.eager.trace import random_state
from fgrad.ir.apply import caller
from fgrad.ir.primitive import REGISTRY
from fgrad.primitives.regions.policies import Policy, check_policy, saves


class Policies:
    """What `checkpoint(policy=...)` keeps for the reverse pass, under JAX's names."""

    nothing_saveable = "nothing"
    everything_saveable = "everything"
    dots_saveable = checkpoint_dots = "dots"
    dots_with_no_batch_dims_saveable = checkpoint_dots_with_no_batch_dims = "unbatched_dots"

    @staticmethod
    def save_only_these_names(*names: str) -> Policy:
        """Keeps values that `checkpoint_name` gave one of these names."""
        return ("only", *names)

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Keeps named values, except those of these names."""
        return ("any_but", *names)

    @staticmethod
    def save_anything_except_these_names(*names: str) -> Policy:
        """Keeps every value but those of these names."""
        return ("anything_except", *names)

    @staticmethod
    def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
        """Keeps what either policy keeps."""
        return ("both", policy_1, policy_2)

    @staticmethod
    def save_and_offload_only_these_names(*, names_which_can_be_saved: Sequence[str], names_which_can_be_offloaded: Sequence[str],
                                          offload_src: str = "device", offload_dst: str = "pinned_host") -> Policy:  # fmt: skip
        """Keeps values of all these names where they are: there is no second memory to move them to."""
        return ("only", *names_which_can_be_saved, *names_which_can_be_offloaded)

    @staticmethod
    def offload_dot_with_no_batch_dims(offload_src: str = "device", offload_dst: str = "pinned_host") -> Policy:
        """dots_with_no_batch_dims_saveable: there is no second memory to move them to."""
        return "unbatched_dots"


checkpoint_policies = Policies()


def checkpoint_name(x: Any, name: str) -> Any:
    """`x` (an array or a tree of them) itself, under a name that policies of `checkpoint` know."""
    cells, spec = tree.flatten(x)
    named = [record(type(t)._result, REGISTRY["checkpoint_name"], (t,), (str(name),)) for t in map(as_cell, cells)]
    return tree.unflatten(spec, named)


def checkpoint(fun: Callable[..., Any] | None = None, *, prevent_cse: bool = True, policy: Policy | None = None,
               static_argnums: int | Sequence[int] = ()) -> Any:  # fmt: skip
    """`fun`, with values its reverse pass needs computed again from the arguments.

    policy: what is kept all the same, from `checkpoint_policies`, or a function
    `policy(primitive, *operand types, **params) -> bool`; nothing unless given.  prevent_cse: accepted,
    recomputation is never shared with the forward pass.  static_argnums: arguments passed as they are.
    Random draws come out the same in the recomputation.
    Source: Chen et al. 2016, arXiv:1604.06174.
    """
    if fun is None:
        return lambda g: checkpoint(g, policy=policy, prevent_cse=prevent_cse, static_argnums=static_argnums)
    if policy is not None:
        check_policy(policy, caller())
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        static = {i % len(args): args[i % len(args)] for i in nums}
        dynamic = tuple(a for i, a in enumerate(args) if i not in static)
        cells, spec, _ = flat_cells((dynamic, kwargs))
        build = tree.unflattener(spec)

        def call(xs: tuple[Any, ...], kw: dict[str, Any]) -> Any:
            given = list(xs)
            for i in sorted(static):
                given.insert(i, static[i])
            return fun(*given, **kw)

        r = record_call(call, "checkpoint", types_of(cells), build, effects=True)
        if not r.graph.outputs:
            return tree.unflatten(r.out_spec, [])
        if callable(policy):
            for v in r.graph.values():  # what it raises, it raises here
                saves(policy)(v)
        operands = [*enter_cells([*cells, *r.captured]), *random_state(THREAD.tape, r)]
        found = region("checkpoint", operands, graph=closed(r.graph.inputs, r.graph.outputs), policy=policy or "nothing")
        n = r.n_out
        return tree.unflatten(r.out_spec, advance(r.written, found[n:], lambda: wrap_results(found[:n], r.classes, [*cells, *r.captured])))

    return function


remat = checkpoint
