"""Transforms made of transforms: chains, parts of a tree, conditions, accumulation, hyperparameters in the state."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fgrad import tree
from fgrad.eager.cell import Cell
from fgrad.errors import ArgumentError, StateError
from fgrad.functions.call import compose
from fgrad.ir.apply import caller
from fgrad.ir.dtypes import dtype_of, is_inexact, promote
from fgrad.optim.leafwise import (
    EmptyState,
    GradientTransformation,
    as_cell,
    choose,
    increment,
    moving,
    zero_count,
)
from fgrad.optim.transform import decay_weights, set_to_zero
from fgrad.primitives import composites as c


class MaskedNode(NamedTuple):
    """Stands for a parameter that a masked transform does not see: a node without leaves."""


class MaskedState(NamedTuple):
    """State of the transform inside."""

    inner_state: Any


class PartitionState(NamedTuple):
    """States by label."""

    inner_states: Any


class ApplyIfFiniteState(NamedTuple):
    """Steps in a row that were not finite, whether the last was, how many were not, and the state inside."""

    notfinite_count: Any
    last_finite: Any
    total_notfinite: Any
    inner_state: Any


class ConditionallyTransformState(NamedTuple):
    """State inside, and step count."""

    inner_state: Any
    step: Any


class ApplyEvery(NamedTuple):
    """Steps since the last update, and the sum since."""

    count: Any
    grad_acc: Any


class InjectHyperparamsState(NamedTuple):
    """Step count, hyperparameters by name (arrays), and the state inside."""

    count: Any
    hyperparams: dict[str, Any]
    inner_state: Any


def chain(*transforms: GradientTransformation) -> GradientTransformation:
    """Transforms in a row; the state is a tuple of theirs. Raises StateError for a state of another length."""

    def init(params: Any) -> tuple[Any, ...]:
        return tuple(t.init(params) for t in transforms)

    def update(grads: Any, state: tuple[Any, ...], params: Any = None, **hyper: Any) -> tuple[Any, tuple[Any, ...]]:
        if len(state) != len(transforms):
            raise StateError(f"a chain of {len(transforms)} transforms was given a state of {len(state)}", where=caller(),
                             fix="start with state = opt.init(params)")  # fmt: skip
        new = []
        for t, s in zip(transforms, state, strict=True):
            grads, after = t.update(grads, s, params, **hyper)
            new.append(after)
        return grads, tuple(new)

    return GradientTransformation(init, update)


def named_chain(*transforms: tuple[str, GradientTransformation]) -> GradientTransformation:
    """`chain` of pairs (name, transform); the state is a mapping from names, in order."""
    names = [name for name, _ in transforms]
    if len(set(names)) != len(names):
        raise ArgumentError(f"named_chain: names {names} are not unique", where=caller(), fix="give each transform its own name")

    def init(params: Any) -> OrderedDict[str, Any]:
        return OrderedDict((name, t.init(params)) for name, t in transforms)

    def update(grads: Any, state: Mapping[str, Any], params: Any = None, **hyper: Any) -> tuple[Any, OrderedDict[str, Any]]:
        new: OrderedDict[str, Any] = OrderedDict()
        for name, t in transforms:
            grads, new[name] = t.update(grads, state[name], params, **hyper)
        return grads, new

    return GradientTransformation(init, update)


def mask_of(mask: Any, params: Any) -> Any:
    """A mask (a tree of bools, a prefix of one, or a function of the parameters) as a tree like the parameters."""
    return tree.broadcast(mask(params) if callable(mask) else mask, params)


def only(mask: Any, whole: Any) -> Any:
    """The tree with MaskedNode where the mask is False."""
    return tree.map(lambda m, x: x if m else MaskedNode(), mask, whole)


def masked(inner: GradientTransformation, mask: Any, *, mask_compatible_extra_args: bool = False) -> GradientTransformation:
    """`inner` for the parameters whose mask is True; the gradients of others pass unchanged.

    mask: a tree of bools, a prefix of one, or a function of the parameters. mask_compatible_extra_args: keyword arguments of `update`
    that are trees like the gradients are masked too.
    """

    def init(params: Any) -> MaskedState:
        return MaskedState(inner.init(only(mask_of(mask, params), params)))

    def update(grads: Any, state: MaskedState, params: Any = None, **hyper: Any) -> tuple[Any, MaskedState]:
        where = mask_of(mask, grads)
        if mask_compatible_extra_args:
            spec = tree.structure(grads)
            hyper = {k: only(where, v) if tree.structure(v) == spec else v for k, v in hyper.items()}
        seen = None if params is None else only(where, params)
        new, after = inner.update(only(where, grads), state.inner_state, seen, **hyper)
        spec = tree.structure(grads)
        flags, rest = tree.leaves(where), iter(tree.leaves(new))
        merged = [next(rest) if m else g for m, g in zip(flags, tree.leaves(grads), strict=True)]
        return tree.unflatten(spec, merged), MaskedState(after)

    return GradientTransformation(init, update)


def partition(transforms: Mapping[Hashable, GradientTransformation], param_labels: Any, *,
              mask_compatible_extra_args: bool = False) -> GradientTransformation:  # fmt: skip
    """Each parameter by the transform of its label: a tree of labels, a prefix of one, or a function of the parameters.

    Raises ArgumentError for a label without a transform.
    """

    def parts(like: Any) -> dict[Hashable, GradientTransformation]:
        labels = mask_of(param_labels, like)
        unknown = set(tree.leaves(labels)) - set(transforms)
        if unknown:
            raise ArgumentError(f"no transform for the labels {sorted(map(str, unknown))}", where=caller(),
                                fix=f"use one of {sorted(map(str, transforms))}")  # fmt: skip
        return {k: masked(t, tree.map(lambda label, k=k: label == k, labels),
                          mask_compatible_extra_args=mask_compatible_extra_args) for k, t in transforms.items()}  # fmt: skip

    def init(params: Any) -> PartitionState:
        return PartitionState({k: t.init(params) for k, t in parts(params).items()})

    def update(grads: Any, state: PartitionState, params: Any = None, **hyper: Any) -> tuple[Any, PartitionState]:
        new = {}
        for k, t in parts(grads).items():
            grads, new[k] = t.update(grads, state.inner_states[k], params, **hyper)
        return grads, PartitionState(new)

    return GradientTransformation(init, update)


multi_transform = partition


def freeze(mask: Any) -> GradientTransformation:
    """Zero updates where the mask is True."""
    return masked(set_to_zero(), mask)


def selective_transform(optimizer: GradientTransformation, *, freeze_mask: Any) -> GradientTransformation:
    """`optimizer` where the mask is False, zero updates where it is True."""
    return partition({"train": optimizer, "freeze": set_to_zero()},
                     lambda params: tree.map(lambda m: "freeze" if m else "train", mask_of(freeze_mask, params)))  # fmt: skip


def add_decayed_weights(weight_decay: Any = 0.0, mask: Any = None) -> GradientTransformation:
    """g -> g + weight_decay * p, for parameters whose mask is True (all); weight_decay a number, an array or a schedule."""
    inner = decay_weights(weight_decay)
    return inner if mask is None else masked(inner, mask)


def all_finite(grads: Any) -> Any:
    """Whether every element of a tree is finite: a 0-d bool."""
    return compose(_all_finite, *[as_cell(g) for g in tree.leaves(grads)])


def _all_finite(*gs: Any) -> Any:
    parts = [c.reduce_sum(c.select(c.is_finite(g), c.number(0, g), c.number(1, g)), axes=tuple(range(g.ndim))) for g in gs]
    return functools.reduce(lambda a, b: a & b, [c.eq(x, c.number(0, x)) for x in parts])


def apply_if_finite(inner: GradientTransformation, max_consecutive_errors: int) -> GradientTransformation:
    """`inner` for finite gradients; zero updates and the old state for others, until more than that many come in a row."""

    def init(params: Any) -> ApplyIfFiniteState:
        return ApplyIfFiniteState(zero_count(), as_cell(True), zero_count(), inner.init(params))

    def update(grads: Any, state: ApplyIfFiniteState, params: Any = None, **hyper: Any) -> tuple[Any, ApplyIfFiniteState]:
        good = all_finite(grads)
        bad_run = choose(good, zero_count(), increment(state.notfinite_count))
        accepted = good | (bad_run > max_consecutive_errors)
        new, after = inner.update(grads, state.inner_state, params, **hyper)
        zeros = set_to_zero().update(new, EmptyState())[0]
        total = choose(good, state.total_notfinite, increment(state.total_notfinite))
        return choose(accepted, new, zeros), ApplyIfFiniteState(bad_run, good, total, choose(accepted, after, state.inner_state))

    return GradientTransformation(init, update)


def conditionally_transform(inner: GradientTransformation, should_transform_fn: Callable[..., Any],
                            forward_extra_args: bool = False) -> GradientTransformation:  # fmt: skip
    """`inner` at steps for which should_transform_fn(step) holds; the gradients themselves and the old state at others."""
    return _conditional(inner, should_transform_fn, forward_extra_args, lambda grads: grads)


def conditionally_mask(inner: GradientTransformation, should_transform_fn: Callable[..., Any],
                       forward_extra_args: bool = False) -> GradientTransformation:  # fmt: skip
    """`inner` at steps for which should_transform_fn(step) holds; zero updates and the old state at others."""
    return _conditional(inner, should_transform_fn, forward_extra_args, lambda grads: set_to_zero().update(grads, EmptyState())[0])


def _conditional(inner: GradientTransformation, test: Callable[..., Any], forward: bool,
                 otherwise: Callable[[Any], Any]) -> GradientTransformation:  # fmt: skip
    def init(params: Any) -> ConditionallyTransformState:
        return ConditionallyTransformState(inner.init(params), zero_count())

    def update(grads: Any, state: Any, params: Any = None, **hyper: Any) -> tuple[Any, ConditionallyTransformState]:
        flag = test(state.step, **(hyper if forward else {}))
        new, after = inner.update(grads, state.inner_state, params, **hyper)
        after = choose(flag, after, state.inner_state)
        return choose(flag, new, otherwise(grads)), ConditionallyTransformState(after, increment(state.step))

    return GradientTransformation(init, update)


def apply_every(k: Any = 1) -> GradientTransformation:
    """Zero updates, but at each k-th step the sum of the last k."""
    inner = moving(_summed, ApplyEvery, {"k": k}, prepare=_due)

    def update(grads: Any, state: ApplyEvery, params: Any = None, **hyper: Any) -> tuple[Any, ApplyEvery]:
        new, after = inner.update(grads, state, params, **hyper)
        return new, ApplyEvery(compose(_wrapped, as_cell(after.count), as_cell(np.asarray(k, np.int32))), after.grad_acc)

    return GradientTransformation(inner.init, update)


def _due(s: Mapping[str, Any]) -> dict[str, Any]:
    return {"fresh": c.eq(s["count"], c.number(1, s["count"])), "emit": c.eq(s["count"], s["k"])}


def _summed(g: Any, acc: Any, s: Mapping[str, Any]) -> tuple[Any, ...]:
    zero = c.number(0, g)
    acc = c.select(s["fresh"], zero, acc) + g
    return c.select(s["emit"], acc, zero), acc


def _wrapped(count: Any, k: Any) -> Any:
    return c.remainder(count, k)


def inject_hyperparams(inner_factory: Callable[..., GradientTransformation], static_args: str | Iterable[str] = (),
                       hyperparam_dtype: Any = None) -> Callable[..., GradientTransformation]:  # fmt: skip
    """A factory like `inner_factory` whose transform keeps its numbers as arrays in `state.hyperparams`, to be read and replaced.

    Schedules among the arguments are evaluated at each step. static_args: names that stay as given; so do bools and what is no number.
    Raises ArgumentError for a name `inner_factory` does not have.
    """
    fixed = {static_args} if isinstance(static_args, str) else set(static_args)
    signature = inspect.signature(inner_factory)
    if fixed - set(signature.parameters):
        raise ArgumentError(f"static_args {sorted(fixed - set(signature.parameters))} are no arguments of {inner_factory.__name__}",
                            where=caller(), fix=f"use some of {list(signature.parameters)}")  # fmt: skip

    @functools.wraps(inner_factory)
    def factory(*args: Any, **kwargs: Any) -> GradientTransformation:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return _injected(inner_factory, dict(bound.arguments), fixed, hyperparam_dtype)

    return factory


def _injected(inner_factory: Callable[..., Any], given: dict[str, Any], fixed: set[str], dtype: Any) -> GradientTransformation:
    free = {k: v for k, v in given.items() if k not in fixed and not isinstance(v, bool)}
    schedules = {k: v for k, v in free.items() if callable(v)}
    numbers = {k: v for k, v in free.items() if isinstance(v, int | float | Cell | np.ndarray | np.generic)}
    rest = {k: v for k, v in given.items() if k not in schedules and k not in numbers}

    def values(count: Any, kept: dict[str, Any], d: Any) -> dict[str, Any]:
        found = {**kept, **{k: f(count) for k, f in schedules.items()}}
        return {k: _as_float(found[k], d) for k in given if k in found}

    def init(params: Any) -> InjectHyperparamsState:
        count = zero_count()
        now = values(count, numbers, _float_of(params, dtype))
        return InjectHyperparamsState(count, now, inner_factory(**rest, **now).init(params))

    def update(grads: Any, state: InjectHyperparamsState, params: Any = None, **hyper: Any) -> tuple[Any, Any]:
        now = values(state.count, state.hyperparams, _float_of(grads if params is None else params, dtype))
        new, after = inner_factory(**rest, **now).update(grads, state.inner_state, params, **hyper)
        return new, InjectHyperparamsState(increment(state.count), now, after)

    return GradientTransformation(init, update)


def _float_of(params: Any, dtype: Any) -> Any:
    """The dtype given, or the widest of the parameters'."""
    if dtype is not None:
        return dtype_of(dtype)
    return functools.reduce(promote, [as_cell(p)._type.dtype for p in tree.leaves(params)], dtype_of("float16"))


def _as_float(x: Any, d: Any) -> Any:
    if isinstance(x, int):
        return as_cell(np.asarray(x))
    cell = as_cell(np.asarray(x) if isinstance(x, float) else x)
    return compose(_converted, cell, dtype=d) if is_inexact(cell._type.dtype) else cell


def _converted(x: Any, *, dtype: Any) -> Any:
    return c.convert(x, dtype=dtype)
