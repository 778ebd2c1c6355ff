"""Pytrees: optree's registry under JAX's names, with a flattener written out for each structure met on a hot path.

Imports `errors` only. Nodes are dict (keys sorted), list, tuple, NamedTuple, OrderedDict, defaultdict, deque, None
(an empty node) and registered classes; everything else is a leaf.  JAX's trees have sorted dicts, which `unflatten` and
`map` build; PyTorch's keep the order of insertion, which `restore` and `flatten_ordered` do.
"""

from __future__ import annotations

import atexit
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fgrad.errors import TreeError, Where, need

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "SequenceKey", "all", "broadcast", "flatten", "flatten_ordered",
    "flatten_with_path", "keystr", "leaves", "leaves_with_path", "map", "map_with_path", "reduce",
    "reduce_associative", "register", "restore", "static", "structure", "transpose", "unflatten",
]  # fmt: skip

Structure = Any  # optree.PyTreeSpec, or None for a bare leaf on hot paths
_NAMESPACE = "fgrad"
_ORDERED = "fgrad.ordered"  # the same classes, dicts in order of insertion
_all = all
_map = map


_PENDING: list[Callable[[Any], None]] = []


def _optree() -> Any:
    """optree, with the classes registered so far."""
    optree = need("optree")
    while _PENDING:
        _PENDING.pop()(optree)
    return optree


def _order(optree: Any) -> None:
    """Lets dicts of _ORDERED keep their order, until Python ends."""
    switch = optree.dict_insertion_ordered(True, namespace=_ORDERED)
    switch.__enter__()
    atexit.register(switch.__exit__, None, None, None)


_PENDING.append(_order)


def _user() -> Where | None:
    """The innermost frame outside fgrad, for a message."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("fgrad."):
        frame = frame.f_back  # type: ignore[assignment]  # ends as None
    return None if frame is None else (frame.f_code, frame.f_lasti)


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Structure]:
    """`(leaves, structure)` of `tree`; `is_leaf(node)` stops the walk early."""
    found, spec = _optree().tree_flatten(tree, is_leaf, namespace=_NAMESPACE)
    return found, spec


def leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of `tree`, left to right."""
    return list(_optree().tree_leaves(tree, is_leaf, namespace=_NAMESPACE))


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Structure:
    """The structure of `tree` without its leaves: hashable, equal for equal shapes of trees."""
    return _optree().tree_structure(tree, is_leaf, namespace=_NAMESPACE)


def flatten_ordered(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Structure]:
    """As `flatten` with dicts in order of insertion: structures are equal only for dicts of one order."""
    found, spec = _optree().tree_flatten(tree, is_leaf, namespace=_ORDERED)
    return found, spec


def unflatten(treedef: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of structure `treedef` with these leaves; keys of dicts are sorted."""
    return _sorted(treedef).unflatten(leaves)


def restore(treedef: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of structure `treedef` with these leaves; dicts have their keys in the order in which `flatten` found them."""
    return _optree().tree_unflatten(treedef, leaves)


def _sorted(spec: Structure) -> Structure:
    """A structure whose dicts remember no order of insertion."""
    return spec if spec.is_leaf() else spec.transform(_sorted_node)


def _sorted_node(node: Structure) -> Structure:
    """A structure of one level, sorted."""
    if node.type is not dict and node.type is not defaultdict:
        return node
    optree = _optree()
    leaf = optree.treespec_leaf(namespace=_NAMESPACE)
    keys = dict.fromkeys(node.entries(), leaf)
    if node.type is dict:
        return optree.treespec_dict(keys, namespace=_NAMESPACE)
    factory = node.unflatten(keys).default_factory
    return optree.treespec_defaultdict(factory, keys, namespace=_NAMESPACE)


def map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:  # noqa: A001
    """`f(leaf, *leaves_of_rest)` over trees whose structure starts with that of `tree`.

    >>> map(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
    {'a': 11, 'b': (22, 33)}
    """
    flat, spec = flatten(tree, is_leaf)
    try:
        others = [spec.flatten_up_to(t) for t in rest]
    except ValueError as e:
        found = " and ".join(str(structure(t, is_leaf)) for t in (tree, *rest))
        raise TreeError(
            f"tree.map: the trees differ in structure: {found}", where=_user(), fix="give trees of one structure"
        ) from e
    return unflatten(spec, _map(f, flat, *others))


_ABSENT: Any = object()


def reduce(
    function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _ABSENT, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """`function` folded over the leaves, from `initializer` if given."""
    found = leaves(tree, is_leaf)
    if initializer is _ABSENT and not found:
        raise TypeError("tree.reduce of an empty tree with no initial value")
    total = found.pop(0) if initializer is _ABSENT else initializer
    for x in found:
        total = function(total, x)
    return total


def reduce_associative(
    operation: Callable[[Any, Any], Any], tree: Any, *, identity: Any = _ABSENT, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """The leaves combined by an associative operation in logarithmic depth; `identity` is the value of an empty tree.

    >>> reduce_associative(lambda a, b: a + b, [1, (2, 3), [4, 5, 6]])
    21
    """
    found = leaves(tree, is_leaf)
    if not found and identity is _ABSENT:
        raise TypeError("tree.reduce_associative of an empty tree with no identity")
    while len(found) > 1:
        found = [operation(*found[i : i + 2]) if i + 1 < len(found) else found[i] for i in range(0, len(found), 2)]
    return found[0] if found else identity


def static(**options: Any) -> Any:
    """dataclasses.field(**options) of a dataclass for tree_util.register_dataclass: part of the structure, no child."""
    return field(**{**options, "metadata": {**(options.get("metadata") or {}), "static": True}})


def all(tree: Any, *, is_leaf: Callable[[Any], bool] | None = None) -> bool:  # noqa: A001
    """True if every leaf is truthy."""
    return _all(leaves(tree, is_leaf))


def broadcast(prefix_tree: Any, full_tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The structure of `full_tree`, each leaf the one of `prefix_tree` above it.

    >>> broadcast([1, 2], [(0, 0), 0])
    [(1, 1), 2]
    """
    try:
        made = _optree().tree_broadcast_prefix(prefix_tree, full_tree, is_leaf, namespace=_NAMESPACE)
    except ValueError as e:
        raise TreeError(
            f"tree.broadcast: {structure(prefix_tree)} is no prefix of {structure(full_tree)}", where=_user(), fix="give a prefix"
        ) from e
    return map(lambda x: x, made, is_leaf=is_leaf)


def transpose(outer_treedef: Structure, inner_treedef: Structure | None, pytree_to_transpose: Any) -> Any:
    """A tree of structure `outer_treedef` of `inner_treedef` trees turned into inner of outer; None: inner is what is there."""
    if inner_treedef is None:
        inner_treedef = structure(outer_treedef.flatten_up_to(pytree_to_transpose)[0])
    return _optree().tree_transpose(_sorted(outer_treedef), _sorted(inner_treedef), pytree_to_transpose)


# paths ---------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SequenceKey:
    """A step into a list, tuple or deque; `str` writes it as `[idx]`."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


@dataclass(frozen=True)
class DictKey:
    """A step into a dict; `str` writes it as `['key']`."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"


@dataclass(frozen=True)
class GetAttrKey:
    """A step to a field of a NamedTuple or of an object; `str` writes it as `.name`."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


@dataclass(frozen=True)
class FlattenedIndexKey:
    """A step to a child of a registered class; `str` writes it as `[<flat index key>]`."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


Path = tuple[Any, ...]


def _key(entry: Any) -> Any:
    """One entry of optree's as a key."""
    if hasattr(entry, "field"):
        return GetAttrKey(entry.field)
    if hasattr(entry, "index"):
        return SequenceKey(entry.index)
    if hasattr(entry, "key"):
        return DictKey(entry.key)
    return GetAttrKey(entry.entry) if isinstance(entry.entry, str) else FlattenedIndexKey(entry.entry)


def keystr(keys: Path, *, simple: bool = False, separator: str = "") -> str:
    """A path as text: `['a'][0].x`; simple: the bare names, `a/0/x` with separator "/".

    >>> keystr(leaves_with_path({"a": [1]})[0][0])
    "['a'][0]"
    """
    return separator.join([str(next(iter(vars(k).values()))) if simple else str(k) for k in keys])


def flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[Path, Any]], Structure]:
    """`([(path, leaf), ...], structure)`; a path is a tuple of the keys above, as JAX's."""
    accessors, found, spec = _optree().tree_flatten_with_accessor(tree, is_leaf, namespace=_NAMESPACE)
    return [(tuple([_key(e) for e in a]), x) for a, x in zip(accessors, found, strict=True)], spec


def leaves_with_path(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[tuple[Path, Any]]:
    """`[(path, leaf), ...]`, left to right.

    >>> leaves_with_path({"a": [1]})
    [((DictKey(key='a'), SequenceKey(idx=0)), 1)]
    """
    return flatten_with_path(tree, is_leaf)[0]


def map_with_path(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """As `map`, with the path first: `f(path, leaf, *leaves_of_rest)`."""
    paths = iter([path for path, _ in flatten_with_path(tree, is_leaf)[0]])
    return map(lambda *xs: f(next(paths), *xs), tree, *rest, is_leaf=is_leaf)


def register(
    cls: type, flatten_node: Callable[[Any], tuple[Any, ...]], unflatten_node: Callable[[Any, Any], Any]
) -> None:
    """Makes a class a node: `flatten_node(x) -> (children, aux)`, `unflatten_node(aux, children) -> x`.

    flatten_node may return a third thing, the children's names, for paths.

    Takes effect when a tree is next looked at, so that registering imports nothing.
    """

    def enter(optree: Any) -> None:
        for namespace in (_NAMESPACE, _ORDERED):
            optree.register_pytree_node(cls, lambda x: (*flatten_node(x), None)[:3], unflatten_node, namespace=namespace)

    _PENDING.append(enter)


def broadcast_prefix(prefix: Any, tree: Any, what: str) -> list[Any]:
    """The leaf of `prefix` above each leaf of `tree`; None is a leaf of `prefix` here (`in_axes`)."""
    optree = _optree()
    try:
        found: list[Any] = optree.broadcast_prefix(
            optree.tree_map(lambda x: (x,), prefix, none_is_leaf=True, namespace=_NAMESPACE),
            tree,
            is_leaf=lambda x: isinstance(x, tuple) and len(x) == 1 and not isinstance(x[0], tuple | dict | list),
            namespace=_NAMESPACE,
        )
    except ValueError as e:
        raise TreeError(
            f"{what}={prefix} does not fit the tree it is for, {structure(tree)}", where=_user(),
            fix=f"make {what} a prefix of that tree",
        ) from e  # fmt: skip
    return [x[0] for x in found]


# hot paths: code written for one structure ---------------------------------------------------------------------------
_PLAIN = {dict, list, tuple}


def _write(spec: Any, path: str, found: list[str], checks: list[str]) -> bool:
    """Appends leaf expressions and checks of `spec` at `path`; False if a node is not a plain container."""
    if spec.is_leaf():
        found.append(path)
        return True
    if spec.type is type(None):
        checks.append(f"{path} is None")
        return True
    if spec.type not in _PLAIN:
        return False
    keys = spec.entries()
    checks.append(f"{path}.__class__ is {spec.type.__name__} and len({path}) == {len(keys)}")
    if not _all(isinstance(k, str | int) for k in keys):
        return False
    return _all(_write(s, f"{path}[{k!r}]", found, checks) for k, s in zip(keys, spec.children(), strict=True))


def flattener(spec: Structure) -> Callable[[Any], Sequence[Any] | None]:
    """`flatten(tree) -> leaves`, or None if the tree has another structure than `spec`."""
    found: list[str] = []
    checks: list[str] = []
    if not _write(spec, "t", found, checks):

        def general(tree: Any) -> Sequence[Any] | None:
            flat, other = flatten(tree)
            return flat if other == spec else None

        return general
    source = (
        "def flatten(t):\n    try:\n"
        f"        if {' and '.join(checks) or 'True'}:\n"
        f"            return ({''.join(x + ', ' for x in found)})\n"
        "    except KeyError:\n        pass\n"
    )
    scope: dict[str, Any] = {}
    exec(source, scope)
    result: Callable[[Any], Sequence[Any] | None] = scope["flatten"]
    return result


def _build(spec: Any, leaf: Callable[[], str]) -> str | None:
    """An expression that builds `spec`, or None if a node is not a plain container."""
    if spec.is_leaf():
        return leaf()
    if spec.type is type(None):
        return "None"
    if spec.type not in _PLAIN:
        return None
    parts = [_build(s, leaf) for s in spec.children()]
    if any(p is None for p in parts):
        return None
    if spec.type is dict:
        return "{" + ", ".join(f"{k!r}: {p}" for k, p in zip(spec.entries(), parts, strict=True)) + "}"
    inside = ", ".join(_map(str, parts))
    return f"[{inside}]" if spec.type is list else f"({inside}{',' if len(parts) == 1 else ''})"


def unflattener(spec: Structure) -> Callable[[Sequence[Any]], Any]:
    """`build(leaves) -> tree` of structure `spec`."""
    count = iter(range(spec.num_leaves))
    plain = _build(spec, lambda: f"x[{next(count)}]")
    if plain is None or not _simple_keys(spec):
        return lambda found: unflatten(spec, found)
    result: Callable[[Sequence[Any]], Any] = eval(f"lambda x: {plain}")
    return result


def _simple_keys(spec: Any) -> bool:
    if spec.is_leaf() or spec.type is type(None):
        return True
    return _all(isinstance(k, str | int) for k in spec.entries()) and _all(_simple_keys(s) for s in spec.children())
