"""Derivatives where functions have kinks, ties, poles and zeros, and series against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evaluate import evaluate
from primitive_references import philox_block

import fgrad.primitives  # noqa: F401  # fills REGISTRY
from fgrad.ir.apply import constant
from fgrad.ir.operators import FUNCTIONS
from fgrad.ir.primitive import REGISTRY
from fgrad.ir.types import type_of_array
from fgrad.primitives import composites as c
from fgrad.primitives.elementary import logaddexp2
from fgrad.primitives.random_bits import philox
from fgrad.primitives.workspace import workspace
from fgrad.transforms.inline import trace
from fgrad.transforms.jvp import push
from fgrad.transforms.vjp import pull

INF, NAN = np.inf, np.nan


def gradients(f: Any, *xs: Any) -> list[Any]:
    """Cotangents of float64 operands for ones, checked against push."""

    def both(*vs: Any) -> Any:
        y = f(*vs)
        one = FUNCTIONS["broadcast_to"](constant(np.ones((), y.dtype)), shape=y.shape)
        cs = pull([y], [one], list(vs))
        return [v * 0 if c is None else c for v, c in zip(vs, cs, strict=True)]

    arrays = [np.asarray(x, float) for x in xs]
    return evaluate(trace(both, *map(type_of_array, arrays)), *arrays)


def tangent(f: Any, xs: list[Any], ts: list[Any]) -> Any:
    n = len(xs)
    graph = trace(
        lambda *v: push([f(*v[:n])], dict(zip(v[:n], v[n:], strict=True)))[0], *map(type_of_array, [*xs, *ts])
    )
    return evaluate(graph, *xs, *ts)[0]


def op(name: str, **params: Any) -> Any:
    return lambda *xs: FUNCTIONS[name](*xs, **params)


POINTS = [
    ("pow", ([0.0, 0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 0.5, 0.0]), ([0.0, 1.0, 0.0, INF, 0.0], [0.0, 0.0, 0.0, 0.0, np.log(2)])),
    ("sqrt", ([0.0],), ([INF],)),
    ("abs", ([0.0, -0.0, -2.0],), ([0.0, 0.0, -1.0],)),
    ("maximum", ([1.0, 1.0, NAN], [1.0, 2.0, 0.0]), ([0.5, 0.0, 1.0], [0.5, 1.0, 1.0])),
    ("minimum", ([1.0, 1.0], [1.0, 2.0]), ([0.5, 1.0], [0.5, 0.0])),
    ("hypot", ([0.0, 3.0], [0.0, 4.0]), ([0.0, 0.6], [0.0, 0.8])),
    ("atan2", ([0.0, 0.0, 1e-200], [0.0, 2.0, 1e-200]), ([0.0, 0.5, 5e199], [0.0, 0.0, -5e199])),
    ("clamp", ([0.0] * 4, [-1.0, 0.0, 1.0, 2.0], [1.0] * 4), ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0])),
    ("clamp", ([2.0, 2.0], [0.0, 3.0], [1.0, 1.0]), ([0.0, 0.0], [0.0, 0.0], [1.0, 1.0])),
    ("copysign", ([0.0, -2.0], [-1.0, 1.0]), ([0.0, -1.0], [0.0, 0.0])),
    ("log1p", ([0.0, 1e-20],), ([1.0, 1.0],)),
    ("expm1", ([0.0, -50.0],), ([1.0, np.exp(-50)],)),
    ("erfinv", ([0.0, 1.0],), ([np.sqrt(np.pi) / 2, INF],)),
    ("cbrt", ([0.0, 8.0],), ([INF, 1 / 12],)),
    ("rem", ([7.0, -7.0], [3.0, 3.0]), ([1.0, 1.0], [-2.0, 2.0])),
    ("asinh", ([1e200],), ([1e-200],)),
    ("sigmoid", ([1000.0, -1000.0],), ([0.0, 0.0],)),
    ("tanh", ([1000.0],), ([0.0],)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "xs", "want"), POINTS, ids=[f"{p[0]}{i}" for i, p in enumerate(POINTS)])
def test_gradient_at_points(name: str, xs: Any, want: Any) -> None:
    for got, w in zip(gradients(op(name), *xs), want, strict=True):
        np.testing.assert_allclose(got, w, rtol=1e-14)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0, -1.0])
def test_constant_powers(exponent: float) -> None:
    f = lambda x: x**exponent
    (got,) = gradients(f, [2.0, -3.0, 0.0])
    with np.errstate(all="ignore"):
        want = exponent * np.array([2.0, -3.0, 0.0]) ** (exponent - 1) if exponent else np.zeros(3)
    np.testing.assert_allclose(got, want)
    second = gradients(lambda x: pull([f(x)], [x * 0 + 1], [x])[0] if exponent else x * 0, [0.0, 2.0])[0]
    assert second[1] == pytest.approx(exponent * (exponent - 1) * 2 ** (exponent - 2))


def test_select_hides_what_is_not_chosen() -> None:
    f = lambda x: FUNCTIONS["select"](FUNCTIONS["gt"](x, x * 0), FUNCTIONS["sqrt"](x), x)
    np.testing.assert_array_equal(
        gradients(lambda x: FUNCTIONS["select"](FUNCTIONS["lt"](x, x * 0), x / (x * 0), x), [1.0])[0], NAN
    )
    safe = lambda x: FUNCTIONS["select"](
        FUNCTIONS["gt"](x, x * 0), FUNCTIONS["sqrt"](FUNCTIONS["maximum"](x, x * 0 + 1)), x
    )
    assert gradients(safe, [-1.0])[0] == 1
    assert gradients(f, [4.0])[0] == 0.25


@pytest.mark.parametrize("name", ["reduce_prod", "cumprod"])
@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2, 3)], ids=str)
def test_products_with_zeros(name: str, zeros: tuple[int, ...]) -> None:
    x = np.array([2.0, -3.0, 0.5, 4.0])
    x[list(zeros)] = 0
    for reverse in (False, True):
        params = {"axes": (0,)} if name == "reduce_prod" else {"axis": 0, "reverse": reverse}
        runs = [(0, 4)] if name == "reduce_prod" else [(i, 4) if reverse else (0, i + 1) for i in range(4)]
        want = [sum(np.prod(np.delete(x[a:b], i - a)) for a, b in runs if a <= i < b) for i in range(4)]
        np.testing.assert_allclose(gradients(op(name, **params), x)[0], want)
        # d²/dx0 dx1 of the product is that of the others
        first = lambda v: pull([FUNCTIONS[name](v, **params)], [FUNCTIONS[name](v, **params) * 0 + 1], [v])[0]
        hessian = [tangent(first, [x], [np.eye(4)[i]]) for i in range(4)]
        pairs = lambda i, j: sum(
            np.prod([x[k] for k in range(a, b) if k not in (i, j)]) for a, b in runs if a <= min(i, j) and max(i, j) < b
        )
        np.testing.assert_allclose(hessian, [[0 if i == j else pairs(i, j) for j in range(4)] for i in range(4)])


def test_scatter_set_gives_the_gradient_to_the_last_writer() -> None:
    i = constant(np.array([1, 0, 1, 1]))
    f = lambda x, u: FUNCTIONS["scatter"](x, u, i, axes=(0,), op="set", mode="raise")
    gx, gu = gradients(f, np.zeros((3, 2)), np.ones((4, 2)))
    np.testing.assert_array_equal(gx, [[0, 0], [0, 0], [1, 1]])
    np.testing.assert_array_equal(gu, [[0, 0], [1, 1], [0, 0], [1, 1]])


def test_scatter_mul_is_right_at_zeros() -> None:
    i = constant(np.array([0, 0, 1, 1, 1, 2]))
    f = lambda x, u: FUNCTIONS["scatter"](x, u, i, axes=(0,), op="mul", mode="raise")
    gx, gu = gradients(f, [2.0, 3.0, 0.0], [0.0, 5.0, 0.0, 7.0, 0.0, 4.0])
    np.testing.assert_array_equal(gx, [0, 0, 4])
    np.testing.assert_array_equal(gu, [10, 0, 0, 0, 0, 0])


torch_tests = pytest.mark.oracle


@torch_tests
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_of_reductions_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([[1.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [0.0, -1.0, 5.0, 5.0]])
    t = torch.tensor(x, requires_grad=True)
    getattr(torch, name)(t, (0, 1)).backward()
    mine = gradients(op("reduce_max" if name == "amax" else "reduce_min", axes=(0, 1)), x)[0]
    np.testing.assert_array_equal(mine, t.grad.numpy())
    t.grad = None
    getattr(torch, name)(t, 1).sum().backward()
    mine = gradients(op("reduce_max" if name == "amax" else "reduce_min", axes=(1,)), x)[0]
    np.testing.assert_allclose(mine, t.grad.numpy())


@torch_tests
@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_ties_of_running_extremes_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.array([[1.0, 3.0, 3.0, 1.0, 4.0], [2.0, 2.0, 1.0, 1.0, 2.0]])
    t = torch.tensor(x, requires_grad=True)
    getattr(torch, name)(t, 1).values.sum().backward()
    np.testing.assert_array_equal(gradients(op(name, axis=1), x)[0], t.grad.numpy())


@torch_tests
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_ties_of_scatter_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    x, u, i = np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 2.0, 5.0, 0.0]), np.array([0, 0, 1, 1, 2])
    tx, tu = torch.tensor(x, requires_grad=True), torch.tensor(u, requires_grad=True)
    tx.scatter_reduce(0, torch.tensor(i), tu, name).sum().backward()
    params = {"axes": (0,), "op": name[1:], "mode": "raise"}
    gx, gu = gradients(lambda a, b: FUNCTIONS["scatter"](a, b, constant(i), **params), x, u)
    np.testing.assert_allclose(gx, tx.grad.numpy())
    np.testing.assert_allclose(gu, tu.grad.numpy())


@torch_tests
def test_max_pool_as_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 7, 6)).astype(float)
    x[0, 0, 2, 2], x[0, 1] = NAN, -INF
    t = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.max_pool2d(t, 3, 2, 1)
    y.sum().backward()
    pads = ((0, 0), (0, 0), (1, 1), (1, 1))
    params = {"window": (1, 1, 3, 3), "stride": (1, 1, 2, 2), "padding": pads, "dilation": (1, 1, 1, 1)}
    np.testing.assert_array_equal(REGISTRY["window_max"].lower(np, None, x, **params), y.detach().numpy())
    np.testing.assert_array_equal(gradients(op("window_max", **params), x)[0], t.grad.numpy())


RANGES = {
    "erf": (-6, 6), "erfc": (-6, 26), "erfinv": (-1, 1), "lgamma": (-9, 30), "digamma": (-9, 30),
}  # fmt: skip


@torch_tests
@pytest.mark.parametrize("name", RANGES)
def test_series_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    x = np.concatenate(
        [np.random.default_rng(0).uniform(*RANGES[name], 2000), [0.0, -0.0, 1.0, 2.0, -1.0, INF, -INF, NAN, 1e-300]]
    )
    if name == "digamma":
        x = x[x != -INF]
    with np.errstate(all="ignore"):
        got = REGISTRY[name].lower(np, None, x)
    np.testing.assert_allclose(got, getattr(torch, name)(torch.tensor(x)).numpy(), rtol=3e-13, atol=2e-14)


@torch_tests
@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_polygamma_as_torch(n: int) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).uniform(-5 if n < 3 else 0.01, 30, 500)
    want = torch.polygamma(n, torch.tensor(x)).numpy()
    np.testing.assert_allclose(REGISTRY["polygamma"].lower(np, None, x, order=n), want, rtol=1e-8)


@torch_tests
def test_zeta_as_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    s, q = rng.uniform(1.01, 12, 400), rng.uniform(0.01, 40, 400)
    with np.errstate(all="ignore"):
        edges = [np.array(v, float) for v in zip((1, 2), (0.5, 2), (2, 0), (3, -2), (2.5, -0.5), (3, -0.5), (np.nan, 1), (2, np.nan), (2, np.inf), strict=True)]
        for a, b in ((s, q), tuple(edges)):
            want = torch.special.zeta(torch.tensor(a), torch.tensor(b)).numpy()
            np.testing.assert_allclose(REGISTRY["zeta"].lower(np, None, a, b), want, rtol=1e-9)


def words(*texts: str) -> list[Any]:
    return [np.array([int(t, 16)], "uint64") for t in texts]


KNOWN = [  # known answers published with Random123
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_philox_known_answers(counter: str, key: str, want: str) -> None:
    with workspace(np) as ws:
        got = philox(ws, tuple(words(*counter.split())), tuple(words(*key.split())))
        assert " ".join(f"{int(w[0]):08x}" for w in got) == want


def test_random_bits_are_words_of_blocks() -> None:
    key, offset = np.array([3, 2**32 - 1], "uint32"), np.array(2**64 - 2, "uint64")
    lower = REGISTRY["random_bits"].lower
    bits = lower(np, None, key, offset, shape=(11,))
    blocks = [philox_block((2**64 - 2 + i) % 2**64, key) for i in range(3)]
    np.testing.assert_array_equal(bits, np.array(blocks, "uint64").reshape(-1)[:11])
    long = lower(np, None, key, np.array(5, "uint64"), shape=(70_000,))
    np.testing.assert_array_equal(
        long[4 * 9000 : 4 * 9000 + 40], lower(np, None, key, np.array(9005, "uint64"), shape=(40,))
    )


@pytest.mark.parametrize(("f", "values"), [
    (c.softplus, (0.5, 0.25, 0.0)), (c.log_sigmoid, (0.5, -0.25, 0.0)),
    (lambda x: c.logaddexp(x, c.number(0.0, x)), (0.5, 0.25, 0.0)),
    (lambda x: logaddexp2(x, c.number(0.0, x)), (0.5, np.log(2) / 4, 0.0)),
    (lambda x: logaddexp2(c.number(0.0, x), x), (0.5, np.log(2) / 4, 0.0)),
], ids=["softplus", "log_sigmoid", "logaddexp", "logaddexp2", "logaddexp2 turned"])  # fmt: skip
@pytest.mark.parametrize("at", [0.0, -0.0])
def test_stable_formulas_with_a_choice_inside_have_every_derivative_at_its_border(
    f: Any, values: tuple[float, ...], at: float
) -> None:
    def derivatives(x: Any) -> list[Any]:
        y, out = f(x), []
        for _ in values:
            (y,) = pull([y], [constant(np.ones(()))], [x])
            out.append(y)
        return out

    x = np.array(at)
    np.testing.assert_allclose(evaluate(trace(derivatives, type_of_array(x)), x), values, rtol=1e-12, atol=1e-12)
