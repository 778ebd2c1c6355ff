"""What a Module holds, refuses, loads and hooks, against PyTorch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad

torch = pytest.importorskip("torch")

BOTH = [torch, fgrad]


def small(T: Any) -> Any:
    """A linear layer with fixed numbers."""
    m = T.nn.Linear(2, 1)
    with T.no_grad():
        m.weight.copy_(T.tensor([[0.5, -1.5]]))
        m.bias.copy_(T.tensor([0.25]))
    return m


def x_of(T: Any, grad: bool = True) -> Any:
    return T.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]], requires_grad=grad)


def plain(x: Any) -> Any:
    """Tensors as lists."""
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    return np.round(x.detach().numpy(), 5).tolist() if hasattr(x, "detach") else x


def taken(T: Any) -> Any:
    m = T.nn.Module()
    m.x = 1
    return m


REFUSED: list[tuple[type[Exception], Callable[[Any], Any]]] = [
    (TypeError, lambda T: T.nn.Module().add_module("x", 3)),
    (KeyError, lambda T: T.nn.Module().add_module("x.y", T.nn.ReLU())),
    (KeyError, lambda T: T.nn.Module().add_module("", T.nn.ReLU())),
    (KeyError, lambda T: taken(T).add_module("x", T.nn.ReLU())),
    (KeyError, lambda T: T.nn.Module().register_parameter("a.b", None)),
    (KeyError, lambda T: taken(T).register_parameter("x", T.nn.Parameter(T.ones(1)))),
    (KeyError, lambda T: T.nn.Module().register_buffer("a.b", T.ones(1))),
    (KeyError, lambda T: taken(T).register_buffer("x", T.ones(1))),
    (TypeError, lambda T: setattr(T.nn.BatchNorm1d(2), "running_mean", 3)),
    (TypeError, lambda T: T.nn.Linear(1, 1).to(T.int64)),
    (TypeError, lambda T: T.nn.Linear(1, 1).load_state_dict([1])),
    (TypeError, lambda T: T.nn.Sequential(3)),
    (AttributeError, lambda T: T.nn.Sequential(T.nn.ReLU()).get_submodule("7")),
    (AttributeError, lambda T: T.nn.Linear(1, 1).get_submodule("weight")),
    (AttributeError, lambda T: T.nn.Linear(1, 1).get_parameter("w")),
    (AttributeError, lambda T: T.nn.BatchNorm1d(1).get_buffer("weight")),
]


@pytest.mark.parametrize("T", BOTH)
@pytest.mark.parametrize(("error", "f"), REFUSED)
def test_refusals(T: Any, error: type[Exception], f: Callable[[Any], Any]) -> None:
    with pytest.raises(error):
        f(T)


def submodules(T: Any) -> Any:
    m = T.nn.Sequential(T.nn.Linear(2, 3), T.nn.BatchNorm1d(3))
    m.set_submodule("0", T.nn.Linear(2, 3, bias=False))
    m.tied = m[0]
    return [
        repr(m[0]), m.get_buffer("1.running_mean").tolist(), m.get_submodule("") is m,
        [n for n, _ in m.named_parameters()], [n for n, _ in m.named_parameters(remove_duplicate=False)],
    ]  # fmt: skip


def conversions(T: Any) -> Any:
    m = small(T)
    m(x_of(T)).sum().backward()
    kept = m.weight
    m.double()
    out = [str(m.weight.dtype)[-7:], str(m.weight.grad.dtype)[-7:], plain(m.weight.grad), m.weight is kept]
    return [*out, str(m.bfloat16().bias.dtype)[-8:], str(m.type(T.float64).bias.dtype)[-7:]]


def assigned(T: Any) -> Any:
    m, w = small(T), T.ones(1, 2, dtype=T.float64)
    answer = repr(m.load_state_dict({"weight": w}, strict=False, assign=True))
    w[0, 0] = 5.0
    if T is fgrad:  # a Parameter copies what it is made from
        w = T.ones(1, 2)
    return [answer, type(m.weight).__name__, str(m.weight.dtype)[-7:], m.weight.requires_grad, m.weight[0, 1].item()]


def forward_hooks(T: Any) -> Any:
    class M(T.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, k: float = 1.0) -> Any:
            return x * k

    m, seen = M(), []
    m.register_forward_pre_hook(lambda mod, a, kw: (a, {"k": 5.0}), with_kwargs=True)
    m.register_forward_hook(lambda mod, a, kw, out: seen.append(dict(kw)), with_kwargs=True)
    m.register_forward_hook(lambda mod, a, out: out + 1, prepend=True)
    with m.register_forward_hook(lambda *a: seen.append("inside")):
        y = m(T.ones(1), k=2.0)
    m(T.ones(1))
    return [plain(y), seen]


def order_of_hooks(T: Any) -> Any:
    m, seen = T.nn.ReLU(), []
    m.register_forward_hook(lambda *a: seen.append(1))
    m.register_forward_hook(lambda *a: seen.append(2), prepend=True)
    m.register_forward_pre_hook(lambda *a: seen.append(3))
    m.register_forward_pre_hook(lambda *a: seen.append(4), prepend=True)
    m.register_forward_hook(lambda *a: seen.append(5), always_call=True)
    m(T.ones(1))
    with pytest.raises((TypeError, AttributeError)):
        m("no tensor")
    return seen


def removed_twice(T: Any) -> Any:
    m, seen = T.nn.ReLU(), []
    first = m.register_forward_hook(lambda *a: seen.append(1))
    first.remove()
    m.register_forward_hook(lambda *a: seen.append(2))
    first.remove()
    m(T.ones(1))
    return seen


def backward_hooks(T: Any) -> Any:
    m, seen, x = small(T), [], x_of(T)
    m.register_full_backward_hook(lambda mod, gi, go: seen.append((plain(gi), plain(go))))
    (m(x) ** 2).sum().backward()
    m.register_full_backward_hook(lambda mod, gi, go: None if gi[0] is None else (gi[0] * 3,))
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    (m(x) ** 2).sum().backward()
    (m(x.detach()) ** 2).sum().backward()
    return [seen, plain(x.grad), plain(m.weight.grad)]


@pytest.mark.parametrize(
    "case", [submodules, conversions, assigned, forward_hooks, order_of_hooks, removed_twice, backward_hooks]
)
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_as_in_torch(case: Callable[[Any], Any]) -> None:
    assert case(fgrad) == case(torch)


def sequential(T: Any) -> Any:
    nn = T.nn
    s = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    named = nn.Sequential(OrderedDict([("a", nn.Linear(1, 1)), ("b", nn.ReLU())]))
    out = [repr(s.append(nn.Tanh())), repr(s[0:2]), repr(s[-1]), repr(named[1:]), repr(named.a)]
    out += [repr(s.insert(0, nn.Sigmoid())), repr(s.extend([nn.ReLU()]))]
    del s[0]
    s[0] = nn.ReLU()
    named[0] = nn.Tanh()
    out += [repr(s), repr(named), repr(s.pop(-1)), repr(s + named), repr(named * 2)]
    s += named
    del s[1:3]
    return [*out, repr(s), [type(m).__name__ for m in s], len(s), list(nn.Sequential(nn.Linear(1, 1)).state_dict())]


def module_list(T: Any) -> Any:
    nn = T.nn
    m = nn.ModuleList([nn.Linear(1, 1), nn.ReLU()])
    out = [repr(m.append(nn.Tanh()).extend([nn.ReLU()]))]
    m.insert(1, nn.Sigmoid())
    m[0], m[-1] = nn.ReLU(), nn.Tanh()
    out.append(repr(m))
    del m[1]
    del m[-1]
    out += [repr(m), repr(m[0:1]), repr(m.pop(0)), repr(m)]
    m += [nn.Linear(1, 1)]
    return [*out, repr(m + nn.ModuleList([nn.Tanh()])), list(m.state_dict()), repr(nn.ModuleList(nn.ReLU() for _ in range(3)))]


def module_dict(T: Any) -> Any:
    nn = T.nn
    m = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    m["c"] = nn.Tanh()
    m.update([["d", nn.ReLU()]])
    m.update(nn.ModuleDict({"y": nn.ReLU()}))
    out = [repr(m), list(m), len(m), "a" in m, repr(m.pop("a"))]
    del m["b"]
    out += [repr(m), repr(nn.ModuleDict([("q", nn.ReLU())]))]
    m.clear()
    return [*out, len(m)]


def parameter_containers(T: Any) -> Any:
    nn = T.nn
    m = nn.ParameterList([nn.Parameter(T.ones(1)), T.ones(2)])
    m.extend([nn.Parameter(T.ones(3))])
    m[0] = nn.Parameter(T.zeros(1))
    d = nn.ParameterDict({"a": nn.Parameter(T.ones(1))})
    d["b"] = T.ones(2)
    return [list(m.state_dict()), plain(m[0]), len(m[1:]), list(d), plain(d["b"]), d["b"].requires_grad, list(d.state_dict())]


@pytest.mark.parametrize("case", [sequential, module_list, module_dict, parameter_containers])
def test_containers(case: Callable[[Any], Any]) -> None:
    assert case(fgrad) == case(torch)


@pytest.mark.parametrize("T", BOTH)
def test_containers_refuse_positions_outside(T: Any) -> None:
    for wrong in (lambda: T.nn.Sequential().insert(3, T.nn.ReLU()), lambda: T.nn.ModuleList([T.nn.ReLU()])[4]):
        with pytest.raises(IndexError):
            wrong()
    with pytest.raises(TypeError):
        T.nn.ModuleList([3])
    with pytest.raises(TypeError):
        T.nn.ModuleList().extend(3)
