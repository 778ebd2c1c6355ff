"""What a steady training loop does and does not do: programs, lowerings, allocations, recordings."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad as fg
import fgrad.numpy as jnp
from fgrad import lax, nn, optim
from fgrad.backends import numpy as backend
from fgrad.demo import cnn, digits, mlp
from fgrad.eager import engine
from fgrad.eager.tape import THREAD, Interned, Tape
from fgrad.ir.graph import Graph
from fgrad.ir.hash import canonical_hash
from fgrad.ir.primitive import REGISTRY, Primitive

# operations that are one library call in a program, into a buffer it has planned
LIBRARY = {"conv_last", "conv_last_dx", "conv_last_dw", "dot_general", "gather", "scatter", "random_bits", "window_max", "window_max_pull", "argmax", "shift_right"}


class Demo:
    """The demo's CNN loop on batches that are already tensors."""

    def __init__(self, compiled: bool = False, make: Callable[[], nn.Module] = cnn.Net) -> None:
        fg.manual_seed(0)
        train = digits.load()[0]
        self.model = make()
        self.call = fg.compile(self.model) if compiled else self.model
        self.optimizer = optim.Adam(self.model.parameters(), lr=3e-3)
        self.criterion = nn.CrossEntropyLoss()
        self.batches = [
            (fg.tensor(train.images[64 * i : 64 * (i + 1), None]), fg.tensor(train.labels[64 * i : 64 * (i + 1)]))
            for i in range(6)
        ]

    def step(self, i: int) -> tuple[float, int]:
        x, y = self.batches[i % len(self.batches)]
        self.optimizer.zero_grad()
        logits = self.call(x)
        loss = self.criterion(logits, y)
        correct = (logits.argmax(1) == y).sum()
        loss.backward()
        self.optimizer.step()
        return loss.item(), int(correct.item())


@pytest.fixture
def fresh() -> Iterator[None]:
    """No structure and no program is known."""
    engine.flush(THREAD.tape)
    before = THREAD.tape.interned
    THREAD.tape = Tape(Interned(), smooth=True)
    backend.PROGRAMS.clear()
    yield
    engine.flush(THREAD.tape)
    THREAD.tape = Tape(before, smooth=True)
    backend.PROGRAMS.clear()


@contextmanager
def watching() -> Iterator[list[Graph]]:
    seen: list[Graph] = []

    def watch(graph: Graph, donated: dict[int, int]) -> None:
        seen.append(graph)

    engine.WATCHERS.append(watch)
    try:
        yield seen
    finally:
        engine.WATCHERS.remove(watch)


@contextmanager
def counting_lowerings() -> Iterator[Counter[tuple[str, bool]]]:
    """Calls by (primitive, was a buffer given for the result)."""
    calls: Counter[tuple[str, bool]] = Counter()
    originals = {p: p.lower for p in REGISTRY.values()}

    def counted(prim: Primitive, lower: Any) -> Any:
        def call(xp: Any, out: Any, *args: Any, **params: Any) -> Any:
            calls[prim.name, out is not None] += 1
            return lower(xp, out, *args, **params)

        return call

    for prim, lower in originals.items():
        object.__setattr__(prim, "lower", counted(prim, lower))
    try:
        yield calls
    finally:
        for prim, lower in originals.items():
            object.__setattr__(prim, "lower", lower)


@pytest.mark.parametrize("kernels", ["tiled", "native"])
def test_from_step_4_on_a_step_is_one_program_and_no_plain_lowering(
    kernels: str, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreted: list[Graph] = []
    original = engine.run_once

    def interpret(graph: Graph, *rest: Any) -> Any:
        interpreted.append(graph)
        return original(graph, *rest)

    monkeypatch.setattr(engine, "run_once", interpret)
    with fg.settings(kernels=kernels), counting_lowerings() as calls:
        demo = Demo()
        losses = [demo.step(i)[0] for i in range(3)]
        assert interpreted  # the counter counts: the first step is interpreted
        assert calls["add", False] > 10
        interpreted.clear()
        calls.clear()
        with watching() as seen:
            losses += [demo.step(i)[0] for i in range(3, 15)]
    assert len(seen) == 12
    assert len({canonical_hash(g) for g in seen}) == 1
    assert interpreted == []
    assert [name for name, out in calls if not out] == []
    assert {name for name, _ in calls} <= LIBRARY, calls
    assert losses[-1] < losses[0] / 2


def mlp_net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.LayerNorm(128), nn.Tanh(), nn.Linear(128, 10))


ARGUMENT = 128  # bytes a kernel's argument takes for the length of the call: a Python number and its C twin


@pytest.mark.parametrize("make", [mlp_net, cnn.Net])
@pytest.mark.parametrize("kernels", ["tiled", "native"])
def test_a_steady_step_allocates_nothing_over_4_kb(
    kernels: str, make: Any, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    sources: set[str] = set()
    original = backend.Program.__call__

    def measured(self: Any, buffers: Any) -> Any:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        out = original(self, buffers)
        if tracemalloc.is_tracing():
            inside.append(tracemalloc.get_traced_memory()[1] - before)
            sources.add(self.source)
        return out

    monkeypatch.setattr(backend.Program, "__call__", measured)
    with fg.settings(kernels=kernels):
        demo = Demo(make=make)
        for i in range(8):
            demo.step(i)
        inside.clear()
        tracemalloc.start()
        try:
            numpy_only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
            for i in range(8, 12):
                demo.step(i)
            first = tracemalloc.take_snapshot().filter_traces([numpy_only])
            for i in range(12, 20):
                demo.step(i)
            second = tracemalloc.take_snapshot().filter_traces([numpy_only])
        finally:
            tracemalloc.stop()
    assert len(inside) == 12
    buffer = np.getbufsize() * 4 if kernels == "tiled" else 0  # what a ufunc takes to repeat an operand
    widest = max(line.count("id(") for source in sources for line in source.splitlines())
    assert max(inside[4:]) < 4096 + buffer + ARGUMENT * widest, inside
    grown = [s for s in second.compare_to(first, "lineno") if s.size_diff > 0]
    assert sum(s.size_diff for s in grown) < 4096, grown[:3]


def captured(run: Callable[[], Any]) -> Any:
    with fg.capture() as c:
        run()
    return max(c.steps, key=lambda s: len(s.graph.values()))


@pytest.mark.parametrize("training", [True, False])
def test_compile_gives_the_program_of_the_recorded_step(training: bool) -> None:
    steps = []
    for compiled in (False, True):
        demo = Demo(compiled)
        if training:
            [demo.step(i) for i in range(3)]
            steps.append(captured(lambda demo=demo: demo.step(3)))
        else:
            demo.model.eval()
            with fg.no_grad():
                steps.append(captured(lambda demo=demo: demo.call(demo.batches[0][0]).argmax(1).tolist()))
    eager, compiled_step = steps
    assert len(eager.graph.values()) > (300 if training else 20)
    assert canonical_hash(eager.graph) == canonical_hash(compiled_step.graph)
    assert eager.donated == compiled_step.donated
    assert bool(eager.donated) == training


def test_a_compiled_model_trains_to_the_same_numbers() -> None:
    eager, compiled = Demo(), Demo(compiled=True)
    fg.manual_seed(1)
    a = [eager.step(i) for i in range(6)]
    fg.manual_seed(1)
    np.testing.assert_allclose([compiled.step(i) for i in range(6)], a, rtol=1e-5)


def test_a_jitted_step_of_the_demo_reads_its_arguments_and_nothing_else() -> None:
    *_, arguments = mlp.train(digits.load(), 1, lambda items, text: items, lambda line: None)
    graph = mlp.step.graph(*arguments)
    assert len(graph.inputs) == len(fgrad.tree.leaves(arguments))
    assert mlp.step._known[0].simple


def nodes(graph: Graph) -> int:
    """Values of a graph and of the graphs in its parameters."""
    count = 0
    for v in graph.values():
        count += 1 + sum(nodes(p) for p in v.params if isinstance(p, Graph))
        count += sum(nodes(g) for p in v.params if isinstance(p, tuple) for g in p if isinstance(g, Graph))
    return count


def chain(length: int) -> Any:
    def loss(w: Any, h: Any) -> Any:
        h, ys = lax.scan(lambda h, _: (jnp.tanh(w * h), jnp.sum(h)), h, None, length=length)
        return jnp.sum(h) + jnp.mean(ys)

    return loss


def test_a_scans_gradient_has_as_many_nodes_at_any_length() -> None:
    h = jnp.ones(3)
    counts = [nodes(fgrad.make_graph(fgrad.grad(chain(n)))(h, h)) for n in (4, 64, 10_000)]
    assert len(set(counts)) == 1
    assert 10 < counts[0] < 200


def test_ten_thousand_steps_are_differentiated_in_seconds() -> None:
    start = time.process_time()
    w = jnp.full((3,), 0.99)
    value, grad = fgrad.jit(fgrad.value_and_grad(chain(10_000)))(w, jnp.ones(3))
    assert np.isfinite(float(value))
    assert time.process_time() - start < 8
    h, dh, total = np.ones(3), np.zeros(3), np.zeros(3)  # forward mode by hand, in float64
    for _ in range(10_000):
        total += dh / 10_000
        h, dh = np.tanh(0.99 * h), (1 - np.tanh(0.99 * h) ** 2) * (h + 0.99 * dh)
    np.testing.assert_allclose(np.asarray(grad), dh + total, rtol=1e-3, atol=1e-5)


# what primitives are -------------------------------------------------------------------------------------------------
CALLBACKS = {"callback", "pure_callback"}
GRAPHS = "fgrad.primitives.regions"
NO_BATCH = {
    "iota": "has no operands",
    "fused": "made by the last pass, after every transform",
    **dict.fromkeys(("conv_last", "conv_last_dx", "conv_last_dw"), "made by the layout pass, after every transform"),
}
NO_DERIVATIVE = {
    **dict.fromkeys(("conv_last", "conv_last_dx", "conv_last_dw"), "made by the layout pass, after every transform"),
    "item": "the part of a tuple: transforms look through it",
    "opaque": "an autograd.Function's own backward stands for it",
    "pure_callback": "a Python function has no known derivative; custom_jvp gives it one",
}


def test_every_primitive_has_all_its_rules() -> None:
    silent = Primitive.__dataclass_fields__["flops"].default
    for name, p in REGISTRY.items():
        assert callable(p.type), name
        assert callable(p.lower), name
        assert (p.batch is not None) != (name in NO_BATCH), name
        assert callable(p.flops), name
        assert p.flops is not silent or moves_data(p), f"{name} claims to cost nothing"
        assert p.differentiable or not p.smooth or integral(name) or name in NO_DERIVATIVE, name
    assert set(NO_BATCH) | set(NO_DERIVATIVE) <= set(REGISTRY)


def moves_data(p: Primitive) -> bool:
    """Operations that only copy, view or make index numbers."""
    return p.name in CALLBACKS or p.view_of is not None or p.name in (
        "broadcast_to checkpoint_name concatenate dynamic_slice dynamic_update_slice flip gather iota item mark named_stack opaque pad reshape scatter slice "
        "stop_gradient transfer transpose update_slice"
    ).split()  # fmt: skip


def integral(name: str) -> bool:
    """True for operations whose results are bools or integers."""
    from primitive_cases import CASES

    from fgrad.ir.types import type_of_array
    from fgrad.transforms.inline import trace

    found = [c for c in CASES if c.name == name]
    types = [v.type for c in found for d in c.dtypes() for v in trace(c.build, *map(type_of_array, c.draw(d))).outputs]
    return bool(types) and not any(t.inexact for t in types)


def test_no_lowering_runs_a_python_function_but_the_callbacks() -> None:
    named = {name for name, p in REGISTRY.items() if p.lower is not None and set(all_names(p.lower.__code__)) & {"function", "f", "call"}}
    assert set(REGISTRY) >= CALLBACKS
    modules = {name for name, p in REGISTRY.items() if p.lower is not None and p.lower.__module__ == f"{GRAPHS}.callback"}
    assert modules == CALLBACKS
    assert named <= CALLBACKS | {"fused"}, named


def all_names(code: Any) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if hasattr(const, "co_names"):
            yield from all_names(const)
