"""Axes that vmap names and the collectives over them, against jax.lax; where JAX has no rule, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")

X = np.array([1.0, -2.0, 4.0], "f4")
M = np.arange(18, dtype="f4").reshape(3, 3, 2) ** 1.5
BOTH = (fgrad, jnp, lax), (jax, jax.numpy, jax.lax)


def same(got: Any, want: Any) -> None:
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-5, atol=1e-5)
        assert np.asarray(g).dtype.kind == np.asarray(w).dtype.kind


ONE = {
    "psum": lambda m, L, x: L.psum(x, "i"),
    "psum-tuple": lambda m, L, x: L.psum(x * 2, ("i",)),
    "psum-none": lambda m, L, x: L.psum(x, ()),
    "psum-tree": lambda m, L, x: L.psum({"a": x, "b": [x**2, 1]}, "i"),
    "psum-own": lambda m, L, x: L.psum(m.stack([x, x * x]), ("i", 0)),
    "psum-constant": lambda m, L, x: L.psum(m.ones(2), "i") * x,
    "pmean": lambda m, L, x: L.pmean(m.sin(x), "i") * x,
    "all_gather": lambda m, L, x: L.all_gather(x, "i") * x,
    "all_gather-axis": lambda m, L, x: L.all_gather(m.stack([x, x**2]), "i", axis=-1),
    "all_gather-tiled": lambda m, L, x: L.all_gather(m.stack([x, x**2]), "i", tiled=True),
    "all_gather-tiled-axis": lambda m, L, x: L.all_gather(m.ones((2, 3)) * x, "i", axis=1, tiled=True),
    "ppermute": lambda m, L, x: L.ppermute(x, "i", [(0, 2), (1, 0), (2, 1)]),
    "pshuffle": lambda m, L, x: L.pshuffle(x**2, "i", [1, 2, 0]),
    "index": lambda m, L, x: x * L.axis_index("i"),
    "size": lambda m, L, x: x * L.axis_size("i"),
    "scatter": lambda m, L, x: L.psum_scatter(m.stack([x, x * 2, x**2]), "i"),
    "scatter-tiled": lambda m, L, x: L.psum_scatter(m.arange(12.0).reshape(2, 6) * x, "i", scatter_dimension=1, tiled=True),
    "nested-grad": lambda m, L, x: L.psum(m.tanh(L.pmean(x * x, "i")) + x, "i") * x,
}  # fmt: skip
VALUES = {
    "pmax": lambda m, L, x: L.pmax(x, "i"),
    "pmin": lambda m, L, x: L.pmin({"x": x}, "i"),
    "psum-bool": lambda m, L, x: L.psum(x > 0, "i"),
    "pmean-int": lambda m, L, x: L.pmean(m.floor(x).astype("int32"), "i"),
    "pmean-number": lambda m, L, x: L.pmean(3, "i"),
    "psum-number": lambda m, L, x: L.psum(2, "i"),
    "swap": lambda m, L, x: L.pswapaxes(m.stack([x, x * 2, x**2]), "i", 0),
    "all_to_all": lambda m, L, x: L.all_to_all(m.arange(6.0).reshape(2, 3) + x, "i", 1, 0),
    "all_to_all-tiled": lambda m, L, x: L.all_to_all(m.arange(12.0).reshape(2, 6) + x, "i", 1, 0, tiled=True),
    "index-dtype": lambda m, L, x: L.axis_index("i"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*ONE, *VALUES])
def test_values(name: str) -> None:
    f = (ONE | VALUES)[name]
    got, want = [top.vmap(lambda x, m=m, L=L: f(m, L, x), axis_name="i")(m.asarray(X)) for top, m, L in BOTH]
    same(got, want)
    top, m, L = BOTH[0]
    same(fgrad.jit(top.vmap(lambda x: f(m, L, x), axis_name="i"))(X), want)


@pytest.mark.parametrize("name", list(ONE))
@pytest.mark.parametrize("inside", [True, False])
def test_gradients(name: str, inside: bool) -> None:
    def run(top: Any, m: Any, L: Any) -> Any:
        def loss(x: Any) -> Any:
            parts = [m.sum(m.sin(y)) for y in top.tree.leaves(ONE[name](m, L, x))]
            return sum(parts[1:], parts[0])

        if inside:
            return top.vmap(top.grad(loss), axis_name="i")(m.asarray(X))
        return top.grad(lambda xs: m.sum(top.vmap(loss, axis_name="i")(xs)))(m.asarray(X))

    same(run(*BOTH[0]), run(*BOTH[1]))


def test_gradients_that_jax_has_no_rule_for() -> None:
    same(fgrad.vmap(fgrad.grad(lambda x: lax.pmax(x, "i")), axis_name="i")(X), np.array([0, 0, 3], "f4"))
    same(fgrad.grad(lambda xs: jnp.sum(fgrad.vmap(lambda x: lax.pmin(x, "i") * x, axis_name="i")(xs)))(X), np.array([-2, 1, -2], "f4"))
    weights = jnp.arange(9.0).reshape(3, 3)
    whole = fgrad.grad(lambda xs: jnp.sum(weights * fgrad.vmap(lambda x: lax.all_to_all(x, "i", 0, 0), axis_name="i")(xs)))
    same(whole(jnp.ones((3, 3))), np.asarray(weights).T)


NAMES = ["i", "j", ("i", "j"), ("j", "i")]


@pytest.mark.parametrize("names", NAMES, ids=str)
def test_nested_names(names: Any) -> None:
    f = {
        "psum": lambda m, L, x: L.psum(x * x, names) * x, "pmean": lambda m, L, x: L.pmean(x, names), "pmax": lambda m, L, x: L.pmax(x, names),
        "index": lambda m, L, x: L.axis_index(names), "size": lambda m, L, x: L.axis_size(names),
    }  # fmt: skip
    xs = np.arange(6.0, dtype="f4").reshape(2, 3)
    for part in f.values():
        got, want = [top.vmap(top.vmap(lambda x, m=m, L=L: part(m, L, x), axis_name="j"), axis_name="i")(m.asarray(xs)) for top, m, L in BOTH]
        same(got, want)


def test_several_names_count_as_one_axis() -> None:
    xs = np.arange(6.0, dtype="f4").reshape(2, 3)

    def run(f: Any) -> Any:
        return np.asarray(fgrad.vmap(fgrad.vmap(f, axis_name="j"), axis_name="i")(jnp.asarray(xs)))

    assert (run(lambda x: lax.all_gather(x, ("i", "j"))) == np.arange(6.0)).all()
    assert (run(lambda x: lax.all_gather(x, ("j", "i"))) == xs.T.ravel()).all()
    assert (run(lambda x: lax.ppermute(x, ("i", "j"), [(0, 1), (5, 0)])) == [[5, 0, 0], [0, 0, 0]]).all()
    assert (run(lambda x: lax.psum_scatter(jnp.arange(6.0) * x, ("i", "j"))) == 15 * xs).all()
    assert (run(lambda x: lax.all_to_all(jnp.arange(6.0) + 10 * x, ("i", "j"), 0, 0)) == 10 * np.arange(6) + xs[..., None]).all()
    assert (run(lambda x: lax.pbroadcast(x, "j", 1)) == [[1] * 3, [4] * 3]).all()


def test_an_inner_vmap_without_a_name_and_a_shadowed_one() -> None:
    for f in (lambda m, L, x: L.psum(m.sin(x), "i"), lambda m, L, x: L.all_gather(x * x, "i"), lambda m, L, x: L.axis_index("i") * x):
        got, want = [top.vmap(top.vmap(lambda x, m=m, L=L: f(m, L, x)), axis_name="i")(m.asarray(M)) for top, m, L in BOTH]
        same(got, want)
        got, want = [top.vmap(lambda y, top=top, m=m, L=L: top.jacrev(lambda x: f(m, L, x))(y), axis_name="i")(m.asarray(M)) for top, m, L in BOTH]
        same(got, want)
    got, want = [top.vmap(top.vmap(lambda x, L=L: L.psum(x, "i"), axis_name="i"), axis_name="i")(m.ones((2, 3))) for top, m, L in BOTH]
    same(got, want)


def test_inside_control_flow_jit_and_custom_rules() -> None:
    def program(top: Any, m: Any, L: Any, x: Any) -> Any:
        @top.jit
        def part(v: Any) -> Any:
            return v - L.pmean(v, "i")

        @top.custom_vjp
        def f(v: Any) -> Any:
            return L.psum(v, "i") * v

        f.defvjp(lambda v: (f(v), v), lambda v, ct: (ct * v,))
        c, ys = L.scan(lambda c, k: (part(c * k) + L.psum(c, "i"), c), x, m.arange(1.0, 4.0))
        return L.cond(m.array(True), lambda v: L.psum(v, "i") + c, lambda v: v, f(x)) + m.sum(ys)

    outs = [[top.vmap(lambda x, t=top, m=m, L=L: program(t, m, L, x), axis_name="i")(m.asarray(X)),
             top.grad(lambda xs, t=top, m=m, L=L: m.sum(t.vmap(lambda x: program(t, m, L, x), axis_name="i")(xs)))(m.asarray(X)),
             top.vmap(top.grad(lambda x, t=top, m=m, L=L: program(t, m, L, x)), axis_name="i")(m.asarray(X))] for top, m, L in BOTH]  # fmt: skip
    same(*outs)


def test_a_jitted_function_called_from_two_vmaps() -> None:
    part = fgrad.jit(lambda v: lax.psum(v, "i"))
    for n in (2, 3, 3):
        same(fgrad.vmap(part, axis_name="i")(jnp.ones(n)), np.full(n, n, "f4"))
    compiled = fgrad.compile(lambda t: lax.psum(t, "i"))
    for n in (2, 3, 3):
        assert fgrad.vmap(compiled, axis_name="i")(fgrad.ones(n)).tolist() == [n] * n


def test_axes_and_sizes_of_the_mapping() -> None:
    for top, m, L in BOTH:
        assert float(top.vmap(lambda x, L=L: L.psum(x, "i"), axis_name="i", out_axes=None)(m.ones(4))) == 4
        assert top.vmap(lambda L=L: L.axis_index("i"), axis_name="i", axis_size=3)().tolist() == [0, 1, 2]
        assert top.vmap(lambda x, y, L=L: L.psum(x * y, "i"), in_axes=(1, None), axis_name="i")(m.ones((2, 3)), 2.0).tolist() == [[6, 6]] * 3
        assert top.vmap(lambda x: x, spmd_axis_name="mesh")(m.ones(2)).tolist() == [1, 1]


def test_errors() -> None:
    for top, m, L in BOTH:
        for f in (lambda x, L=L: L.psum(x, "j"), lambda x, L=L: L.axis_index("j"), lambda x, L=L: L.axis_size(("i", "j"))):
            with pytest.raises(NameError, match="unbound axis name: j"):
                top.vmap(f, axis_name="i")(m.ones(3))
        with pytest.raises(NameError, match="unbound axis name: i"):
            L.psum(m.ones(2), "i")
        with pytest.raises(NotImplementedError, match="axis_index_groups"):
            top.vmap(lambda x, L=L: L.psum(x, "i", axis_index_groups=[[0], [1, 2]]), axis_name="i")(m.ones(3))
        with pytest.raises(ValueError, match="axis"):
            top.vmap(lambda x, L=L: L.all_to_all(x, "i", 0, 0), axis_name="i")(m.ones((3, 2)))
    for bad, perm in ((lax.ppermute, [(0, 1), (0, 2)]), (lax.ppermute, [(0, 3)]), (lax.pshuffle, [0, 1])):
        with pytest.raises(fgrad.errors.ArgumentError, match="test_lax_collectives"):
            fgrad.vmap(lambda x, bad=bad, perm=perm: bad(x, "i", perm), axis_name="i")(jnp.ones(3))
    with pytest.raises(fgrad.errors.ArgumentError, match="source 3"):
        fgrad.vmap(lambda x: lax.pbroadcast(x, "i", 3), axis_name="i")(jnp.ones(3))
    with pytest.raises(fgrad.errors.ShapeError, match="psum_scatter"):
        fgrad.vmap(lambda x: lax.psum_scatter(x, "i"), axis_name="i")(jnp.ones((3, 2)))
