"""Arithmetic of whole trees, under the names of optax.tree: fgrad.optim.tree.

Trees of one structure; numbers and 0-d arrays stand for themselves. get and set find fields of states by name.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import fgrad.numpy as jnp
from fgrad import random, tree
from fgrad.errors import ArgumentError
from fgrad.ir.apply import caller
from fgrad.optim.leafwise import choose, filled_like
from fgrad.optim.transform import global_norm

__all__ = [
    "add", "add_scale", "allclose", "cast", "cast_like", "clip", "conj", "div", "full_like", "get", "get_all_with_path", "max", "min", "mul",
    "norm", "ones_like", "random_like", "real", "scale", "set", "size", "split_key_like", "sub", "sum", "vdot", "where", "zeros_like",
]  # fmt: skip

Filter = Callable[[Any, Any], bool] | None
_sum, _max, _min = sum, max, min


def add(tree_x: Any, tree_y: Any, *other_trees: Any) -> Any:
    """The sum of trees."""
    return tree.map(lambda *xs: functools.reduce(operator.add, map(jnp.asarray, xs)), tree_x, tree_y, *other_trees)


def sub(tree_x: Any, tree_y: Any) -> Any:
    """x - y."""
    return tree.map(lambda x, y: jnp.asarray(x) - y, tree_x, tree_y)


def mul(tree_x: Any, tree_y: Any) -> Any:
    """x y, element by element."""
    return tree.map(lambda x, y: jnp.asarray(x) * y, tree_x, tree_y)


def div(tree_x: Any, tree_y: Any) -> Any:
    """x / y, element by element."""
    return tree.map(lambda x, y: jnp.asarray(x) / y, tree_x, tree_y)


def scale(scalar: Any, tree: Any) -> Any:
    """Scalar times a tree."""
    return _mapped(lambda x: scalar * jnp.asarray(x), tree)


def add_scale(tree_x: Any, scalar: Any, tree_y: Any) -> Any:
    """x + scalar y."""
    return tree.map(lambda x, y: jnp.asarray(x) + scalar * jnp.asarray(y), tree_x, tree_y)


def _mapped(f: Callable[..., Any], x: Any) -> Any:
    return tree.map(f, x)


def _total(parts: list[Any]) -> Any:
    return functools.reduce(operator.add, parts) if parts else jnp.asarray(0.0)


def vdot(tree_x: Any, tree_y: Any) -> Any:
    """The sum of conj(x) y over all elements."""
    return _total([jnp.vdot(x, y) for x, y in zip(tree.leaves(tree_x), tree.leaves(tree_y), strict=True)])


def sum(tree: Any) -> Any:  # noqa: A001  # optax's name
    """The sum of all elements."""
    return _total([jnp.sum(x) for x in _leaves(tree)])


def _leaves(x: Any) -> list[Any]:
    return [jnp.asarray(v) for v in tree.leaves(x)]


def max(tree: Any) -> Any:  # noqa: A001  # optax's name
    """The largest element."""
    return functools.reduce(jnp.maximum, [jnp.max(x) for x in _leaves(tree) if x.size])


def min(tree: Any) -> Any:  # noqa: A001  # optax's name
    """The smallest element."""
    return functools.reduce(jnp.minimum, [jnp.min(x) for x in _leaves(tree) if x.size])


def size(tree: Any) -> int:
    """How many elements there are."""
    return _sum(x.size for x in _leaves(tree))


def norm(tree: Any, ord: Any = None, squared: bool = False) -> Any:
    """The norm of all elements: ord None or 2, 1, or "inf"; squared: its square (of order 2)."""
    if ord in (1,):
        return _total([jnp.sum(jnp.abs(x)) for x in _leaves(tree)])
    if ord in ("inf", math.inf):
        return functools.reduce(jnp.maximum, [jnp.max(jnp.abs(x)) for x in _leaves(tree)])
    if ord not in (None, 2):
        raise ArgumentError(f"norm of order {ord!r}", where=caller(), fix="use 1, 2 or 'inf'")
    return _total([jnp.sum(jnp.abs(x) ** 2) for x in _leaves(tree)]) if squared else global_norm(tree)


def full_like(tree: Any, fill_value: Any, dtype: Any = None) -> Any:
    """A tree of one number."""
    return filled_like(tree, fill_value, dtype)


def zeros_like(tree: Any, dtype: Any = None) -> Any:
    """A tree of zeros."""
    return filled_like(tree, 0.0, dtype)


def ones_like(tree: Any, dtype: Any = None) -> Any:
    """A tree of ones."""
    return filled_like(tree, 1.0, dtype)


def cast(tree: Any, dtype: Any) -> Any:
    """A tree in another dtype; None: itself."""
    return tree if dtype is None else _mapped(lambda x: jnp.asarray(x).astype(dtype), tree)


def cast_like(tree_: Any, other_tree: Any) -> Any:
    """A tree in the dtypes of another."""
    return tree.map(lambda x, y: jnp.asarray(x).astype(jnp.asarray(y).dtype), tree_, other_tree)


def clip(tree: Any, min_value: Any = None, max_value: Any = None) -> Any:
    """Every element within [min_value, max_value]."""
    return _mapped(lambda x: jnp.clip(jnp.asarray(x), min_value, max_value), tree)


def conj(tree: Any) -> Any:
    """The complex conjugate."""
    return _mapped(jnp.conj, tree)


def real(tree: Any) -> Any:
    """The real part."""
    return _mapped(jnp.real, tree)


def where(condition: Any, tree_x: Any, tree_y: Any) -> Any:
    """The tree x where a 0-d bool holds, else y."""
    return choose(condition, tree_x, tree_y)


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements of two trees are near: a 0-d bool."""
    tests = [jnp.allclose(x, y, rtol, atol, equal_nan) for x, y in zip(_leaves(a), _leaves(b), strict=True)]
    return functools.reduce(operator.and_, tests) if tests else jnp.asarray(True)


def split_key_like(rng_key: Any, target_tree: Any) -> Any:
    """A tree of keys."""
    leaves, spec = tree.flatten(target_tree)
    keys = random.split(rng_key, len(leaves))
    return tree.unflatten(spec, [keys[i] for i in range(len(leaves))])


def random_like(rng_key: Any, target_tree: Any, sampler: Callable[..., Any] = random.normal, dtype: Any = None) -> Any:
    """A tree of `sampler(key, shape, dtype)`."""
    return tree.map(lambda k, x: sampler(k, jnp.shape(x), jnp.asarray(x).dtype if dtype is None else dtype),
                    split_key_like(rng_key, target_tree), target_tree)  # fmt: skip


def _walk(node: Any, path: tuple[Any, ...]) -> Any:
    """(path, name, value) of the fields of NamedTuples and the entries of dicts, outer ones first."""
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        entries = [(k, getattr(node, k)) for k in node._fields]
    elif isinstance(node, dict):
        entries = list(node.items())
    else:
        entries = []
        for i, x in enumerate(node if isinstance(node, list | tuple) else ()):
            yield from _walk(x, (*path, i))
    for k, x in entries:
        yield (*path, k), k, x
        yield from _walk(x, (*path, k))


def get_all_with_path(tree: Any, key: Any, filtering: Filter = None) -> list[tuple[Any, Any]]:
    """(path, value) of every field or entry with this name in a state; filtering(path, value): which count."""
    return [(p, x) for p, k, x in _walk(tree, ()) if k == key and (filtering is None or filtering(p, x))]


def get(tree: Any, key: Any, default: Any = None, filtering: Filter = None) -> Any:
    """The field or entry with this name, `default` if there is none. Raises ArgumentError if there are several.

    >>> import fgrad
    >>> state = fgrad.optim.adam(0.1).init([1.0])
    >>> int(fgrad.optim.tree.get(state, "count"))
    0
    """
    found = get_all_with_path(tree, key, filtering)
    if len(found) > 1:
        raise ArgumentError(f"{key!r} is found at {[p for p, _ in found]}", where=caller(), fix="use filtering=")
    return found[0][1] if found else default


def set(tree: Any, filtering: Filter = None, /, **values: Any) -> Any:  # noqa: A001  # optax's name
    """The state with the fields and entries of these names replaced. Raises ArgumentError for a name that is nowhere."""
    missing = [k for k in values if not get_all_with_path(tree, k, filtering)]
    if missing:
        raise ArgumentError(f"{missing} are nowhere in the tree", where=caller(), fix="use names of its fields")
    return _replaced(tree, (), filtering, values)


def _replaced(node: Any, path: tuple[Any, ...], filtering: Filter, values: dict[str, Any]) -> Any:
    def item(k: Any, x: Any) -> Any:
        if k in values and (filtering is None or filtering((*path, k), x)):
            return values[k]
        return _replaced(x, (*path, k), filtering, values)

    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*[item(k, getattr(node, k)) for k in node._fields])
    if isinstance(node, dict):
        return type(node)((k, item(k, x)) for k, x in node.items())
    if isinstance(node, list | tuple):
        return type(node)(_replaced(x, (*path, i), filtering, values) for i, x in enumerate(node))
    return node
