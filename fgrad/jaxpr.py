"""A recorded graph in the shape of JAX's jaxprs: equations over variables, printed in their notation.

The operations are fgrad's primitives; `graph` is what was recorded.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from fgrad import tree
from fgrad.eager.closures import enter_cells, wrap_results
from fgrad.eager.convert import FACES, as_cell
from fgrad.eager.shapes import ShapeDtypeStruct, record_on_types
from fgrad.ir.graph import Graph, Value, topological
from fgrad.ir.primitive import Primitive
from fgrad.ir.types import TensorType, Type
from fgrad.numpy import ndarray
from fgrad.transforms.inline import inline

__all__ = ["ClosedJaxpr", "JaxprEqn", "eval_jaxpr", "make_jaxpr"]
SHORT = {"float": "f", "int": "i", "uint": "u", "complex": "c", "bfloat": "bf"}
WIDTH = 100


class JaxprEqn(NamedTuple):
    """One operation: outvars = primitive[params](invars). The variables are the graph's values; a constant has `const`."""

    primitive: Primitive
    invars: tuple[Value, ...]
    outvars: tuple[Value, ...]
    params: dict[str, Any]


class ClosedJaxpr:
    """A graph as equations; its own `jaxpr`, as all it closes over is among its inputs or a constant.

    >>> import fgrad, fgrad.numpy as jnp
    >>> print(fgrad.make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0))
    { lambda ; a:f32[]. let b:f32[] = sin a; c:f32[] = mul b 2.0:f32[] in (c,) }
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.consts, self.constvars = graph, [], []  # type: ignore[var-annotated]  # JAX's names
        self.eqns = equations(graph)
        self.effects: set[Any] = set()

    @property
    def jaxpr(self) -> ClosedJaxpr:
        """Itself."""
        return self

    @property
    def invars(self) -> tuple[Value, ...]:
        """The inputs."""
        return self.graph.inputs

    @property
    def outvars(self) -> tuple[Value, ...]:
        """The outputs."""
        return self.graph.outputs

    @property
    def in_avals(self) -> list[Type]:
        """Types of the inputs."""
        return [v.type for v in self.graph.inputs]

    @property
    def out_avals(self) -> list[Type]:
        """Types of the outputs."""
        return [v.type for v in self.graph.outputs]

    def __str__(self) -> str:
        names = _Names()
        head = " ".join(f"{names[v]}:{aval(v.type)}" for v in self.invars)
        lines = [_line(e, names) for e in self.eqns]
        tail = f"({', '.join(names.operand(v) for v in self.outvars)}{',' if len(self.outvars) == 1 else ''})"
        whole = f"{{ lambda ; {head}. let {'; '.join(lines)} in {tail} }}"
        if len(whole) <= WIDTH and "\n" not in whole:
            return whole
        return "\n".join([f"{{ lambda ; {head}. let", *["    " + x.replace("\n", "\n    ") for x in lines], f"  in {tail} }}"])

    __repr__ = __str__


class _Names:
    """a, b, ... z, ba, ... for values in the order they are met."""

    def __init__(self) -> None:
        self.known: dict[Value, str] = {}

    def __getitem__(self, v: Value) -> str:
        if v not in self.known:
            n, name = len(self.known), ""
            while not name or n:
                n, k = divmod(n, 26)
                name = string.ascii_lowercase[k] + name
            self.known[v] = name
        return self.known[v]

    def operand(self, v: Value) -> str:
        """A name, or the literal of a constant."""
        if v.const is None:
            return self[v]
        return f"{v.const.item()}:{aval(v.type)}" if not v.shape else f"{np.array2string(v.const, threshold=8)}:{aval(v.type)}"


def aval(t: Type) -> str:
    """f32[2,3]."""
    if not isinstance(t, TensorType):
        return str(t)
    name = t.dtype.name
    word = name.rstrip(string.digits)
    return f"{SHORT.get(word, word)}{name[len(word) :]}[{','.join(map(str, t.shape))}]"


def equations(graph: Graph) -> list[JaxprEqn]:
    """The graph's operations in an order of use; those that read one of several results are part of the operation."""
    order = [v for v in topological(graph.outputs) if v.prim is not None]
    parts: dict[Value, dict[int, Value]] = {}
    for v in order:
        if v.prim is not None and v.prim.name == "item":
            parts.setdefault(v.operands[0], {})[v.params[0]] = v
    found = []
    for v in order:
        if v.prim is not None and v.prim.name != "item":
            outs = tuple(parts[v].values()) if v in parts else (v,)
            found.append(JaxprEqn(v.prim, v.operands, outs, v.named_params))
    return found


def _line(e: JaxprEqn, names: _Names) -> str:
    shown = {k: str(ClosedJaxpr(p)) if isinstance(p, Graph) else p for k, p in e.params.items()}
    params = " ".join(f"{k}={p}" for k, p in shown.items())
    operands = " ".join(names.operand(v) for v in e.invars)
    outs = " ".join(f"{names[v]}:{aval(v.type)}" for v in e.outvars)
    return f"{outs} = {e.primitive.name}{f'[{params}]' if params else ''} {operands}".rstrip()


def make_jaxpr(fun: Callable[..., Any], static_argnums: int | Sequence[int] = (), return_shape: bool = False) -> Callable[..., Any]:
    """A function that gives the ClosedJaxpr of `fun` for its arguments, of which only the types count.

    static_argnums: arguments passed as they are.  return_shape: (jaxpr, tree of ShapeDtypeStructs) instead.  Tensors that `fun` closes over are inputs after the arguments.
    """
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        static = {i % len(args): args[i % len(args)] for i in nums}

        def call(*dynamic: Any, **keywords: Any) -> Any:
            given = list(dynamic)
            for i in sorted(static):
                given.insert(i, static[i])
            return fun(*given, **keywords)

        r = record_on_types(call, tuple(a for i, a in enumerate(args) if i not in static), kwargs, getattr(fun, "__name__", "make_jaxpr"))
        jaxpr = ClosedJaxpr(Graph(r.graph.inputs, r.graph.outputs[: r.n_out]))
        if not return_shape:
            return jaxpr
        types = [v.type for v in jaxpr.outvars]
        return jaxpr, tree.unflatten(r.out_spec, [ShapeDtypeStruct(t.shape, t.dtype) for t in types if isinstance(t, TensorType)])

    return function


def eval_jaxpr(jaxpr: Any, consts: Sequence[Any], *args: Any) -> list[Any]:
    """The results of a jaxpr for these arguments, by position. consts: there are none.

    >>> import fgrad, fgrad.numpy as jnp
    >>> eval_jaxpr(fgrad.make_jaxpr(lambda x: jnp.sqrt(x) + 1)(1.0).jaxpr, [], 4.0)
    [Array(3., dtype=float32)]
    """
    cells = [as_cell(x, ndarray) for x in (*consts, *args)]
    values = inline(jaxpr.graph, enter_cells(cells))
    return wrap_results(values, [None] * len(values), cells or [as_cell(0.0, FACES["array"])])
