"""Pytrees under the names of jax.tree_util, and the ways to make classes nodes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fgrad import tree
from fgrad.tree import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey, keystr

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "KeyEntry", "KeyPath", "Partial", "PyTreeDef", "SequenceKey", "all_leaves", "keystr", "register_dataclass",
    "register_pytree_node", "register_pytree_node_class", "register_pytree_with_keys", "register_pytree_with_keys_class",
    "register_static", "tree_all", "tree_broadcast", "tree_flatten", "tree_flatten_with_path", "tree_leaves", "tree_leaves_with_path",
    "tree_map", "tree_map_with_path", "tree_reduce", "tree_reduce_associative", "tree_structure", "tree_transpose", "tree_unflatten",
    "treedef_children", "treedef_is_leaf", "treedef_tuple",
]  # fmt: skip

tree_all, tree_broadcast, tree_flatten, tree_leaves = tree.all, tree.broadcast, tree.flatten, tree.leaves
tree_flatten_with_path, tree_leaves_with_path, tree_map_with_path = tree.flatten_with_path, tree.leaves_with_path, tree.map_with_path
KeyEntry = DictKey | FlattenedIndexKey | GetAttrKey | SequenceKey
KeyPath = tuple[KeyEntry, ...]
PyTreeDef = tree.Structure
tree_reduce_associative = tree.reduce_associative
tree_map, tree_reduce, tree_structure, tree_transpose, tree_unflatten = tree.map, tree.reduce, tree.structure, tree.transpose, tree.unflatten


def all_leaves(iterable: Iterable[Any], is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether every item is a leaf."""
    items = list(iterable)
    return len(found := tree.leaves(items, is_leaf)) == len(items) and all(a is b for a, b in zip(found, items, strict=True))


def treedef_is_leaf(treedef: Any) -> bool:
    """Whether a structure is that of one leaf."""
    return bool(treedef == tree.structure(0))


def treedef_children(treedef: Any) -> list[Any]:
    """The structures of the children."""
    return list(treedef.children())


def treedef_tuple(treedefs: Iterable[Any]) -> Any:
    """The structure of a tuple of such trees.

    >>> treedef_tuple([tree_structure(1), tree_structure([2, 3])]) == tree_structure((1, [2, 3]))
    True
    """
    return tree.structure(tuple(treedef.unflatten([0] * treedef.num_leaves) for treedef in treedefs))


def register_pytree_node(nodetype: type, flatten_func: Callable[[Any], Any], unflatten_func: Callable[[Any, Any], Any],
                         flatten_with_keys_func: Callable[[Any], Any] | None = None) -> None:  # fmt: skip
    """Makes a class a node: flatten_func(x) -> (children, aux), unflatten_func(aux, children) -> x.

    flatten_with_keys_func(x) -> ((key, child) pairs, aux): names of the children, for paths.

    >>> import fgrad
    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> register_pytree_node(Pair, lambda p: ((p.a, p.b), None), lambda aux, children: Pair(*children))
    >>> tree_leaves(tree_map(lambda x: x + 1, Pair(1, 2)))
    [2, 3]
    """
    if flatten_with_keys_func is None:
        tree.register(nodetype, lambda x: tuple(flatten_func(x))[:2], unflatten_func)
    else:
        tree.register(nodetype, functools.partial(_with_keys, flatten_with_keys_func), unflatten_func)


def _with_keys(flatten: Callable[[Any], Any], x: Any) -> tuple[Any, ...]:
    pairs, aux = flatten(x)
    pairs = list(pairs)
    return tuple(child for _, child in pairs), aux, tuple(_plain(key) for key, _ in pairs)


def _plain(key: Any) -> Any:
    """What a path's entry names."""
    return next((getattr(key, k) for k in ("name", "key", "idx") if hasattr(key, k)), key)


def register_pytree_with_keys(nodetype: type, flatten_with_keys: Callable[[Any], Any], unflatten_func: Callable[[Any, Any], Any],
                              flatten_func: Callable[[Any], Any] | None = None) -> None:  # fmt: skip
    """As register_pytree_node, by flatten_with_keys(x) -> ((key, child) pairs, aux)."""
    register_pytree_node(nodetype, flatten_func or (lambda x: x), unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: type) -> type:
    """Decorator: a class with `tree_flatten()` and the class method `tree_unflatten(aux, children)` becomes a node."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Decorator: a class with `tree_flatten_with_keys()` and the class method `tree_unflatten(aux, children)` becomes a node."""
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_dataclass(nodetype: Any = None, data_fields: Sequence[str] | None = None, meta_fields: Sequence[str] | None = None,
                       drop_fields: Sequence[str] = ()) -> Any:  # fmt: skip
    """Makes a dataclass a node: data_fields are children, meta_fields (hashable) part of the structure, drop_fields forgotten.

    Without lists: all fields are children, but those made by `dataclasses.field(metadata={"static": True})`. Also a decorator.
    """
    if nodetype is None:
        return functools.partial(register_dataclass, data_fields=data_fields, meta_fields=meta_fields, drop_fields=drop_fields)
    if data_fields is None or meta_fields is None:
        fields = [f for f in dataclasses.fields(nodetype) if f.init and f.name not in drop_fields]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False)]
        data_fields = [f.name for f in fields if f.name not in meta_fields]
    data, meta = tuple(data_fields), tuple(meta_fields)

    def flatten(x: Any) -> tuple[Any, ...]:
        return tuple(getattr(x, k) for k in data), tuple(getattr(x, k) for k in meta), data

    def unflatten(aux: Any, children: Any) -> Any:
        return nodetype(**dict(zip(data, children, strict=True)), **dict(zip(meta, aux, strict=True)))

    tree.register(nodetype, flatten, unflatten)
    return nodetype


def register_static(cls: type) -> type:
    """Decorator: objects of a (hashable) class are part of a tree's structure, nodes without children."""
    tree.register(cls, lambda x: ((), x), lambda aux, children: aux)
    return cls


class Partial(functools.partial[Any]):
    """functools.partial as a node: its arguments are children, the function part of the structure.

    >>> import fgrad, fgrad.numpy as jnp
    >>> f = Partial(jnp.add, jnp.array(1.0))
    >>> float(fgrad.jit(lambda g, x: g(x))(f, 2.0))
    3.0
    """


tree.register(Partial, lambda p: ((p.args, p.keywords), p.func), lambda func, parts: Partial(func, *parts[0], **parts[1]))
