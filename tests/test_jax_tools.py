"""JAX's tools against JAX: stages of jit, jaxprs, settings in blocks, vmap rules of one's own, check_grads, structures of trees."""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax

pytestmark = pytest.mark.oracle
jax = pytest.importorskip("jax")
pytest.importorskip("jax.custom_batching")
pytest.importorskip("jax.test_util")
X = np.arange(3, dtype="f4")


def close(got: Any, want: Any) -> None:
    got, want = fgrad.tree.leaves(got), jax.tree.leaves(want)
    assert len(got) == len(want) > 0
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


STRUCTS = [
    lambda S: S((2, 3), "float32"), lambda S: S((2,), "bfloat16"), lambda S: S(shape=(2, 3), dtype=np.int8, sharding=None), lambda S: len(S((4, 3), "int8")),
    lambda S: S((2, 3), "float32").update(shape=(4,)), lambda S: S([2, 3], "int16").size, lambda S: S((2,), "int8") == S((2,), "int8"),
    lambda S: S((2,), "int8") == S((2,), "int16"), lambda S: S((2,), "int8").sharding, lambda S: {S((), "int8"): 1}[S((), "int8")], lambda S: S((2, 3), "int8").ndim,
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(STRUCTS)))
def test_structs(case: int) -> None:
    assert repr(STRUCTS[case](fgrad.ShapeDtypeStruct)) == repr(STRUCTS[case](jax.ShapeDtypeStruct))


def test_structs_refuse() -> None:
    with pytest.raises(ValueError, match="dtype must be specified"):
        fgrad.ShapeDtypeStruct((2,), None)
    with pytest.raises(TypeError):
        len(fgrad.ShapeDtypeStruct((), "int8"))


def test_ahead_of_time() -> None:
    def f(x: Any, y: Any = None) -> Any:
        return {"a": x * 2, "b": y}

    lowered = fgrad.jit(f, inline=True, keep_unused=True).lower(fgrad.ShapeDtypeStruct((3,), "float32"), y=1)
    theirs = jax.jit(f).lower(jax.ShapeDtypeStruct((3,), "float32"), y=1)
    assert {k: (v.shape) for k, v in lowered.out_info.items()} == {k: (v.shape) for k, v in theirs.out_info.items()}
    compiled = lowered.compile()
    close(compiled(X, y=4), theirs.compile()(X, y=4))
    close(compiled(jnp.asarray(X), y=4), theirs.compile()(X, y=4))
    assert "mul" in lowered.as_text()
    assert lowered.cost_analysis()["flops"] == 3
    for program in (compiled, theirs.compile()):
        with pytest.raises(TypeError):
            program(X)
        with pytest.raises(TypeError):
            program(np.ones(4, "f4"), y=1)
        with pytest.raises(TypeError):
            program(np.ones(3, "i4"), y=1)
    power = [m.jit(lambda x, n: x**n, static_argnums=1).lower(1.0, 3).compile()(2.0) for m in (fgrad, jax)]
    assert float(power[0]) == float(power[1]) == 8.0
    assert float(fgrad.grad(fgrad.jit(lambda x: x**2).trace(1.0).lower().compile())(3.0)) == 6.0
    jitted = fgrad.jit(lambda x: x)
    assert jitted.eval_shape(1.0) == fgrad.ShapeDtypeStruct((), "float32")
    jitted(1.0)
    jitted.clear_cache()
    assert jitted.cache_size() == 0


def test_jaxprs() -> None:
    def f(x: Any) -> Any:
        return jnp.sin(x) * 2

    mine = fgrad.make_jaxpr(f)(1.0)
    theirs = jax.make_jaxpr(lambda x: jax.numpy.sin(x) * 2)(1.0)
    assert str(mine) == str(theirs)
    assert [e.primitive.name for e in mine.jaxpr.eqns] == [e.primitive.name for e in theirs.jaxpr.eqns]
    close(fgrad.core.eval_jaxpr(mine.jaxpr, mine.consts, 3.0), jax.core.eval_jaxpr(theirs.jaxpr, theirs.consts, 3.0))
    jaxpr, shape = fgrad.make_jaxpr(lambda n, x: {"y": x**n}, static_argnums=0, return_shape=True)(2, X)
    assert shape == {"y": fgrad.ShapeDtypeStruct((3,), "float32")}
    assert [str(t) for t in jaxpr.in_avals + jaxpr.out_avals] == ["float32[3]", "float32[3]"]
    loop = str(fgrad.make_jaxpr(lambda x: lax.scan(lambda c, y: (c + y, c), x, jnp.asarray(X)))(1.0))
    assert "scan[body={ lambda ; a:f32[] b:f32[]. let c:f32[] = add a b in (c, a) }" in loop
    assert loop.startswith("{ lambda ; a:f32[]")


def test_disable_jit() -> None:
    def program(m: Any) -> Any:
        seen: list[Any] = []

        def step(c: Any, x: Any) -> Any:
            seen.append(float(x))
            return c + x, c * x

        with m.disable_jit():
            out = [m.lax.scan(step, 0.0, m.numpy.arange(3.0), reverse=True), m.lax.while_loop(lambda x: x < 3, lambda x: x + int(x), 1)]
            out += [m.lax.fori_loop(0, 3, lambda i, x: x + int(i), 0), m.lax.cond(m.numpy.array(True), lambda x: float(x), lambda x: 0.0, 2.0)]
            out += [m.lax.switch(m.numpy.array(5), [lambda: 1, lambda: int(m.numpy.array(7))]), m.jit(lambda x: 1.0 if x > 0 else 2.0)(3.0)]
        return [*out, seen]

    close(program(fgrad), program(jax))
    with pytest.raises(fgrad.errors.TracerBoolConversionError):
        fgrad.jit(lambda x: 1.0 if x > 0 else 2.0)(3.0)


def test_refused_numbers() -> None:
    for m in (fgrad, jax):
        with m.debug_nans(True):
            with pytest.raises(FloatingPointError, match=r"invalid value.*nan"):
                np.asarray(m.numpy.log(m.numpy.array(-1.0)))
            with pytest.raises(FloatingPointError):
                m.jit(lambda x: m.numpy.log(x))(-1.0)
            assert np.isinf(1 / m.numpy.zeros(()))
        with m.debug_infs(True), pytest.raises(FloatingPointError, match="inf"):
            np.asarray(1 / m.numpy.zeros(()))
        m.config.update("jax_debug_nans", True)
        assert m.config.jax_debug_nans
        m.config.update("jax_debug_nans", False)
        assert np.isnan(m.numpy.log(m.numpy.array(-1.0)))


def test_compile_time_values() -> None:
    def f(m: Any) -> Any:
        def g(x: Any) -> Any:
            with m.ensure_compile_time_eval():
                n = int(m.numpy.arange(4).sum())
                table = m.numpy.arange(3.0) * 2
            return x * n + table

        return m.jit(g)(1.0)

    close(f(fgrad), f(jax))


def test_idle_choices() -> None:
    for m in (fgrad, jax):
        with m.default_matmul_precision("float32"), m.checking_leaks(), m.log_compiles(False), m.numpy_rank_promotion("allow"):
            assert float(m.numpy.ones(2) @ m.numpy.ones(2)) == 2.0
        with m.default_device(m.devices("cpu")[0]), m.numpy_dtype_promotion("standard"):
            assert m.numpy.ones(2).shape == (2,)
        with pytest.raises(AttributeError):
            m.config.update("jax_nope", 1)
    assert fgrad.config.jax_default_matmul_precision is None
    assert "numpy" in (fgrad.print_environment_info(return_string=True) or "")


@pytest.mark.parametrize(("name", "run"), [
    ("TracerBoolConversionError", lambda m: m.jit(lambda x: 1 if x > 0 else 2)(1.0)), ("ConcretizationTypeError", lambda m: m.jit(float)(1.0)),
    ("TracerIntegerConversionError", lambda m: m.jit(lambda x: range(x)[0])(1)), ("NonConcreteBooleanIndexError", lambda m: m.jit(lambda x: x[x > 0])(m.numpy.ones(3))),
])  # fmt: skip
def test_error_names(name: str, run: Any) -> None:
    for m in (fgrad, jax):
        with pytest.raises(getattr(m.errors, name)):
            run(m)


def custom(m: Any) -> Any:
    n = m.numpy
    calls: list[Any] = []

    @m.custom_batching.custom_vmap
    def f(x: Any, y: Any) -> Any:
        return {"a": n.sin(x) + y[0], "b": y[1]}

    @f.def_vmap
    def rule(size: int, batched: Any, x: Any, y: Any) -> Any:
        calls.append((size, jax.tree.leaves(batched), n.shape(x), n.shape(y[0])))
        return {"a": n.cos(x) + y[0], "b": y[1]}, {"a": True, "b": batched[1][1]}

    x = n.arange(3.0)
    out = [f(1.0, (2.0, 3.0)), m.vmap(f, in_axes=(0, None))(x, (1.0, 2.0)), m.jit(m.vmap(f))(x, (x, x)), m.vmap(f, in_axes=(1, None))(n.ones((2, 3)), (1.0, x))]
    out += [m.vmap(m.vmap(f, in_axes=(0, None)), in_axes=(None, 0))(x, (x, x)), m.grad(lambda x: m.vmap(f, in_axes=(0, None))(x, (1.0, 2.0))["a"].sum())(x)]
    out += [m.jvp(lambda x: f(x, (x, x))["a"], (1.0,), (1.0,)), m.lax.scan(lambda c, x: (c + f(x, (x, x))["a"], m.vmap(f)(n.stack([x, x]), (n.ones(2), n.ones(2)))), 0.0, x)]
    return out, calls


def test_custom_vmap() -> None:
    (got, mine), (want, theirs) = custom(fgrad), custom(jax)
    close(got, want)
    assert all(call in theirs for call in mine)
    with pytest.raises(AttributeError, match="No batching rule"):
        fgrad.custom_batching.custom_vmap(lambda x: x)(1.0)
    for bad in (lambda n, b, x: x, lambda n, b, x: (x, [True]), lambda n, b, x: ((x, x), (True, True))):
        f = fgrad.custom_batching.custom_vmap(lambda x: x)
        f.def_vmap(bad)
        with pytest.raises((TypeError, ValueError)):
            fgrad.vmap(f)(jnp.asarray(X))


def test_sequential_vmap() -> None:
    a, b = np.arange(6, dtype="f4").reshape(3, 2), np.ones(2, "f4")
    shapes: list[Any] = []

    def dot(m: Any) -> Any:
        return m.custom_batching.sequential_vmap(lambda x, y: (shapes.append(np.shape(x)), m.numpy.dot(x, y))[1])

    close(fgrad.vmap(dot(fgrad), in_axes=(0, None))(a, b), jax.vmap(dot(jax), in_axes=(0, None))(a, b))
    close(fgrad.jit(fgrad.vmap(dot(fgrad)))(a, a), jax.jit(jax.vmap(dot(jax)))(a, a))
    close(fgrad.grad(lambda x: fgrad.vmap(dot(fgrad))(x, x).sum())(a), 2 * a)
    assert set(shapes) == {(2,)}


@fgrad.custom_jvp
def wrong(x: Any) -> Any:
    return jnp.sin(x)


wrong.defjvp(lambda p, t: (wrong(*p), jnp.sin(p[0]) * t[0]))


def test_check_grads() -> None:
    tools = fgrad.test_util
    tools.check_grads(lambda x, y: {"a": jnp.sin(x["w"]) * y, "b": jnp.sum(x["w"] ** 2)}, ({"w": jnp.arange(3.0)}, 2.0), 2)
    tools.check_grads(lambda n, x: x**n, (2, 1.5), 2, modes=["rev"])
    tools.check_grads(lambda z: z * z, (jnp.asarray(np.array([1 + 2j], "c8")),), 2)
    with fgrad.enable_x64():
        tools.check_grads(lambda x: jnp.exp(x) @ x, (jnp.asarray(np.ones(3)),), 3, atol=1e-4, rtol=1e-4)
    for mode in ("fwd", "rev"):
        with pytest.raises(AssertionError):
            tools.check_grads(wrong, (1.0,), 1, modes=[mode])
    tools.check_grads(wrong, (1.0,), 1, atol=10.0)
    with pytest.raises(AssertionError):
        tools.check_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]) + 1, jnp.cos(p[0]) * t[0]), (1.0,))
    with pytest.raises(ValueError, match="modes"):
        tools.check_grads(jnp.sin, (1.0,), 1, modes=["backwards"])


def test_trees() -> None:
    t = [(1, 2), 3, {"a": 4}]
    for m in (fgrad, jax):
        u = m.tree_util
        assert m.tree.reduce_associative(operator.add, t) == u.tree_reduce_associative(operator.add, t) == 10
        assert m.tree.reduce_associative(operator.add, [], identity=0) == 0
        with pytest.raises(TypeError):
            m.tree.reduce_associative(operator.add, [])
        assert u.treedef_children(m.tree.structure(t)) == [m.tree.structure(x) for x in t]
        assert u.treedef_tuple([m.tree.structure(x) for x in t]) == m.tree.structure(tuple(t))

        @dataclasses.dataclass
        class Op:
            x: Any
            name: str = m.tree.static(default="add")

        u.register_dataclass(Op)
        leaves, spec = m.tree.flatten(Op(3))
        assert leaves == [3]
        assert m.tree.unflatten(spec, [4]) == Op(4, "add")


def test_small_names() -> None:
    assert fgrad.dtypes.canonicalize_dtype(float) == "float32"
    assert fgrad.dtypes.scalar_type_of(jnp.arange(3)) is int
    assert fgrad.dtypes.itemsize_bits("bfloat16") == jax.dtypes.itemsize_bits("bfloat16") == 16
    assert str(fgrad.typeof(jnp.ones((2, 3)))) == str(jax.typeof(jax.numpy.ones((2, 3))))
    assert fgrad.process_indices() == jax.process_indices()
    key = fgrad.random.key(0)
    w = np.asarray(fgrad.nn.initializers.delta_orthogonal()(key, (3, 3, 2, 4)))
    np.testing.assert_allclose(w[1, 1] @ w[1, 1].T, np.eye(2), atol=1e-6)
    assert np.abs(w).sum() == pytest.approx(np.abs(w[1, 1]).sum())
    with pytest.raises(ValueError, match="delta_orthogonal"):
        fgrad.nn.initializers.delta_orthogonal()(key, (3, 4, 2))
