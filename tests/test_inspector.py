"""inspect: the report's parts on graphs and on users' functions."""

from __future__ import annotations

import json
import re
from functools import partial

import numpy as np
import pytest

import fgrad
import fgrad.numpy as fnp
from fgrad.backends.numpy.capable import able
from fgrad.errors import ArgumentError
from fgrad.inspector import Report, inspect, report
from fgrad.inspector.listing import Labels, amount, diff, listing
from fgrad.ir.graph import Graph, leaf
from fgrad.ir.hash import same
from fgrad.ir.json import from_json
from fgrad.ir.operators import FUNCTIONS as F
from fgrad.ir.parse import parse_graph
from fgrad.ir.types import TensorType
from fgrad.passes.fuse import fuse
from fgrad.passes.pipeline import run as passes
from fgrad.passes.share import share
from fgrad.passes.simplify import simplify_final

X = TensorType((2, 3), "float32")


def sample() -> Graph:
    x = leaf(X)
    y = x * 1.0
    return Graph((x,), (F["reduce_sum"](y * y, axes=(0, 1)), F["reduce_sum"](y * y, axes=(0, 1))))


def test_amounts_have_three_digits_and_a_prefix():
    assert [amount(n, "B") for n in (0, 12, 999, 1000, 123_456, 5e9)] == [
        "0 B",
        "12 B",
        "999 B",
        "1 kB",
        "123 kB",
        "5 GB",
    ]


def test_listing_is_the_text_form_with_costs_and_lines():
    g = sample()
    text = "\n".join(listing(g, Labels().number(g), "sample"))
    assert same(parse_graph(text), g)
    assert "  %2: float32[2,3] = mul(%1, %1)  # 6 FLOP, 72 B; " in text
    assert "test_inspector.py:" in text
    assert ": return Graph((x,), (F[" in text


def test_diff_shows_only_what_a_pass_changed():
    x = leaf(X)
    y = x * 1.0
    g, labels = Graph((x,), (F["reduce_sum"](y * x, axes=(0, 1)),)), Labels()
    once = simplify_final(g)
    assert diff(g, once, labels) == [
        "@@ -1,4 +1,3 @@",
        " graph graph(%0: float32[2,3]) {",
        "-  %1: float32[2,3] = mul(%0, 1.0:float32)",
        "-  %2: float32[2,3] = mul(%1, %0)",
        "+  %2: float32[2,3] = mul(%0, %0)",
        "   %3: float32[] = reduce_sum(%2) {axes=(0, 1)}",
    ]
    assert diff(once, once, labels) == []


def test_a_shared_value_disappears_from_the_listing():
    g = simplify_final(sample())
    removed = [line for line in diff(g, share(g), Labels()) if line.startswith("-")]
    assert len(removed) == 3  # the second product, its sum, the old return


def test_report_has_every_part():
    r = report(sample(), name="sample")
    assert [s.name for s in r.stages][:2] == ["merge_extensions", "simplify_final"]
    assert all(s.seconds >= 0 for s in r.stages)
    assert all(a.after is b.before for a, b in zip(r.stages, r.stages[1:], strict=False))
    assert (r.cost.flops, len(r.cost.nodes)) == (30, 5)
    assert r.plan.peak_bytes >= 8
    assert r.program.startswith("def program(I):")
    assert len(r.final.values()) < len(r.ir.values())
    text = str(r)
    for part in (
        "sample: 5 nodes, 30 FLOP",
        "graph sample(",
        "pass share: ",
        "no change",
        "program: peak ",
        "def program(I):",
    ):
        assert part in text


def test_report_as_json_reads_back():
    r = report(sample(), name="sample")
    data = json.loads(r.to_json())
    assert (data["name"], data["flops"], data["peak_bytes"]) == ("sample", 30, r.plan.peak_bytes)
    assert [n["op"] for n in data["nodes"]] == ["input", "mul", "mul", "reduce_sum", "mul", "reduce_sum"]
    assert data["stages"][0]["nodes_before"] == 5
    for key, graph in (("graph", r.ir), ("final", r.final)):
        assert same(from_json(json.dumps(data[key])), graph)


def test_report_as_dot_is_a_digraph():
    assert report(sample(), name="sample").to_dot().startswith('digraph "sample" {')


def loss(w, x):
    return ((x @ w).relu() ** 2).sum()


def test_inspect_of_a_tensor_function():
    r = inspect(loss)(fgrad.ones(3, 4), fgrad.ones(2, 3))
    assert isinstance(r, Report)
    assert "graph loss(%0: float32[2,3], %1: float32[3,4]) {" in str(r)
    assert "return ((x @ w).relu() ** 2).sum()" in str(r)


def test_inspect_of_jit_and_grad_shows_their_graphs():
    f = fgrad.jit(lambda x: fnp.tanh(x) * 2)
    assert "tanh" in str(fgrad.inspect(f)(np.ones(3, np.float32)))
    g = str(fgrad.inspect(fgrad.grad(lambda x: fnp.sum(fnp.tanh(x))))(fnp.ones(3)))
    assert "tanh" in g


def test_inspect_of_a_jitted_method():
    class Scale:
        @partial(fgrad.jit, static_argnums=0)
        def apply(self, x):
            return fnp.sin(x) * 2

    r = inspect(Scale().apply)(fnp.ones(3))
    assert r.name == "apply"
    assert [v.prim.name for v in r.ir.values()] == ["sin", "mul"]


def branchy(x):
    return x * 2 * x if x.sum() > 0 else x


def test_a_function_that_needs_numbers_is_run_and_its_largest_program_shown():
    r = inspect(branchy)(fgrad.ones(3))
    assert "x.sum() > 0" in str(r) or "x * 2 * x" in str(r)


def test_inspect_of_a_training_step_shows_its_program():
    w = fgrad.ones(3, requires_grad=True)
    x = fgrad.ones(3)

    def step():
        y = (w * x).sum()
        y.backward()
        return y.item()

    assert "mul" in str(inspect(step)())


def test_inspect_of_a_function_without_operations_is_an_error():
    def reads(x):
        bool(x)
        return x.tolist()

    with pytest.raises(ArgumentError, match="reads recorded no operation"):
        inspect(reads)(fgrad.tensor(1.0))
def test_a_capture_is_reported_as_its_largest_program():
    w = fgrad.ones(2, 3)
    with fgrad.capture() as c:
        (w * 2).sum().item()
        w.mul_(w + 1).tanh_().sum().item()
    assert len(c.steps) == 2
    r = report(c, name="step")
    assert r.ir is c.graph
    assert "w.mul_(w + 1).tanh_()" in str(r)
    donated = max(c.steps, key=lambda s: len(s.graph.values())).donated
    assert donated
    assert r.program == report(c.graph, donated=donated).program
    with fgrad.capture() as nothing:
        pass
    with pytest.raises(ArgumentError, match="recorded no operation"):
        report(nothing)


def test_donation_is_seen():
    f = fgrad.jit(lambda w, x: (w * 0.9 + x, fnp.sum(fnp.cumsum(x)), x * 2), donate_argnums=0)
    r = inspect(f)(fnp.ones(400), fnp.ones(400))
    assert "return [x0, y1, y2]" in r.program  # the first output lies in the first argument
    assert same(r.final, fuse(passes(r.ir), able, frozenset([passes(r.ir).outputs[0]])))
    assert not same(r.final, report(r.ir).final)  # otherwise one group would compute all


def test_nodes_of_nested_graphs_have_costs_and_lines_too():
    r = inspect(lambda xs: fgrad.lax.scan(lambda c, x: (c + x, c), fnp.zeros(4), xs))(fnp.ones((3, 4)))
    listed = "\n".join(listing(r.ir, Labels().number(r.ir)))
    assert re.search(r"\n    %2: float32\[4\] = add\(.+\)  # 4 FLOP, 48 B; .*test_inspector.py:\d+: r = inspect", listed)
    assert same(parse_graph(listed), r.ir)
    assert "#" not in "\n".join(listing(r.ir, Labels().number(r.ir), notes=False))


def test_calls_of_jitted_functions_are_seen() -> None:
    """They run their program without a tape; whoever watches is told all the same."""
    inner = fgrad.jit(lambda x: fnp.sin(x) * 2)
    x = fnp.asarray(np.ones(2, "float32"))
    inner(x)
    assert "sin" in str(fgrad.inspect(lambda x: inner(x))(fnp.ones(2)))
    with fgrad.capture() as seen:
        inner(x)
    assert len(seen.steps) == 1
