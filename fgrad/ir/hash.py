"""The canonical structural hash of a graph: names and source lines ignored, the same in every process."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from fgrad.errors import IRError
from fgrad.ir.callables import name_of
from fgrad.ir.graph import Graph, Value
from fgrad.ir.types import Device, TensorType, TokenType, TupleType

_DIGESTS: WeakKeyDictionary[Graph, str] = WeakKeyDictionary()
_FIRST: WeakValueDictionary[str, Graph] = WeakValueDictionary()


def encode(p: Any) -> bytes:
    """One parameter as bytes that no parameter of another type or value has; floats by their bits.

    Raises IRError for a kind of object that no graph may carry.
    """
    kind = type(p)
    if kind is tuple:
        return b"(%d" % len(p) + b"".join([encode(x) for x in p]) + b")"
    if kind is int:
        return b"i%d;" % p
    if p is None or kind is bool:
        return b"N" if p is None else b"T" if p else b"F"
    if kind is str:
        return b"s%d;%s" % (len(p.encode()), p.encode())
    if kind is float:
        return b"f" + struct.pack("<d", p)
    if kind is complex:
        return b"c" + struct.pack("<dd", p.real, p.imag)
    return _encode_object(p)


def _encode_object(p: Any) -> bytes:
    if isinstance(p, Graph):
        return b"g" + canonical_hash(p).encode()
    if isinstance(p, np.dtype):
        return f"d{p.name};".encode()
    if isinstance(p, Device):
        return b"@" + str(p).encode() + b";"
    if isinstance(p, TensorType | TupleType | TokenType):
        return b"t" + str(p).encode() + b";"
    if callable(p) and not isinstance(p, type):
        return b"p" + name_of(p).encode() + b";"
    raise IRError(
        f"{p!r} ({type(p).__name__}) cannot be a parameter", fix="use numbers, strings, tuples, dtypes or graphs"
    )


def canonical_hash(graph: Graph) -> str:
    """128 bits in hex, equal for graphs that `format_graph` prints alike, types of values that are computed apart.

    Sharing counts: a value computed twice is not a value used twice. `needs` and `where` do not count. A Python
    function in a parameter counts by its name, which is unique in one process only.
    """
    found = _DIGESTS.get(graph)
    if found is None:
        found = _DIGESTS[graph] = _digest(graph)
    return found


def _digest(graph: Graph) -> str:
    numbers: dict[Value, int] = {}
    constants: dict[bytes, int] = {}
    chunks: list[bytes] = []

    def number(v: Value) -> int:
        n = numbers.get(v)
        if n is None and v.const is not None:
            data = np.asarray(v.const)
            key = b"k" + str(v.type).encode() + b";" + data.tobytes()
            n = constants.get(key)
            if n is None:
                n = constants[key] = len(graph.inputs) + len(chunks)
                chunks.append(blake2b(key, digest_size=16).digest())
            numbers[v] = n
        if n is None:
            raise IRError(
                f"{v!r} is not an input of the graph", where=v.where, fix="list every leaf in Graph(inputs, ...)"
            )
        return n

    for v in graph.inputs:
        numbers.setdefault(v, len(numbers))
    head = ";".join([str(v.type) for v in graph.inputs]).encode()
    for v in graph.values():
        at = [number(x) for x in v.operands]
        numbers[v] = len(graph.inputs) + len(chunks)
        chunks.append(b"%s%r" % (v.prim.name.encode(), at) + encode(v.params))  # type: ignore[union-attr]  # computed
    tail = repr([number(v) for v in graph.outputs]).encode()
    parts = [head, *chunks, tail]
    return blake2b(b"".join([b"%d:%s" % (len(c), c) for c in parts]), digest_size=16).hexdigest()


def same(a: Graph, b: Graph) -> bool:
    """True if both graphs are the same program, by their hashes."""
    return a is b or canonical_hash(a) == canonical_hash(b)


def intern(graph: Graph) -> Graph:
    """The first living graph with this hash: equal regions are one object, so nodes that hold them can be shared."""
    return _FIRST.setdefault(canonical_hash(graph), graph)
