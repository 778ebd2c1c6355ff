"""The graph of an ONNX file as a GraphDef. onnx is imported when first needed."""

from __future__ import annotations

from typing import Any

from fgrad.errors import need
from fgrad.utils.tensorboard.protos import proto, shape_of


def load_onnx_graph(fname: Any) -> Any:
    """The GraphDef of an ONNX file: a path or an open binary file. MissingError without onnx (pip install fgrad[onnx])."""
    return as_graph_def(need("onnx", "onnx").load(fname).graph)


def as_graph_def(graph: Any) -> Any:
    """Inputs and outputs as variables with ONNX's number of their dtype and their shape, then the operations, named after their first output."""
    nodes = [*map(_variable, [*graph.input, *graph.output]), *map(_operation, graph.node)]
    return proto("graph").GraphDef(node=nodes, versions=proto("versions").VersionDef(producer=22))


def _variable(value: Any) -> Any:
    kind, t = proto("attr_value").AttrValue, value.type.tensor_type
    attr = {"dtype": kind(type=t.elem_type), "shape": kind(shape=shape_of(d.dim_value for d in t.shape.dim))}
    return proto("node_def").NodeDef(name=value.name, op="Variable", attr=attr)


def _operation(node: Any) -> Any:
    words = ", ".join(" = ".join(str(value) for _, value in a.ListFields()) for a in node.attribute)
    attr = {"parameters": proto("attr_value").AttrValue(s=words.encode())}
    return proto("node_def").NodeDef(name=node.output[0], op=node.op_type, input=list(node.input), attr=attr)
