"""Arguments of the transforms as JAX documents them: names, defaults, positions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp

A = np.arange(12.0).reshape(3, 4) / 7 + 0.1


def ready(x):
    return jnp.array(x).block_until_ready()


@pytest.mark.parametrize("given", [
    {"static_argnums": 0, "donate_argnums": 2}, {"static_argnums": (-3,), "donate_argnums": (-1,)},
    {"static_argnames": "n", "donate_argnames": ("y",)}, {"static_argnums": 0, "donate_argnames": "y"},
])  # fmt: skip
@pytest.mark.parametrize("by_name", [False, True])
def test_donation_counts_static_arguments_too(given, by_name):
    f = fgrad.jit(lambda n, x, y: y + n * x, **given)
    x, y = ready(A), ready(A)
    assert np.allclose(f(n=2, x=x, y=y) if by_name else f(2, x, y), 3 * A)
    assert np.allclose(x, A)
    with pytest.raises(TypeError, match="was donated to a jitted call"):
        y.tolist()


def test_static_positions_are_those_of_the_signature():
    last = fgrad.jit(lambda x, n=0: x * n if n else x, static_argnums=-1)
    assert np.allclose(last(A, n=3), 3 * A)
    assert np.allclose(last(A, 3), 3 * A)
    rest = fgrad.jit(lambda x, *more, n=0: x * n + more[1] if n else x, static_argnames="n")
    assert np.allclose(rest(A, A, A, n=3), 4 * A)
    plain = fgrad.jit(lambda x: x, static_argnums=None, static_argnames=None, donate_argnums=None, donate_argnames=None)
    assert np.allclose(plain(A), A)


@pytest.mark.parametrize("given", [
    {"static_argnums": 3}, {"static_argnames": "zzz"}, {"donate_argnums": (0, -3)}, {"donate_argnames": ["x", "zzz"]},
])  # fmt: skip
def test_jit_refuses_arguments_that_are_not_there(given):
    with pytest.raises(ValueError, match=r"but the function takes \(x, y\)"):
        fgrad.jit(lambda x, y: x, **given)


def both(x):
    return jnp.sin(x), 2 * x


def test_a_function_seen_with_and_without_aux_is_not_mixed_up():
    x = A[0]
    value, pull = fgrad.vjp(both, x)
    assert np.allclose(pull(value)[0], np.sin(x) * np.cos(x) + 4 * x)
    _, pull, aux = fgrad.vjp(both, x, has_aux=True)
    assert np.allclose(pull(x)[0], x * np.cos(x))
    assert np.allclose(aux, 2 * x)
    for jac in (fgrad.jacrev, fgrad.jacfwd):
        assert [j.shape for j in jac(both)(x)] == [(4, 4), (4, 4)]
        found, aux = jac(both, has_aux=True)(x)
        assert found.shape == (4, 4)
        assert np.allclose(aux, 2 * x)
    assert len(fgrad.jvp(both, (x,), (x,))[1]) == 2
    assert np.allclose(fgrad.jvp(both, (x,), (x,), has_aux=True)[1], x * np.cos(x))


def test_linearize_has_aux():
    x = A[0]
    value, push, aux = fgrad.linearize(lambda x: [jnp.sin(x), {"twice": 2 * x}], x, has_aux=True)
    assert np.allclose(value, np.sin(x))
    assert np.allclose(push(2 * x), 2 * x * np.cos(x))
    assert np.allclose(aux["twice"], 2 * x)
    assert len(fgrad.linearize(both, x)[1](x)) == 2


@pytest.mark.parametrize("argnums", [(0, 0), (1, -1)])
def test_an_argument_named_twice_is_refused(argnums):
    with pytest.raises(TypeError, match="names an argument twice"):
        fgrad.grad(lambda x, y: jnp.sum(x * y), argnums)(A, A)


Z = np.array([1 + 2j, 0.3 - 1j])


def test_complex_arguments_as_jax_has_them():
    jax = pytest.importorskip("jax")
    cases = [
        lambda m, np: m.grad(lambda z: np.sum(np.abs(z)))(Z),
        lambda m, np: m.grad(fun=lambda z: np.sum(z * z * (1 + 1j)), holomorphic=True)(Z),
        lambda m, np: m.jacrev(lambda z: np.abs(z))(Z),
        lambda m, np: m.jacrev(lambda z: z * z[::-1], holomorphic=True)(Z),
        lambda m, np: m.jacfwd(lambda z: z * z[::-1], holomorphic=True)(Z),
        lambda m, np: m.hessian(lambda z: np.sum(z**3), holomorphic=True)(Z),
    ]
    with jax.enable_x64():
        for case in cases:
            np.testing.assert_allclose(case(fgrad, jnp), case(jax, jax.numpy), rtol=1e-12)


@pytest.mark.parametrize(("f", "text"), [
    (lambda: fgrad.grad(lambda z: jnp.sum(z))(Z), r"real-valued result, got complex128\[\]"),
    (lambda: fgrad.grad(lambda z: jnp.sum(z), holomorphic=True)(A), "requires complex-valued inputs, but got float64"),
    (lambda: fgrad.grad(lambda z: abs(z[0]), holomorphic=True)(Z), r"requires a complex-valued result, got float64\[\]"),
    (lambda: fgrad.jacfwd(lambda z: z)(Z), "jacfwd requires real-valued inputs, but got complex128"),
    (lambda: fgrad.jacrev(lambda x: x.astype("int32"))(A), r"jacrev requires a real-valued result, got int32\[3,4\]"),
])  # fmt: skip
def test_what_has_no_derivative_of_the_kind_asked_for(f, text):
    with pytest.raises(TypeError, match=text):
        f()


@pytest.mark.parametrize("given", [
    {"in_axes": "a"}, {"in_axes": 0.5}, {"in_axes": (True,)}, {"out_axes": 1.5}, {"out_axes": (False, 0)},
])  # fmt: skip
def test_vmap_axes_are_ints_or_none(given):
    name = next(iter(given))
    with pytest.raises(TypeError, match=f"vmap {name} must be an int, None, or a tree"):
        fgrad.vmap(lambda x: (x, x), **given)(A)


def test_every_name_of_a_policy_is_one():
    names = [n for n in dir(fgrad.checkpoint_policies) if not n.startswith(("_", "save_", "offload_"))]
    w = jnp.array(A)
    plain = fgrad.grad(lambda w: jnp.sum(jnp.sin(w @ w.T)))(w)
    for name in names:
        f = fgrad.checkpoint(lambda w: jnp.sum(jnp.sin(w @ w.T)), policy=getattr(fgrad.checkpoint_policies, name))
        assert np.allclose(fgrad.grad(f)(w), plain)
    assert len(names) == 6
    assert fgrad.checkpoint_policies.dots_saveable != fgrad.checkpoint_policies.dots_with_no_batch_dims_saveable


def test_defjvps_of_none_is_a_constant_function():
    f = fgrad.custom_jvp(lambda x, y: {"product": x * y, "n": 3})
    f.defjvps(None, None)
    assert [float(g) for g in fgrad.grad(lambda x, y: f(x, y)["product"], (0, 1))(2.0, 3.0)] == [0.0, 0.0]


@pytest.mark.parametrize(("kind", "text"), [(fgrad.custom_jvp, "defjvp"), (fgrad.custom_vjp, "defvjp")])
def test_a_custom_function_without_rules_says_how_to_give_them(kind, text):
    with pytest.raises(ValueError, match=rf"(?s)no derivative rule is defined for cube.*fix: call {text}\("):
        kind(cube)(2.0)


def cube(x):
    return x**3


@pytest.mark.parametrize(("rule", "text"), [
    (lambda p, t: (p[0][:2], t[0]), r"result of the rule, leaf 0 has type float64\[2\] where float64\[4\] is expected"),
    (lambda p, t: ((p[0],), t[0]), r"a jvp rule returned results of structure PyTreeSpec\(\(\*,\)\)"),
    (lambda p, t: (p[0], (t[0],)), r"a jvp rule returned tangents of structure PyTreeSpec\(\(\*,\)\)"),
])  # fmt: skip
def test_a_jvp_rule_returns_the_function_s_results_too(rule, text):
    f = fgrad.custom_jvp(lambda x: 2 * x)
    f.defjvp(rule)
    with pytest.raises(TypeError, match=text):
        f(A[0])
