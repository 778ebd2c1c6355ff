"""Named residuals, paths of trees, random draws in vmap, integer gradients, names of nondiff arguments, misspelt keywords."""

from __future__ import annotations

from collections import OrderedDict, deque, namedtuple

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax, nn, tree

cp = fgrad.checkpoint_policies
ONLY = cp.save_only_these_names
POLICIES = {  # policy -> sines of the gradient's graph: of the first pass as written (4 or none), and computed again
    None: 3, ONLY("a"): 4 + 2, cp.save_any_names_but_these("a"): 4 + 2, ONLY("other"): 3,
    cp.save_from_both_policies(ONLY("a"), ONLY("b")): 4 + 1, cp.save_anything_except_these_names("a"): 4,
}  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_keep_named_values(policy):
    def f(x):
        y = fgrad.checkpoint_name(jnp.sin(x), "a")
        z = fgrad.checkpoint_name({"z": jnp.sin(y)}, "b")["z"]
        return jnp.sum(jnp.sin(jnp.sin(z)))

    g = fgrad.grad(fgrad.checkpoint(f, policy=policy))
    x = jnp.array([0.3, 1.0])
    assert str(fgrad.make_graph(g)(x)).count(" sin(") == POLICIES[policy]
    np.testing.assert_allclose(g(x), fgrad.grad(f)(x), rtol=1e-6)
    np.testing.assert_allclose(fgrad.jit(fgrad.vmap(g))(x[None])[0], fgrad.grad(f)(x), rtol=1e-6)


@pytest.mark.parametrize("policy", ["some", ("only", 1), ("both", "dots"), (), 3])
def test_other_policies_are_refused(policy):
    with pytest.raises(ValueError, match="checkpoint: no policy"):
        fgrad.checkpoint(jnp.sin, policy=policy)


Point = namedtuple("Point", "x y")
TREE = {"a": [1, (2, 3)], "b": Point(4, None), "c": OrderedDict(z=5), 3: {7: deque([8])}}
del TREE[3]


def test_paths_are_those_of_jax():
    jax = pytest.importorskip("jax")
    want = jax.tree.leaves_with_path(TREE)
    got = tree.leaves_with_path(TREE)
    assert [repr(k) for k, _ in got] == [repr(k) for k, _ in want]
    assert [x for _, x in got] == [x for _, x in want]
    for (g, _), (w, _) in zip(got, want, strict=True):
        assert tree.keystr(g) == jax.tree_util.keystr(w)
        assert tree.keystr(g, simple=True, separator="/") == jax.tree_util.keystr(w, simple=True, separator="/")
    found, spec = tree.flatten_with_path(TREE)
    assert tree.unflatten(spec, [x for _, x in found]) == TREE
    named = tree.map_with_path(lambda path, x, y: f"{tree.keystr(path)}={x + y}", TREE, TREE)
    assert named["b"].x == "['b'].x=8"
    assert tree.map_with_path(lambda path, x: len(path), [1, [2]], is_leaf=lambda x: x == [2]) == [1, 1]


def test_paths_of_registered_classes():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    tree.register(Pair, lambda p: ((p.a, p.b), None), lambda aux, xs: Pair(*xs))
    assert [tree.keystr(k) for k, _ in tree.leaves_with_path(Pair(1, [2]))] == ["[<flat index 0>]", "[<flat index 1>][0]"]
    model = nn.Sequential(nn.Linear(2, 3))
    assert [tree.keystr(k) for k, _ in tree.leaves_with_path(model)] == [".0.weight", ".0.bias"]


def test_draws_in_vmap():
    f = lambda x: fgrad.rand(6) + 0 * x
    x = fgrad.zeros(4, 6)
    fgrad.manual_seed(0)
    rows = [fgrad.vmap(f, randomness="different")(x).numpy() for _ in range(2)]
    assert len(np.unique(np.stack(rows))) == 48
    fgrad.manual_seed(0)
    assert np.array_equal(fgrad.jit(fgrad.vmap(f, randomness="different"))(x).numpy(), rows[0])
    nested = fgrad.vmap(fgrad.vmap(lambda: fgrad.rand(5), randomness="different", axis_size=3), randomness="different", axis_size=2)
    assert len(np.unique(np.stack([nested().numpy() for _ in range(2)]))) == 60
    same = fgrad.vmap(f, randomness="same")(x).numpy()
    assert (same == same[0]).all()
    assert not np.array_equal(same[0], fgrad.vmap(f, randomness="same")(x).numpy()[0])
    with pytest.raises(fgrad.errors.TraceError, match='randomness="different"'):
        fgrad.vmap(f)(x)
    with pytest.raises(ValueError, match="Only allowed values for randomness"):
        fgrad.vmap(f, randomness="random")


def test_gradients_of_integers_are_zeros():
    f = lambda x, n: x**2 * n
    value, (gx, gn) = fgrad.value_and_grad(f, (0, 1), allow_int=True)(3.0, 2)
    assert (float(value), float(gx), int(gn)) == (18.0, 12.0, 0)
    assert fgrad.grad(f, 1, allow_int=True)(3.0, np.int32(2)).dtype == np.int32
    with pytest.raises(TypeError, match="allow_int=True"):
        fgrad.grad(f, 1)(3.0, 2)


def test_nondiff_arguments_by_name():
    def power(x, n, scale=1.0):
        return scale * x**n

    f = fgrad.custom_jvp(power, nondiff_argnames="n")
    f.defjvp(lambda n, primals, tangents: (f(primals[0], n, primals[1]), 10.0 * n * tangents[0]))
    assert float(fgrad.grad(f)(2.0, 3)) == 30.0
    g = fgrad.custom_vjp(power, nondiff_argnums=(1,), nondiff_argnames=("scale",))
    g.defvjp(lambda x, n, scale: (power(x, n, scale), x), lambda n, scale, x, ct: (ct * 100 * n * scale,))
    assert float(fgrad.grad(g)(2.0, 3, 0.5)) == 150.0
    with pytest.raises(ValueError, match="'m' is no argument of power"):
        fgrad.custom_jvp(power, nondiff_argnames="m")


def test_switch_takes_an_operand():
    assert float(lax.switch(jnp.array(1), [jnp.sin, jnp.exp], operand=0.0)) == 1.0
    assert lax.switch(1, [lambda x: None, lambda x: x], operand=None) is None


def test_misspelt_keywords_are_refused():
    x = jnp.arange(3.0)
    assert x.at[0].set(1.0, mode="drop", unique_indices=True)[0] == 1
    for method in ("set", "add", "subtract", "multiply", "divide", "min", "max", "power"):
        with pytest.raises(TypeError, match=f"{method}.. got an unexpected keyword argument 'moed'"):
            getattr(x.at[0], method)(1.0, moed="drop")
    with pytest.raises(TypeError, match="fill_value="):
        x.at[0].get(fil_value=1)


def test_logaddexp_keeps_small_terms():
    small = fgrad.tensor([-200.0, -1e-30, 0.0])
    got = fgrad.logaddexp(small, fgrad.tensor([0.0, -100.0, -float("inf")]))
    np.testing.assert_allclose(got.numpy(), [0, -1e-30, 0], rtol=1e-6)
