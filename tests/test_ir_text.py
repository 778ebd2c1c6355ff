"""Text, JSON, hash, DOT and networkx forms of graphs: exact inverses, literal texts, messages."""

from __future__ import annotations

import gc
import math
import random
import re
import time

import numpy as np
import pytest

import fgrad.numpy
import fgrad.primitives.arithmetic
import fgrad.primitives.shape
import fgrad.primitives.structure
from fgrad.errors import DtypeError, IRError
from fgrad.ir.apply import constant, primitive
from fgrad.ir.callables import name_of
from fgrad.ir.dot import to_dot
from fgrad.ir.dtypes import KINDS, dtype_of
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.hash import canonical_hash, same
from fgrad.ir.json import from_json, to_json
from fgrad.ir.literals import element_text, element_value
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.text import format_graph
from fgrad.ir.types import CPU, TOKEN, Device, TensorType, TupleType
from fgrad.ir.verify import verify


@primitive(type=lambda *xs, where, **params: xs[0])
def sample_holder(*xs, a, b):
    """Holds parameters of any kind."""


@primitive(type=lambda *xs, where, n: TupleType(tuple(xs[:1]) * n))
def sample_several(*xs, n):
    """`n` results."""


SAMPLES = {n: REGISTRY.pop(n) for n in list(REGISTRY) if n.startswith("sample_")}


@pytest.fixture(autouse=True)
def _samples(monkeypatch):
    for n, prim in SAMPLES.items():
        monkeypatch.setitem(REGISTRY, n, prim)


F32 = TensorType((2, 3), "float32")


def small() -> Graph:
    x, w = leaf(F32), leaf(TensorType((3,), "float32"))
    y = x * w + 1.5
    return Graph((x, w), (y + constant(np.array([1, 2, 3.5], "float32")), x))


TEXT = """\
graph graph(%0: float32[2,3], %1: float32[3]) {
  %2: float32[2,3] = broadcast_to(%1) {shape=(2, 3)}
  %3: float32[2,3] = mul(%0, %2)
  %4: float32[2,3] = add(%3, 1.5:float32)
  %5: float32[3] = const [1.0, 2.0, 3.5]
  %6: float32[2,3] = broadcast_to(%5) {shape=(2, 3)}
  %7: float32[2,3] = add(%4, %6)
  return %7, %0
}"""


def both_ways(graph: Graph) -> None:
    """Text and JSON read back to the same text, hash and a sound graph."""
    for again in (parse_graph(str(graph)), from_json(to_json(graph))):
        verify(again)
        assert str(again) == str(graph)
        assert same(again, graph)


def test_text_is_literal_and_reads_back():
    g = small()
    assert str(g) == TEXT
    both_ways(g)


def test_where_is_a_comment_that_parsing_skips():
    text = format_graph(small(), where=True, name="step")
    assert text.startswith("graph step(")
    assert "# " in text
    assert "y = x * w + 1.5" in text
    assert str(parse_graph(text)) == TEXT


def random_graph(seed: int, n: int = 60) -> Graph:
    r = random.Random(seed)
    values: list[Value] = [leaf(F32), leaf(F32), leaf(TensorType((), "float32"))]
    inputs = tuple(values)
    for _ in range(n):
        x, y = r.choice(values), r.choice(values)
        kind = r.randrange(6)
        if kind == 0:
            values.append(x * y)
        elif kind == 1:
            values.append(x - r.choice([1.5, -0.0, math.inf, 1e-20, 3]))
        elif kind == 2 and x.ndim == 2:
            values.append(F["transpose"](F["transpose"](x, axes=(1, 0)), axes=(1, 0)))
        elif kind == 3:
            size = r.choice([(2, 3), (3,)])
            values.append(x + constant(np.random.default_rng(seed).normal(size=size).astype("float32")))
        elif kind == 4:
            inner = leaf(x.type)
            values.append(sample_holder(x, a=Graph((inner,), (inner * 2.0,)), b=(1, "t", (None, True, 0.5))))
        else:
            values.append(F["item"](sample_several(x, n=3), index=r.randrange(3)))
    return Graph(inputs, tuple(r.sample(values, 5)))


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_read_back(seed):
    both_ways(random_graph(seed))


def g_of(a) -> Graph:
    x = leaf(F32)
    return Graph((x,), (sample_holder(x, a=a, b=None),))


NAN_PAYLOAD = np.frombuffer((0x7FF8000000000ABC).to_bytes(8, "little"), "float64")[0]
PARAMS = [
    (3, "3"),
    (-7, "-7"),
    (True, "True"),
    (None, "None"),
    ('a"b\\ \n%0 {é}', '"a\\"b\\\\ \\n%0 {\\u00e9}"'),
    ((), "()"),
    ((1,), "(1,)"),
    ((1, (2.0, "x"), False), '(1, (2.0, "x"), False)'),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (1e300, "1e+300"),
    (math.inf, "inf"),
    (-math.inf, "-inf"),
    (math.nan, "nan"),
    (float(NAN_PAYLOAD), "float(0x7ff8000000000abc)"),
    (1 - 2j, "complex(1.0, -2.0)"),
    (np.dtype("int8"), "int8"),
    (dtype_of("bfloat16"), "bfloat16"),
    (Device("cuda", 1), "@cuda:1"),
    (CPU, "@cpu"),
    (TensorType((2,), "bool", Device("cuda")), "bool[2]@cuda:0"),
    (TupleType((F32,)), "type (float32[2,3],)"),
    (TOKEN, "type token"),
]


@pytest.mark.parametrize(("value", "text"), PARAMS, ids=[t for _, t in PARAMS])
def test_params_of_every_kind(value, text):
    g = g_of(a=value)
    assert f"{{a={text}, b=None}}" in str(g)
    both_ways(g)


def test_params_are_keyed_with_their_types_and_bits():
    hashes = [canonical_hash(g_of(a=v)) for v, _ in PARAMS] + [canonical_hash(g_of(a=v)) for v in (0, False, 0.0, "3")]
    assert len(set(hashes)) == len(hashes)


def test_nested_graph_is_an_indented_block():
    x = leaf(TensorType((), "int32"))
    g = Graph((x,), (sample_holder(x, a=Graph((y := leaf(x.type),), (y + 1,)), b=2),))
    assert (
        str(g)
        == """\
graph graph(%0: int32[]) {
  %1: int32[] = sample_holder(%0) {a=graph (%0: int32[]) {
    %1: int32[] = add(%0, 1:int32)
    return %1
  }, b=2}
  return %1
}"""
    )
    both_ways(g)


@pytest.mark.parametrize("name", KINDS)
def test_every_bit_pattern_of_an_element_reads_back(name):
    dtype = dtype_of(name)
    bits = np.random.default_rng(0).integers(0, 256, (300, dtype.itemsize), dtype="uint8")
    bits[:2] = [[0], [255]]
    if name == "bool":
        bits &= 1
    for x in bits.view(dtype)[:, 0]:
        if dtype.kind == "c":
            g = Graph((), (constant(x),))
            assert parse_graph(str(g)).outputs[0].const.tobytes() == x.tobytes()
        else:
            assert element_value(element_text(x), dtype).tobytes() == x.tobytes()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (2, 2), (10, 10)])
def test_constants_of_every_dtype(name, shape):
    a = np.random.default_rng(1).normal(size=shape) * 3
    g = Graph((), (constant(np.asarray(a.astype("int64") if name[0] == "u" else a).astype(dtype_of(name))),))
    both_ways(g)
    assert ("base64" in str(g)) == (shape == (10, 10))


@pytest.mark.parametrize("name", [">f4", ">i8", ">c8"])
def test_another_byte_order_is_refused(name):
    for make in (lambda: dtype_of(name), lambda: constant(np.zeros(2, name)), lambda: fgrad.numpy.asarray(np.zeros(2, name))):
        with pytest.raises(DtypeError, match="byte order"):
            make()


def test_constant_on_a_device_keeps_it():
    t = TensorType((), "float32", Device("cuda"))
    both_ways(Graph((), (Value(None, (), (), t, None, np.float32(2)),)))


def test_small_texts_are_literal():
    texts = [str(np.float32(0.1)), *map(element_text, (np.float32(1e20), np.float16(2), np.uint8(3), np.bool_(1)))]
    assert texts == ["0.1", "1e+20", "2.0", "3", "True"]
    assert element_text(np.array(1.5, dtype_of("bfloat16"))[()]) == "1.5"
    assert element_text(np.frombuffer(b"\x01\x00\xc0\x7f", "float32")[0]) == "0x7fc00001"


def callback(x):
    return x


def test_callable_prints_its_name_and_reads_back_while_it_lives():
    g = g_of(a=callback)
    assert f'a=callable "{__name__}:callback"' in str(g)
    both_ways(g)
    text = str(g).replace("callback", "gone")
    with pytest.raises(IRError, match=r"^line \d+, column \d+: expected a living Python function, not '\w+:gone', found callable"):
        parse_graph(text)


def test_two_functions_of_one_name_have_two_names():
    def make():
        return lambda x: x

    a, b = make(), make()
    assert name_of(a) + "#2" == name_of(b)
    assert not same(g_of(a=a), g_of(a=b))
    name = name_of(a)
    del a
    assert name_of(make()) not in (name, name_of(b))


HEAD = "graph g(%0: float32[2]) {\n"
MALFORMED = [
    ("", "line 1, column 1: expected 'graph', found end of text"),
    ("graph g(%0 float32[2])", "line 1, column 12: expected ':', found float32"),
    ("graph g(%0: float33[2])", "line 1, column 13: expected a type such as float32[2,3], found float33"),
    ("graph g(%0: float32[-2])", "line 1, column 21: expected an axis length, found -2"),
    ("graph g(%0: float32[2.5])", "line 1, column 21: expected an axis length, found 2.5"),
    ("graph g(%0: float32[2]@tpu)", "line 1, column 24: expected cpu or cuda:index, found tpu"),
    ("graph g(%0: float32[2], %0: int8[])", "line 1, column 25: expected a new value, found %0"),
    (HEAD, "line 2, column 1: expected a value such as %3, or return, found end of text"),
    (HEAD + "  return %1\n}", "line 2, column 10: expected a value defined above, found %1"),
    (HEAD + "  return %0\n}\n}", "line 4, column 1: expected end of text, found }"),
    (HEAD + "  return %0,\n}", "line 3, column 1: expected %value or number:dtype, found }"),
    (
        HEAD + "  %1: float32[2] = neg(%0)\n",
        "line 3, column 1: expected a value such as %3, or return, found end of text",
    ),
    (HEAD + "  %1: float32[2] = nag(%0)", "line 2, column 20: expected the name of a primitive, found nag"),
    (HEAD + "  %0: float32[2] = neg(%0)", "line 2, column 3: expected a new value, found %0"),
    (
        HEAD + "  %1: float32[3] = neg(%0)",
        "line 2, column 20: expected type float32[2] (inferred), not float32[3], found neg",
    ),
    (HEAD + "  %1: float32[2] = neg(%0, %1)", "line 2, column 28: expected a value defined above, found %1"),
    (HEAD + "  %1: float32[2] = neg(%0 %0)", "line 2, column 27: expected ')', found %0"),
    (HEAD + "  %1: float32[2] = add(%0, 1:float32x)", "line 2, column 30: expected a dtype, found float32x"),
    (HEAD + "  %1: float32[2] = add(%0, True:float32)", "line 2, column 28: expected a number of float32, found True"),
    (HEAD + "  %1: int8[2] = add(%0, 300:int8)", "line 2, column 25: expected a number of int8, found 300"),
    (HEAD + "  %1: float32[2] = const [1.0]", "line 2, column 30: expected 2 elements, not 1, found ]"),
    (HEAD + "  %1: float32[2] = const [1.0, x]", "line 2, column 32: expected a number, found x"),
    (HEAD + '  %1: float32[2] = const base64 "AAAA"', 'line 2, column 33: expected base64 of 8 bytes, found "AAAA"'),
    (HEAD + '  %1: float32[2] = const base64 "A!"', 'line 2, column 33: expected base64 of 8 bytes, found "A!"'),
    (HEAD + "  %1: token = const [1.0]", "line 2, column 15: expected a tensor type before const, found const"),
    (HEAD + "  %1: float32[2] = reshape(%0) {shape=(2,)", "line 2, column 43: expected '}', found end of text"),
    (HEAD + "  %1: float32[2] = reshape(%0) {size=(2,)}", "line 2, column 33: expected 'shape', found size"),
    (HEAD + "  %1: float32[2] = reshape(%0)", "line 2, column 31: expected '{', found end of text"),
    (HEAD + "  %1: float32[2] = sample_holder(%0) {a=foo, b=1}", "line 2, column 41: expected a parameter, found foo"),
    (
        HEAD + '  %1: float32[2] = sample_holder(%0) {a="\\q", b=1}',
        'line 2, column 41: expected a string with JSON\'s escapes, found "\\q"',
    ),
    (HEAD + "  ? = neg(%0)", "line 2, column 3: expected a token of the text form, found ?"),
    (HEAD + "  %1: float32[2] = sample_holder(%0) {a=float(2), b=1}", None),
    ("graph g(%0: " + "(" * 100_000, None),
    (HEAD + "  %1: float32[2] = sample_holder(%0) {a=" + "(" * 100_000, None),
    (HEAD + "  return " + "(" * 100_000, None),
    ("graph g(%0: float32[" + "9" * 5000 + "])", "line 1, column 21: expected an axis length, found " + "9" * 40),
    (
        HEAD + "  %1: float32[2] = sample_holder(%0) {a=" + "9" * 5000 + ", b=1}",
        "line 2, column 41: expected an integer, found " + "9" * 40,
    ),
    (HEAD + "  %1: float32[2] = neg()", None),
    (HEAD + "  %1: float32[2] = cond(%0, %0) {branches=1}", None),
    (HEAD + "  %1: float32[2] = reduce_sum() {axes=(0,)}", None),
    (HEAD + '  %1: float32[2] = reshape(%0) {shape="type"}', None),
]


@pytest.mark.parametrize(("text", "message"), MALFORMED, ids=[str(i) for i in range(len(MALFORMED))])
def test_malformed_text_says_where_and_what(text, message):
    with pytest.raises(IRError) as e:
        parse_graph(text)
    if message is not None:
        assert str(e.value).splitlines()[0] == message
    assert re.match(r"line \d+, column \d+: expected ", str(e.value))
    assert "fix: " in str(e.value)


def test_operands_that_a_primitive_refuses_are_an_error_with_a_line():
    text = HEAD + "  %1: float32[3] = reshape(%0) {shape=(3,)}\n  return %1\n}"
    with pytest.raises(
        IRError, match=r"line 2, column 20: expected operands that reshape accepts \(.+\), found reshape"
    ):
        parse_graph(text)


def chain(n: int) -> Graph:
    x = v = leaf(TensorType((4,), "float32"))
    for _ in range(n):
        v = v * x
    return Graph((x,), (v,))


def test_ten_thousand_nodes_take_under_a_second_each():
    g = chain(10_000)
    text, data = str(g), to_json(g)
    for f, x in (
        (str, g),
        (parse_graph, text),
        (verify, g),
        (canonical_hash, g),
        (to_json, g),
        (from_json, data),
        (to_dot, g),
    ):
        gc.freeze()  # what other tests of this process have left is not collected on this one's account
        start = time.process_time()
        f(x)
        taken = time.process_time() - start
        gc.unfreeze()
        assert taken < 0.9, f.__name__


def test_a_deep_graph_needs_no_recursion():
    g = chain(100_000)
    text = str(g)
    again = parse_graph(text)
    verify(again)
    assert same(again, g)
    assert same(from_json(to_json(g)), g)
