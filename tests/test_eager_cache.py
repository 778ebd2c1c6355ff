"""What is recorded anew and what is not: counts of misses, programs and allocations."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import fgrad as fg
from fgrad import nn, optim
from fgrad.eager import engine, explain
from fgrad.eager.operands import compose
from fgrad.eager.tape import THREAD


class Loop:
    """A small training loop whose steps can be counted."""

    def __init__(self, size: int = 8) -> None:
        fg.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(0.5), nn.Linear(size, 3))
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-3)
        self.criterion = nn.CrossEntropyLoss()
        self.rng = np.random.default_rng(0)

    def batch(self, n: int = 16) -> tuple[Any, Any]:
        return fg.tensor(self.rng.normal(size=(n, 6)).astype("float32")), fg.tensor(self.rng.integers(0, 3, n))

    def step(self, n: int = 16) -> Any:
        x, y = self.batch(n)
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def evaluate(self, n: int = 16) -> Any:
        self.model.eval()
        with fg.no_grad():
            x, y = self.batch(n)
            loss = self.criterion(self.model(x), y)
        self.model.train()
        return loss


def misses(action: Any) -> int:
    before = explain.count()
    action()
    return explain.count() - before


def programs(action: Any) -> int:
    seen: list[Any] = []
    engine.WATCHERS.append(lambda graph, donated: seen.append(graph))
    try:
        action()
    finally:
        engine.WATCHERS.pop()
    return len(seen)


def test_a_steady_loop_is_one_program_a_step() -> None:
    loop = Loop()
    assert misses(lambda: [loop.step().item() for _ in range(4)]) <= 2
    assert misses(lambda: [loop.step().item() for _ in range(6)]) == 0
    assert programs(lambda: [loop.step().item() for _ in range(6)]) == 6


def test_a_new_learning_rate_misses_nothing() -> None:
    loop = Loop()
    for _ in range(4):
        loop.step()

    def change() -> None:
        for i in range(5):
            loop.optimizer.param_groups[0]["lr"] = 1e-3 / (i + 2)
            loop.step()

    assert misses(change) == 0


def test_an_odd_last_batch_costs_one_miss_once() -> None:
    loop = Loop()
    for _ in range(3):
        loop.step()

    def epoch() -> None:
        for n in (16, 16, 5):
            loop.step(n)

    assert misses(epoch) == 1
    assert misses(lambda: [epoch() for _ in range(3)]) == 0


def test_alternating_train_and_eval_costs_one_miss_each() -> None:
    loop = Loop()

    def both() -> None:
        loop.step().item()
        loop.evaluate().item()

    both()
    both()
    assert misses(lambda: [both() for _ in range(4)]) == 0


def test_a_list_of_kept_losses_misses_nothing_more() -> None:
    loop, kept = Loop(), []
    kept.extend(loop.step() for _ in range(3))
    assert misses(lambda: [kept.append(loop.step()) for _ in range(6)]) == 0
    assert all(np.isfinite(t.item()) for t in kept)


def test_a_running_sum_of_losses_misses_nothing_more() -> None:
    loop = Loop()

    def run(n: int) -> Any:
        total = 0.0
        for _ in range(n):
            total = total + loop.step().detach()
        return total.item()

    run(4)
    assert misses(lambda: run(6)) <= 1


def test_a_living_traceback_costs_at_most_one_miss() -> None:
    loop = Loop()
    for _ in range(3):
        loop.step()
    held = []

    def fail() -> None:
        x, _ = loop.batch()
        hidden = loop.model[0](x)
        held.append(hidden)
        raise ValueError("held")

    def broken() -> None:
        try:
            fail()
        except ValueError as e:
            held.append(e)
        for _ in range(4):
            loop.step()

    assert misses(broken) <= 1


def test_a_tensor_that_fails_does_not_stand_in_the_way_of_others() -> None:
    """A notebook keeps the last traceback, and with it the tensor that could not be computed."""
    x = fg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = (x * x).sum()
    bad = fg.tensor([1.0, 2.0])[fg.tensor([0, 1]) + 4]
    worse = bad * 2
    with pytest.raises(IndexError, match="index 4 is out of range") as first:
        loss.item()
    assert loss.item() == 14
    with pytest.raises(IndexError, match="index 4"):
        worse.numpy()
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 4, 6])
    with pytest.raises(IndexError, match="index 4"):
        bad.tolist()
    with pytest.raises(IndexError, match="index 4"):
        (bad + 1).numpy()
    assert first.value is not None
    assert (x.detach() + 1).tolist() == [2, 3, 4]


def test_a_superset_of_the_outputs_is_accepted() -> None:
    x = fg.ones(3)

    def run(keep: bool) -> float:
        a = x * 2
        b = a + 1
        other = a if keep else None
        del a
        value = b.sum().item()
        del other
        return value

    run(True)
    run(True)
    assert misses(lambda: run(False)) == 0


def test_a_second_thread_reuses_compiled_programs() -> None:
    loop = Loop()
    for _ in range(4):
        loop.step().item()
    found: list[float] = []
    errors: list[BaseException] = []

    def other() -> None:
        try:
            mine = Loop()
            found.extend(mine.step().item() for _ in range(4))
        except BaseException as e:  # noqa: BLE001  # shown below
            errors.append(e)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert not errors
    assert len(found) == 4


def test_random_draws_are_one_structure() -> None:
    def run() -> float:
        return (fg.rand(4) + fg.randn(4)).sum().item()

    values = [run() for _ in range(3)]
    assert misses(lambda: values.append(run())) == 0
    assert len(set(values)) == 4


def test_changing_python_numbers_become_inputs_once() -> None:
    x = fg.ones(4)

    def run(k: float) -> float:
        return (x * k + 1.0).sum().item()

    assert [run(1.0 + i) for i in range(3)] == [8.0, 12.0, 16.0]
    assert misses(lambda: [run(0.5 * i) for i in range(1, 6)]) == 0
    assert run(-0.0) == 4.0


def test_slices_of_data_are_one_structure() -> None:
    data = fg.tensor(np.arange(40.0).reshape(10, 4))

    def run(i: int) -> float:
        return (data[i : i + 2] * 3).sum().item()

    run(0)
    run(2)
    assert misses(lambda: [run(i) for i in (4, 6, 8)]) == 0
    assert run(4) == pytest.approx(3 * sum(range(16, 24)))


def test_a_long_loop_without_reads_is_cut_and_settles() -> None:
    def run(n: int) -> float:
        x = fg.ones(4)
        for _ in range(n):
            x = x * 1.0001 + 0.5
        return x.sum().item()

    expected = 1.0
    for _ in range(3000):
        expected = expected * 1.0001 + 0.5
    assert run(3000) == pytest.approx(4 * expected, rel=1e-3)
    run(3000)
    run(3000)
    assert misses(lambda: run(3000)) == 0


def test_explain_says_what_changed_and_where() -> None:
    (fg.ones(1733) * 7.25).sum().item()  # sizes that no other test has recorded
    fg.ones(1741).mul(7.25).sum().item()  # the line explain must quote
    assert "the line explain must quote" in fg.explain()


def test_a_line_that_misses_forever_warns_once() -> None:
    with pytest.warns(RuntimeWarning, match="different programs were recorded") as caught:
        for n in range(1, 2 * explain.MANY):
            fg.ones(n, 2).add(fg.ones(n, 1)).sum().item()
    assert len(caught) == 1


def test_compile_gives_the_program_of_the_recorded_step() -> None:
    from fgrad.ir.hash import canonical_hash

    loop = Loop()
    compiled = fg.compile(loop.model)
    loop.model.eval()
    x, _ = loop.batch()

    def graph(f: Any) -> str:
        with fg.no_grad(), fg.capture() as c:
            f(x).sum().item()
        return canonical_hash(c.graph)

    assert graph(loop.model) == graph(compiled)


def test_an_error_while_running_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    for _ in range(2):
        loop.step()
    before = {k: v.clone().numpy() for k, v in loop.model.state_dict().items()}
    a = fg.ones(3) * 2
    original = engine.Entry.run

    def fail(self: Any, tape: Any) -> Any:
        raise FloatingPointError("stopped")

    monkeypatch.setattr(engine.Entry, "run", fail)
    with pytest.raises(FloatingPointError):
        a.sum().item()
    monkeypatch.setattr(engine.Entry, "run", original)
    assert a.tolist() == [2.0, 2.0, 2.0]
    for k, v in loop.model.state_dict().items():
        np.testing.assert_array_equal(before[k], v.numpy())


def test_compile_falls_back_where_backward_stands_inside() -> None:
    loop = Loop()
    x, y = loop.batch()

    @fg.compile
    def whole(a: Any, b: Any) -> Any:
        loss = loop.criterion(loop.model(a), b)
        loss.backward()
        return loss

    first = whole(x, y).item()
    assert loop.model[0].weight.grad is not None
    assert np.isfinite(loop.model[0].weight.grad.sum().item())
    assert np.isfinite(first)
    assert "fallback" in fg.explain()
    with pytest.raises(TypeError, match="calls backward"):
        fg.compile(whole._original, fullgraph=True)(x, y)


def test_a_composite_is_made_again_for_operands_of_known_types() -> None:
    calls: list[tuple[Any, ...]] = []

    def rule(x: Any, y: Any) -> Any:
        calls.append((x.type, y.type))
        return x * y + (x if x is y else y) * 2.0

    a, b, c = (fg.tensor([float(i), 2.0]) for i in range(3))
    first, second = compose(rule, a, b), compose(rule, b, c)
    assert len(calls) == 1
    same = compose(rule, a, a)
    assert len(calls) == 2  # one operand twice is another composite
    other = compose(rule, a[:1], b[:1])
    wanted = compose(rule, a.clone().requires_grad_(), b)
    assert len(calls) == 4
    assert wanted.requires_grad
    assert not second.requires_grad
    assert first._value.where != second._value.where  # each belongs to its own line
    assert first.tolist() == [2.0, 8.0]
    assert second.tolist() == [6.0, 8.0]
    assert same.tolist() == [0.0, 8.0]
    assert other.tolist() == [2.0]


def test_vmap_records_a_function_once() -> None:
    def gradients(scale: float, shift: fg.Tensor) -> fg.Tensor:
        loss = fg.func.grad(lambda w, x: ((w * x).sum() * scale + (w * shift).sum()) ** 2)
        return fg.func.vmap(loss, in_dims=(None, 0))(w, x)

    def wanted(scale: float, shift: fg.Tensor) -> np.ndarray:
        a, b, s = np.asarray(w), np.asarray(x), np.asarray(shift)
        return 2 * ((a * b).sum(1) * scale + (a * s).sum())[:, None] * (b * scale + s)

    w, x = fg.tensor([1.0, 2.0, -1.0]), fg.arange(6.0).reshape(2, 3)
    shifts = [fg.tensor([0.5, 1.0, 1.5]), fg.tensor([1.0, -1.0, 2.0])]
    np.testing.assert_allclose(np.asarray(gradients(2.0, shifts[0])), wanted(2.0, shifts[0]), rtol=1e-6)
    size = THREAD.examples.size()
    for shift in shifts:
        np.testing.assert_allclose(np.asarray(gradients(2.0, shift)), wanted(2.0, shift), rtol=1e-6)
    assert THREAD.examples.size() == size > 0
    for scale in (3.0, -0.5, 2.0):
        np.testing.assert_allclose(np.asarray(gradients(scale, shifts[1])), wanted(scale, shifts[1]), rtol=1e-6)


def test_a_vmap_within_a_vmap_has_recordings_of_its_own() -> None:
    x = fg.arange(24.0).reshape(2, 3, 4)
    for _ in range(2):
        y = fg.vmap(lambda a: fg.vmap(lambda b: (b * a.sum()).sum() + a[0])(a))(x)
        a = np.asarray(x)
        wanted = (a * a.sum((1, 2), keepdims=True)).sum(2)[:, :, None] + a[:, :1]
        np.testing.assert_allclose(np.asarray(y), wanted, rtol=1e-6)
