"""JSON, hash, regions, DOT and networkx forms of graphs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_ir_text import F32, SAMPLES, g_of, random_graph, sample_holder, small

import fgrad.primitives.arithmetic
import fgrad.primitives.shape
import fgrad.primitives.structure  # noqa: F401
from fgrad.errors import IRError
from fgrad.ir.apply import constant
from fgrad.ir.dot import to_dot, to_networkx
from fgrad.ir.dtypes import dtype_of
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.hash import canonical_hash, intern, same
from fgrad.ir.json import from_json
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.regions import map_regions, subgraphs
from fgrad.ir.types import TensorType


@pytest.fixture(autouse=True)
def _samples(monkeypatch):
    for n, prim in SAMPLES.items():
        monkeypatch.setitem(REGISTRY, n, prim)


GOOD = '{"fgrad_ir": 1, "inputs": ["float32[2]"], "constants": %s, "nodes": [%s], "outputs": [%s]}'
NEG = '{"op": "neg", "operands": [0]%s}'
HOLD = '{"op": "sample_holder", "operands": [0], "type": "float32[2]", "params": {"a": %s, "b": 1}}'
BAD_JSON = [  # text, what the error points at, message
    ("{", None, "line 1, column 2: not JSON: Expecting property name enclosed in double quotes"),
    ("", None, "line 1, column 1: not JSON: Expecting value"),
    (GOOD % ("[]", "", "0") + " 1", None, "line 1, column 89: not JSON: Extra data"),
    ("[" * 100_000, None, "line 1, column 1 ($): expected what to_json writes: "),
    ('{"fgrad_ir": %s}' % ("9" * 5000), None, "line 1, column 1 ($): expected what to_json writes: "),
    ("[]", "[]", "($.fgrad_ir): expected version 1, found None"),
    ("null", "null", "($.fgrad_ir): expected version 1, found None"),
    ('{"fgrad_ir": 2}', "2", "($.fgrad_ir): expected version 1, found 2"),
    ('{"fgrad_ir": "1"}', '"1"', "($.fgrad_ir): expected version 1, found '1'"),
    ('{"fgrad_ir": true}', "true", "($.fgrad_ir): expected version 1, found True"),
    ('{"fgrad_ir": 1.0}', "1.0", "($.fgrad_ir): expected version 1, found 1.0"),
    ('{\n  "fgrad_ir": 1\n}', "{", "($.inputs): expected a list"),
    ('{"fgrad_ir": 1, "inputs": {}}', "{}", "($.inputs): expected a list"),
    ('{"fgrad_ir": 1, "inputs": [3]}', "3", "($.inputs[0]): expected a type such as float32[2,3]"),
    ('{"fgrad_ir": 1, "inputs": ["f4"]}', '"f4"', "($.inputs[0]): line 1, column 1: expected a type such as float32[2,3], found f4"),
    ('{"fgrad_ir": 1, "inputs": []}', "{", "($.constants): expected a list"),
    ('{"fgrad_ir": 1, "inputs": [], "constants": []}', "{", "($.nodes): expected a list"),
    ('{"fgrad_ir": 1, "inputs": [], "constants": [], "nodes": []}', "{", "($.outputs): expected a list"),
    (GOOD % ("[]", "", "1"), "1]}", "($.outputs[0]): expected a value below 1, found 1"),
    (GOOD % ("[]", "", "-1"), "-1]}", "($.outputs[0]): expected a value below 1, found -1"),
    (GOOD % ("[]", "", "0, true"), "true", "($.outputs[1]): expected a value below 1, found True"),
    (GOOD % ("[7]", "", "0"), "7", "($.constants[0].type): expected a str"),
    (GOOD % ('[{"type": "int8[]"}]', "", "0"), '{"type"', "($.constants[0].data): expected a constant of int8[]: 'data'"),
    (GOOD % ('[{"type": "int8[]", "data": "999"}]', "", "0"), '"999"', "($.constants[0].data): expected a constant of int8[]: 999 is no int8"),
    (GOOD % ('[{"type": "int8[]", "data": 1}]', "", "0"), "1}", "($.constants[0].data): expected a constant of int8[]: "),
    (GOOD % ('[{"type": "int8[3]", "data": "AA=="}]', "", "0"), '"AA=="', "($.constants[0].data): expected a constant of int8[3]: "),
    (GOOD % ('[{"type": "int8[3]", "data": "A!"}]', "", "0"), '"A!"', "($.constants[0].data): expected a constant of int8[3]: "),
    (GOOD % ('[{"type": "token", "data": "9"}]', "", "0"), '"token"', "($.constants[0].type): expected a tensor type"),
    (GOOD % ("[]", "[]", "0"), "[]]", "($.nodes[0].op): expected a str"),
    (GOOD % ("[]", '{"op": "nag", "operands": []}', "0"), '"nag"', "($.nodes[0].op): expected the name of a primitive, found 'nag'"),
    (GOOD % ("[]", '{"op": "neg", "operands": [3]}', "0"), "3]", "($.nodes[0].operands[0]): expected a value below 1, found 3"),
    (GOOD % ("[]", '{"op": "neg", "operands": 0}', "0"), "0}", "($.nodes[0].operands): expected a list"),
    (GOOD % ("[]", NEG % ', "params": {"a": 1}', "0"), '{"a"', "($.nodes[0].params): expected none"),
    (GOOD % ("[]", NEG % ', "type": "f"', "0"), '"f"', "($.nodes[0].type): line 1, column 1: expected a type"),
    (GOOD % ("[]", NEG % "", "0"), '{"op"', "($.nodes[0].type): expected a type such as float32[2,3]"),
    (GOOD % ("[]", NEG % ', "type": "int8[]"', "0"), '"int8[]"', "($.nodes[0].type): expected float32[2] (inferred), found int8[]"),
    (
        GOOD % ("[]", '{"op": "neg", "operands": [], "type": "float32[2]"}', "0"), '{"op"',
        "($.nodes[0]): expected operands that neg accepts (",
    ),
    (
        GOOD % ("[]", '{"op": "reshape", "operands": [0], "type": "float32[2]", "params": {"shape": "t"}}', "0"), '{"op"',
        "($.nodes[0]): expected operands that reshape accepts (",
    ),
    (GOOD % ("[]", HOLD % '[1, {"x": 2}]', "0"), '{"x"', '($.nodes[0].params.a[1]): expected a parameter, found {"x": 2}'),
    (GOOD % ("[]", HOLD % '{"text": "?"}', "0"), '{"text"', "($.nodes[0].params.a): line 1, column 1: expected a token of the text form"),
    (GOOD % ("[]", HOLD % '{"float": "1_0"}', "0"), '{"float"', "($.nodes[0].params.a): 1_0 is no float64"),
    (GOOD % ("[]", HOLD % '{"graph": {"inputs": 1}}', "0"), "1}}, ", "($.nodes[0].params.a.graph.inputs): expected a list"),
    (GOOD % ("[]", HOLD % '{"graph": 5}', "0"), "5}", "($.nodes[0].params.a.graph.inputs): expected a list"),
    (GOOD % ("[]", HOLD % '{"text": "%s"}' % ("(" * 100_000), "0"), '{"text"', "($.nodes[0].params.a): line 1, column "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "message"), BAD_JSON, ids=[str(i) for i in range(len(BAD_JSON))])
@pytest.mark.parametrize("indent", [False, True])
def test_malformed_json_says_where_and_what(text, at, message, indent):
    if at is not None and indent:
        text, at = "\n" + text.replace(", ", ",\n  "), at.replace(", ", ",\n  ")
    with pytest.raises(IRError) as e:
        from_json(text)
    found = str(e.value).splitlines()[0]
    if at is not None:
        before = text[: text.rindex(at) if at != "{" else text.index(at)]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"line {line}, column {column} {message}"
    assert found.startswith(message)


def test_hash_ignores_names_where_and_needs():
    a, b = leaf(F32, slot=3), leaf(F32, needs=True)
    x = a * 2.0 + a
    y = b * 2.0 + b
    assert x.where != y.where
    assert same(Graph((a,), (x,)), Graph((b,), (y,)))
    assert not same(Graph((a,), (x,)), Graph((b,), (y, y)))
    assert not same(Graph((a,), (a - 2.0,)), Graph((b,), (b * 2.0,)))
    c, d = leaf(F32), leaf(F32)
    assert not same(Graph((c, d), (c - d,)), Graph((c, d), (d - c,)))


def test_hash_counts_constants_by_content():
    def g(a):
        x = leaf(F32)
        return Graph((x,), (x + constant(np.array(a)) if np.shape(a) else x + constant(a),))

    one, zero = np.ones((2, 3), "float32"), np.zeros((2, 3), "float32")
    assert same(g(one), g(one.copy()))
    assert not same(g(one), g(zero))
    assert not same(g(np.float32(0.0)), g(np.float32(-0.0)))
    assert not same(g(zero), g(-zero))


def test_hash_is_the_same_in_another_process():
    code = (
        "from test_ir_text import random_graph; from fgrad.ir.hash import canonical_hash;"
        "print(canonical_hash(random_graph(7)))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    env = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.strip() == canonical_hash(random_graph(7))


def test_interned_graphs_are_one_object():
    a, b = (Graph((x := leaf(F32),), (x * 2.0,)) for _ in range(2))
    assert intern(a) is intern(b)


def test_regions_are_listed_and_mapped():
    x = leaf(F32)
    inner = Graph((y := leaf(F32),), (y * 2.0,))
    other = Graph((y := leaf(F32),), (y * 3.0,))
    v = sample_holder(x, a=(1, inner), b=inner)
    assert subgraphs(v) == [inner, inner]
    w = map_regions(v, lambda g: other)
    assert w.params == ((1, other), other)
    assert w.where == v.where
    assert map_regions(v, lambda g: g) is v


def test_dot_is_literal():
    x = leaf(TensorType((2,), "float32"))
    g = Graph((x,), (F["reshape"](x * x, shape=(2, 1)),))
    assert (
        to_dot(g, name="t")
        == """\
digraph "t" {
  node [shape=box, fontname=monospace];
  v0 [label="input\\nfloat32[2]", style=rounded];
  v1 [label="mul\\nfloat32[2]"];
  v0 -> v1 [label="0"];
  v0 -> v1 [label="1"];
  v2 [label="reshape\\nshape=(2, 1)\\nfloat32[2,1]"];
  v1 -> v2;
  vout0 [label="output 0", style=rounded];
  v2 -> vout0;
}"""
    )


def test_dot_shows_nested_graphs_as_clusters():
    dot = to_dot(g_of(a=small()))
    assert "subgraph cluster_v1_0 {" in dot
    assert "v1_0_0 -> v1_0_3" in dot


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "bfloat16", "complex64"])
def test_networkx_takes_constants_with_axes(dtype):
    x = leaf(TensorType((2,), dtype))
    c, d = (constant(np.zeros(2, dtype_of(dtype))) for _ in range(2))
    out = to_networkx(Graph((x,), (F["select"](constant(np.zeros(2, "bool")), x, c), d)))
    assert sorted(op for _, op in out.nodes(data="op")) == ["const", "const", "const", "input", "select"]


def test_networkx_has_nodes_edges_and_outputs():
    import networkx as nx

    g = to_networkx(small())
    assert nx.is_directed_acyclic_graph(g)
    assert g.graph == {"inputs": [0, 1], "outputs": [7, 0]}
    assert [g.nodes[n]["op"] for n in (0, 3, 5, "1.5:float32")] == ["input", "mul", "const", "const"]
    assert g.get_edge_data(2, 3) == {0: {"operand": 1}}
    assert "x * w + 1.5" in g.nodes[3]["where"]
