"""A model's graph for TensorBoard: the IR of its forward as a GraphDef."""

from __future__ import annotations

from typing import Any

from fgrad.eager.shapes import make_graph
from fgrad.ir.graph import Graph, Value
from fgrad.nn.pytree import functional_call
from fgrad.tree import leaves
from fgrad.utils.tensorboard.protos import proto, shape_of


def graph_def(model: Any, inputs: Any) -> Any:
    """The recorded forward of a Module (or a function) on inputs: a node for each operation, parameter, buffer and input.

    Nodes are named after the operation and its number in the graph's text, parameters after their place in the model.
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    if hasattr(model, "named_parameters"):
        params = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        graph = make_graph(lambda p, *xs: functional_call(model, p, xs))(params, *args)
        names = sorted(params)
    else:
        graph, names = make_graph(model)(*args), []
    return as_graph_def(graph, names, len(leaves(args)))


def as_graph_def(graph: Graph, parameters: list[str], inputs: int) -> Any:
    """A GraphDef: first the parameters of these names, then that many inputs, tensors closed over, operations, outputs."""
    known: dict[Value, str] = {}
    nodes = []
    for i, v in enumerate(graph.inputs):
        at = i - len(parameters)
        known[v] = (f"parameters/{parameters[i].replace('.', '/')}" if at < 0 else f"input/{at}" if at < inputs
                    else f"captured/{at - inputs}")  # fmt: skip
        nodes.append(node(known[v], "Parameter" if at < 0 else "IO Node" if at < inputs else "Captured", (), v))
    for n, v in enumerate(graph.values(), len(graph.inputs)):
        prim = v.prim
        if prim is None:
            continue
        for x in v.operands:
            if x not in known:
                known[x] = f"constant/{len(known)}"
                nodes.append(node(known[x], "Const", (), x))
        known[v] = f"{prim.name}_{n}"
        nodes.append(node(known[v], prim.name, [known[x] for x in v.operands], v))
    for i, v in enumerate(graph.outputs):
        nodes.append(node(f"output/{i}", "IO Node", [known[v]] if v in known else (), v))
    versions = proto("versions").VersionDef(producer=22)
    return proto("graph").GraphDef(node=nodes, versions=versions)


def node(name: str, op: str, inputs: Any, v: Value) -> Any:
    """One node, with its parameters as text and its shape."""
    kind = proto("attr_value").AttrValue
    attr = {}
    if v.named_params:
        attr["attr"] = kind(s=", ".join(f"{k}={x!r}" for k, x in v.named_params.items())[:1000].encode())
    if hasattr(v.type, "shape"):
        attr["_output_shapes"] = kind(list=kind.ListValue(shape=[shape_of(v.type.shape)]))
    return proto("node_def").NodeDef(name=name, op=op, input=list(inputs), attr=attr)


def run_metadata() -> Any:
    """The statistics that go with a graph: none."""
    return proto("config").RunMetadata()
