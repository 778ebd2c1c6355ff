"""torch.profiler on the engine's own times."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import fgrad
from fgrad.eager import engine

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle
P = fgrad.profiler


def step(model: Any, optimizer: Any, x: Any) -> float:
    loss = model(x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss)


def trained() -> tuple[Any, Any, Any]:
    model = fgrad.nn.Sequential(fgrad.nn.Linear(7, 5), fgrad.nn.Tanh(), fgrad.nn.Linear(5, 1))
    return model, fgrad.optim.SGD(model.parameters(), 0.1), fgrad.randn(3, 7)


@pytest.mark.filterwarnings("ignore:Profiler won't:UserWarning")
def test_schedules_are_torchs() -> None:
    for wait, warmup, active, repeat, skip, first in product((0, 1, 2), (0, 1), (1, 3), (0, 1, 2), (0, 2), (0, 1)):
        given = {"wait": wait, "warmup": warmup, "active": active, "repeat": repeat, "skip_first": skip, "skip_first_wait": first}
        ours, theirs = P.schedule(**given), torch.profiler.schedule(**given)
        assert [ours(i).name for i in range(25)] == [theirs(i).name for i in range(25)], given
    with pytest.raises(ValueError, match="active"):
        P.schedule(wait=0, warmup=0, active=0)


def test_programs_and_ranges_are_rows() -> None:
    model, optimizer, x = trained()

    @P.record_function("decorated")
    def named() -> float:
        return step(model, optimizer, x)

    with P.profile(activities=[P.ProfilerActivity.CPU], record_shapes=True, with_flops=True, with_stack=True) as prof:
        for _ in range(4):
            with P.record_function("training step"):
                named()
    rows = {e.key: e for e in prof.key_averages()}
    outer, inner = rows["training step"], rows["decorated"]
    assert (outer.count, inner.count) == (4, 4)
    assert outer.cpu_time_total >= inner.cpu_time_total > 0
    assert outer.cpu_time == outer.cpu_time_total / 4
    stages = [next(e for k, e in rows.items() if k.startswith(s)) for s in ("op by op", "compile", "run")]
    assert all("dot" in e.key or "matmul" in e.key for e in stages), stages
    assert stages[2].count >= 2
    assert stages[2].flops >= 2 * 4 * 2 * 3 * (7 * 5 + 5) // 2
    assert stages[1].flops == 0
    assert [3, 7] in stages[2].input_shapes
    assert any("test_profiler.py" in e.stack[0] for e in stages)
    total = prof.events().self_cpu_time_total
    assert total == pytest.approx(sum(e.self_cpu_time_total for e in rows.values()))
    assert total == pytest.approx(outer.cpu_time_total, rel=0.5)
    inside = [e for e in prof.events() if e.key == "decorated"]
    assert all(e.cpu_parent.key == "training step" for e in inside)
    assert all(e.self_cpu_time_total < e.cpu_time_total for e in inside)


def test_the_table() -> None:
    with P.profile(with_flops=True) as prof, P.record_function("products"):
        y = fgrad.ones(30, 40) @ fgrad.ones(40, 50)
    assert y.shape == (30, 50)
    text = prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10)
    with torch.profiler.profile(with_flops=True) as theirs, torch.profiler.record_function("products"):
        torch.ones(30, 40) @ torch.ones(40, 50)
    wanted = theirs.key_averages().table(sort_by="self_cpu_time_total", row_limit=10).splitlines()
    lines = text.splitlines()
    assert lines[1].split("  ")[-1].strip() == "Total MFLOPs"
    assert [c.strip() for c in lines[1].split("  ") if c.strip()][:7] == [c.strip() for c in wanted[1].split("  ") if c.strip()][:7]
    assert any("products" in line for line in lines)
    assert lines[-1].startswith("Self CPU time total: ")
    assert "0.120" in text  # 2 x 30 x 40 x 50 operations
    times = [e.self_cpu_time_total for e in prof.key_averages()]
    first = lines[3].split()
    assert first[-1] == ("0.120" if times.index(max(times)) == next(i for i, e in enumerate(prof.key_averages()) if e.flops) else "--")
    assert len(prof.key_averages().table(row_limit=1).splitlines()) == 6
    assert prof.key_averages().total_average().count == len(prof.events())
    assert "ms" in prof.key_averages().table(time_unit="ms")
    with pytest.raises(ValueError, match="colour"):
        prof.key_averages().table(sort_by="colour")


def test_steps_by_a_schedule() -> None:
    model, optimizer, x = trained()
    seen: list[list[str]] = []

    def ready(p: Any) -> None:
        seen.append([e.key for e in p.events() if e.key.startswith("ProfilerStep")])

    with P.profile(schedule=P.schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=ready) as prof:
        for _ in range(10):
            step(model, optimizer, x)
            prof.step()
    assert seen == [["ProfilerStep#2", "ProfilerStep#3"], ["ProfilerStep#6", "ProfilerStep#7"]]
    assert prof.step_num == 10
    assert not any(e.key.startswith("compile") for e in prof.events())  # warmed up


def test_a_schedule_that_ends_early_hands_over_what_it_has() -> None:
    seen = []
    with P.profile(schedule=P.schedule(wait=0, warmup=0, active=5), on_trace_ready=lambda p: seen.append(len(p.events()))) as prof:
        for _ in range(2):
            fgrad.ones(2).add(1).sum().item()
            prof.step()
    assert len(seen) == 1
    assert seen[0] >= 3


def test_recorded_functions_are_timed() -> None:
    f = fgrad.jit(lambda x: fgrad.sin(x) * 2)
    x = fgrad.ones(5)
    with P.profile() as prof:
        f(x)
        f(x)
        fgrad.compile(lambda a: a.cos() + 1)(x).sum().item()
    keys = [e.key for e in prof.events()]
    assert sum(k.startswith("run") and "sin" in k for k in keys) == 2
    assert sum(k.startswith("compile") and "sin" in k for k in keys) == 1
    assert any("cos" in k for k in keys)


def test_traces_are_written(tmp_path: Path) -> None:
    with P.profile(with_stack=True, on_trace_ready=P.tensorboard_trace_handler(str(tmp_path / "log"), "me")) as prof, P.record_function("range"):
        fgrad.ones(4).exp().sum().item()
    prof.add_metadata("note", "text")
    prof.add_metadata_json("more", "[1]")
    prof.export_chrome_trace(str(tmp_path / "t.json"))
    trace = json.loads((tmp_path / "t.json").read_text())
    assert (trace["note"], trace["more"]) == ("text", [1])
    (span,) = [e for e in trace["traceEvents"] if e["name"] == "range"]
    assert (span["ph"], span["cat"]) == ("X", "user_annotation")
    assert span["dur"] > 0
    inner = [e for e in trace["traceEvents"] if e["cat"] == "cpu_op"]
    assert inner
    assert all(span["ts"] <= e["ts"] and e["ts"] + e["dur"] <= span["ts"] + span["dur"] for e in inner)
    (log,) = (tmp_path / "log").glob("me.*.pt.trace.json")
    assert json.loads(log.read_text())["traceEvents"]
    prof.export_stacks(str(tmp_path / "stacks"))
    assert "test_profiler.py" in (tmp_path / "stacks").read_text()
    with pytest.raises(ValueError, match="compress"):
        P.tensorboard_trace_handler("x", use_gzip=True)


def test_nothing_is_left_behind() -> None:
    with P.record_function("alone"):
        x = fgrad.ones(2) + 1
    assert x._data is None  # no profile: nothing is computed for it
    prof = P.profile()
    with pytest.raises(ValueError, match="finish"):
        prof.events()
    with pytest.raises(ZeroDivisionError), prof:
        raise ZeroDivisionError
    assert engine.TIMERS == []
    assert P.recorder.RECORDING == []
    prof.stop()
    assert not P.kineto_available()
    assert P.supported_activities() == {P.ProfilerActivity.CPU}


def test_the_former_form() -> None:
    old = fgrad.autograd.profiler
    with old.profile(use_cuda=False, record_shapes=True) as prof, old.record_function("range"):
        fgrad.ones(4).exp().sum().item()
    assert "range" in prof.table(sort_by="self_cpu_time_total")
    assert prof.total_average().count == len(prof.function_events) >= 2
    assert prof.self_cpu_time_total == pytest.approx(sum(e.self_cpu_time_total for e in prof.key_averages()))
    with pytest.raises(ValueError, match="reentrant"), prof:
        pass
    with old.profile(enabled=False) as off:
        assert off is None
    assert old.record_function is P.record_function
    assert engine.TIMERS == []
