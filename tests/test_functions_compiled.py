"""compile: what it must leave as it is."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import compiled_more
import compiled_programs
import pytest

import fgrad as fg

torch = pytest.importorskip("torch")


def plain(f: Any = None, **options: Any) -> Any:
    return (lambda g: g) if f is None else f


THEIRS = compiled_programs.programs(torch, plain) | compiled_more.programs(torch, plain)
OURS = compiled_programs.programs(fg, fg.compile) | compiled_more.programs(fg, fg.compile)


def agree(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(agree, a, b))
    return abs(a - b) <= 1e-4 * max(1, abs(a)) if isinstance(a, float) else a == b


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("name", THEIRS)
def test_compiled_programs_do_what_plain_ones_do(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected, printed = THEIRS[name](), capsys.readouterr().out
    found = OURS[name]()
    assert agree(expected, found), (expected, found)
    assert capsys.readouterr().out == printed


def test_what_does_not_change_is_recorded_once() -> None:
    f = fg.compile(lambda x, n=2: x * n)
    for n in (2, 2, 3, 3):
        f(fg.ones(2), n)
    assert len(f.recordings()) == 2
    runs: list[int] = []

    class Net(fg.nn.Linear):
        def forward(self, input: Any) -> Any:
            runs.append(0) if self.training else None
            return super().forward(input)

    net = fg.compile(Net(2, 2).eval())
    for _ in range(3):
        net(fg.ones(1, 2))
    assert len(net._compiled.recordings()) == 1
    net.train()
    for _ in range(3):
        net(fg.ones(1, 2))
    assert len(runs) == 3
    assert len(net._compiled.recordings()) == 1


def test_compile_refuses_what_pytorch_refuses() -> None:
    with pytest.raises(RuntimeError, match="mode or options"):
        fg.compile(abs, mode="default", options={})
    with pytest.raises(RuntimeError, match="Unrecognized mode"):
        fg.compile(abs, mode="fast")
    with pytest.raises(AssertionError, match="callable"):
        fg.compile(3)
    assert fg.compile(abs, disable=True) is abs
    f = fg.compile(fullgraph=True, dynamic=True, mode="max-autotune", backend="inductor")(abs)
    assert f(-fg.ones(1)).tolist() == [1.0]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_compiled_module_is_a_module_around_the_original() -> None:
    theirs, ours = torch.compile(torch.nn.Linear(2, 1)), fg.compile(fg.nn.Linear(2, 1))
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, fg.nn.Module)
    for names in ("state_dict", "named_parameters", "named_modules"):
        assert list(dict(getattr(ours, names)())) == list(dict(getattr(theirs, names)()))
    ours.load_state_dict({k: fg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert ours.weight is ours._orig_mod.weight
    ours.eval()
    assert not ours._orig_mod.training
    ours._orig_mod.train()
    assert ours.training
    ours.note = 3
    assert ours._orig_mod.note == 3
    del ours.note
    assert not hasattr(ours, "note")
    log: list[int] = []
    ours.register_forward_hook(lambda *a: log.append(1))
    x = fg.ones(3, 2)
    loss = fg.func.functional_call(ours, dict(ours.named_parameters()), x).sum()
    assert abs(loss.item() - ours(x).sum().item()) < 1e-6
    assert len(log) == 2
    grads = fg.grad(lambda net: net(x).sum())(ours)
    assert grads.weight.tolist() == [[3.0, 3.0]]


def test_a_module_compiles_its_calls_in_place() -> None:
    net = fg.nn.Sequential(fg.nn.Linear(2, 2), fg.nn.BatchNorm1d(2))
    twin, x = copy.deepcopy(net), fg.randn(4, 2)
    net.compile(fullgraph=True)
    assert "_compiled_call_impl" not in net.state_dict()
    for _ in range(2):
        assert net(x).tolist() == twin(x).tolist()
    other = copy.deepcopy(net)
    net.eval(), twin.eval()
    assert net(x).tolist() == twin(x).tolist()
    handle = net.register_forward_hook(lambda m, i, o: o * 2)
    assert net(x).tolist() == (twin(x) * 2).tolist()
    handle.remove()
    net[0].weight = fg.nn.Parameter(fg.zeros(2, 2))
    assert net(x).tolist() != twin(x).tolist()
    assert fg.grad(lambda n: n(x).sum())(other)[0].bias.shape == (2,)


def test_arguments_written_in_place_are_written() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        x.add_(1)
        return x * 2

    x = fg.zeros(2)
    for i in range(1, 4):
        assert f(x).tolist() == [2.0 * i] * 2
        assert x.tolist() == [float(i)] * 2


def test_arguments_written_through_a_view_are_written() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        x[0] = 5.0
        return x.sum()

    x = fg.zeros(2)
    assert f(x).item() == 5.0
    assert x.tolist() == [5.0, 0.0]


def test_fullgraph_refuses_what_has_no_graph() -> None:
    assert fg.compile(lambda x: x.add_(1), fullgraph=True)(fg.zeros(2)).tolist() == [1.0, 1.0]
    w = fg.ones(2).requires_grad_()
    for f, name in ((lambda x: (print(end=""), x)[1], "print"), (lambda x: x * x.sum().item(), "item"), (lambda x: (w * x).sum().backward(), "backward")):
        with pytest.raises(TypeError, match=f"calls .*{name}"):
            fg.compile(f, fullgraph=True)(fg.zeros(2))


def test_python_numbers_stay_python_numbers() -> None:
    @fg.compile
    def f(x: Any) -> Any:
        return {"y": x + 1, "n": 3, "flag": True, "none": None, "half": 0.5}

    for _ in range(2):
        out = f(fg.zeros(1))
        assert (type(out["n"]), out["flag"], out["none"], out["half"]) == (int, True, None, 0.5)
        assert out["y"].tolist() == [1.0]


def test_compiled_modules_are_copied_and_pickled() -> None:
    m = fg.compile(fg.nn.Linear(2, 1))
    x = fg.ones(1, 2)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert twin(x).tolist() == m(x).tolist()
        with fg.no_grad():
            twin.weight.zero_()
        assert m.weight.tolist() != twin.weight.tolist()


def test_backward_hooks_of_the_old_kind() -> None:
    log: list[Any] = []
    net = fg.nn.Linear(2, 1)
    net.register_backward_hook(lambda m, i, o: log.append((i[0].tolist(), o[0].tolist())) or (i[0] * 2,))
    with pytest.raises(RuntimeError, match="both regular"):
        net.register_full_backward_hook(print)
    x = fg.ones(1, 2).requires_grad_()
    net(x).sum().backward()
    assert log == [(net.weight.tolist(), [[1.0]])]
    assert x.grad.tolist() == (net.weight * 2).tolist()
    full = fg.nn.Linear(2, 1)
    full.register_full_backward_hook(print)
    with pytest.raises(RuntimeError, match="both regular"):
        full.register_backward_hook(print)


def test_offsets_of_generators_are_a_cuda_devices() -> None:
    g = fg.Generator()
    for call in (g.get_offset, lambda: g.set_offset(4)):
        with pytest.raises(RuntimeError, match="does not use offset"):
            call()
    g.device = fg.device("cuda")
    g.set_offset(8)
    assert (g.get_offset(), g.get_state().numpy().view("uint64")[1]) == (8, 2)
    with pytest.raises(RuntimeError, match="multiple of 4"):
        g.set_offset(3)
