"""The verifier: a broken graph per invariant, literal messages; and what graphs cost."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad.primitives.arithmetic
import fgrad.primitives.shape
import fgrad.primitives.structure  # noqa: F401
from fgrad.errors import IRError
from fgrad.ir.apply import primitive
from fgrad.ir.cost import cost, totals
from fgrad.ir.graph import Graph, Value, leaf
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import TOKEN, TensorType, TupleType
from fgrad.ir.verify import verify

T = TensorType((2,), "float32")


@primitive(type=lambda t, *xs, where: TupleType((TOKEN, *xs)), effect=True)
def sample_effect(t, *xs):
    """Takes and gives a token."""


@primitive(type=lambda *xs, where: xs[0], effect=True)
def sample_bad_effect(*xs):
    """An effect that forgets its token."""


@primitive(type=lambda *xs, where, **params: xs[0])
def sample_graphs(*xs, body):
    """Holds a graph."""


SAMPLES = {n: REGISTRY.pop(n) for n in list(REGISTRY) if n.startswith("sample_")}


@pytest.fixture(autouse=True)
def _samples(monkeypatch):
    for n, prim in SAMPLES.items():
        monkeypatch.setitem(REGISTRY, n, prim)


x, y, s = leaf(T), leaf(T), leaf(TensorType((), "float32"))
NEG, ADD = REGISTRY["neg"], REGISTRY["add"]


def node(prim, *operands, params=(), type=T):
    return Value(prim, operands, params, type, x.where)


def cycle():
    a = node(NEG, x)
    b = node(NEG, a)
    a.operands = (b,)
    return b


def effect(t):
    return F["item"](sample_effect(t), index=0)


t = leaf(TOKEN)
shared = effect(t)
several = sample_effect(t, x)
BROKEN = {
    "input computed": (Graph((-x,), ()), "%0 = neg(%?): an input must be a leaf"),
    "input tuple": (Graph((leaf(TupleType((T,))),), ()), "%0: an input cannot be a tuple"),
    "input twice": (Graph((x, x), (x,)), "a graph lists one leaf twice among its inputs"),
    "foreign leaf": (Graph((x,), (x + y,)), "%1 = add(%0, %?): reads a leaf of type float32[2] that is not an input of the graph"),
    "foreign output": (Graph((x,), (y,)), "%?: reads a leaf of type float32[2] that is not an input of the graph"),
    "constant": (Graph((), (Value(None, (), (), T, None, np.zeros(3, "float32")),)), "%0: the constant of type float32[2] holds float32[3]"),
    "cycle": (Graph((x,), (cycle(),)), "%2 = neg(%1): reads %1 before it is computed (a cycle)"),
    "params": (Graph((x,), (node(NEG, x, params=(1,)),)), "%1 = neg(%0): 1 parameters where 0 are declared: "),
    "kind": (Graph((x,), (node(SAMPLES["sample_graphs"], x, params=([1],)),)), "%1 = sample_graphs(%0): parameter body: unhashable type: 'list'"),
    "numpy": (Graph((x,), (node(SAMPLES["sample_graphs"], x, params=(np.int64(1),)),)), "%1 = sample_graphs(%0): parameter body: np.int64(1) (int64) cannot be a parameter"),
    "type": (Graph((x,), (node(NEG, x, type=T.with_shape((3,))),)), "%1 = neg(%0): operand %0 has shape [2], the result [3]"),
    "dtype": (Graph((x,), (node(NEG, x, type=T.with_dtype("int8")),)), "%1 = neg(%0): has type int8[2], but float32[2] is inferred"),
    "broadcast": (Graph((x, s), (node(ADD, x, s),)), "%2 = add(%0, %1): operand %1 has shape [], the result [2]"),
    "refused": (Graph((x,), (node(REGISTRY["reshape"], x, params=((3,),)),)), None),
    "tuple read": (Graph((t, x), (node(NEG, several),)), "%3 = neg(%2): reads the tuple %2 without item"),
    "tuple output": (Graph((t, x), (several,)), "%2 = sample_effect(%0, %1): a tuple cannot be an output; read it by item"),
    "token twice": (Graph((t,), (effect(shared), effect(shared))), "%2 = item(%1): the token is used 2 times"),
    "token dropped": (Graph((t, x), (F["item"](several, index=1), F["item"](several, index=0))), "fine"),
    "token lost": (Graph((t, x), (effect(effect(t)) and F["item"](several, index=1),)), "fine"),
    "effect": (Graph((x,), (sample_bad_effect(x),)), "%1 = sample_bad_effect(%0): an effect must take and give a token"),
    "nested": (Graph((x,), (sample_graphs(x, body=Graph((), (x,))),)), "%?: reads a leaf of type float32[2] that is not an input of the graph"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_graph_is_refused(name):
    graph, message = BROKEN[name]
    if message == "fine":
        verify(graph)
        return
    with pytest.raises(IRError) as e:
        verify(graph)
    if message is not None:
        assert str(e.value).splitlines()[0] == message


def test_the_message_names_the_users_line():
    v = -x
    v.type = T.with_dtype("int8")
    with pytest.raises(IRError, match=r"test_ir_verify.py:\d+: v = -x"):
        verify(Graph((x,), (v,)))


def test_unregistered_primitive_is_refused():
    fake = object.__new__(type(NEG))
    for slot in type(NEG).__slots__:
        object.__setattr__(fake, slot, getattr(NEG, slot))
    with pytest.raises(IRError, match="the primitive neg is not registered"):
        verify(Graph((x,), (node(fake, x),)))


def test_cost_adds_up():
    a = leaf(TensorType((4, 5), "float32"))
    c = cost(Graph((a,), (a * a + 1.0,)))
    assert [(n.value.prim.name, n.flops, n.nbytes) for n in c.nodes] == [("mul", 20, 240), ("add", 20, 164)]
    assert (c.flops, c.nbytes) == (40, 404) == totals(Graph((a,), (a * a + 1.0,)))
