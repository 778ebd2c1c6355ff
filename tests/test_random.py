"""fgrad.random: moments, determinism, independence of keys, transforms."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import lax, random

KEY = random.key(42)


def test_keys_are_two_words_and_seeds_differ():
    assert KEY.tolist() == [42, 0]
    assert random.key(2**32 + 7).tolist() == [7, 1]
    assert random.PRNGKey(-1).tolist() == [2**32 - 1, 2**32 - 1]
    assert random.key(jnp.array(5)).tolist() == [5, 0]
    assert fgrad.jit(random.key)(jnp.array(2**32 + 7)).tolist() == [7, 1]
    with pytest.raises(ValueError, match=r"a key of type uint32\[2\]"):
        random.normal(jnp.zeros(3))


def test_split_and_fold_in_give_distinct_keys():
    keys = {tuple(k.tolist()) for k in random.split(KEY, 100)}
    keys |= {tuple(random.fold_in(KEY, i).tolist()) for i in range(100)}
    assert len(keys) == 200
    assert random.split(KEY).shape == (2, 2)
    assert random.split(KEY, (2, 3)).shape == (2, 3, 2)
    assert jnp.array_equal(random.fold_in(KEY, 3), random.fold_in(KEY, jnp.array(3)))
    first = np.asarray(random.bits(KEY, (4,)))
    assert not np.isin(first, np.asarray(random.split(KEY))).any()


@pytest.mark.parametrize(
    ("draw", "mean", "var"),
    [
        (random.uniform, 0.5, 1 / 12), (random.normal, 0.0, 1.0), (random.gumbel, 0.5772, np.pi**2 / 6),
        (random.exponential, 1.0, 1.0), (random.laplace, 0.0, 2.0), (random.logistic, 0.0, np.pi**2 / 3),
        (lambda k, s: random.rademacher(k, s), 0.0, 1.0), (lambda k, s: random.bernoulli(k, 0.3, s), 0.3, 0.21),
        (lambda k, s: random.randint(k, s, -2, 3), 0.0, 2.0), (lambda k, s: random.uniform(k, s, minval=-1, maxval=3), 1.0, 4 / 3),
        (lambda k, s: random.truncated_normal(k, -1.0, 1.0, s), 0.0, 0.2911),
        (lambda k, s: random.normal(k, s, "float64"), 0.0, 1.0),
    ],
)  # fmt: skip
def test_moments(draw, mean, var):
    n = 40_000
    x = np.asarray(draw(KEY, (n,)), np.float64)
    assert abs(x.mean() - mean) < 5 * np.sqrt(var / n)
    assert abs(x.var() - var) < 0.06 * var
    assert np.array_equal(x, np.asarray(draw(KEY, (n,))))


def test_dtypes_and_bounds():
    assert random.uniform(KEY, (3,), "float16").dtype == "float16"
    assert random.randint(KEY, (3,), 0, 5, "int8").dtype == "int8"
    assert random.bits(KEY, (3,), "uint64").dtype == "uint64"
    x = np.asarray(random.uniform(KEY, (1000,), minval=jnp.array(2.0), maxval=3.0))
    assert x.min() >= 2
    assert x.max() < 3
    y = np.asarray(random.randint(KEY, (200,), jnp.array(0), jnp.arange(1, 201)))
    assert (y >= 0).all()
    assert (y < np.arange(1, 201)).all()
    with pytest.raises(TypeError, match="draws floats"):
        random.normal(KEY, (2,), "int32")


def test_permutation_and_choice():
    assert sorted(random.permutation(KEY, 50).tolist()) == list(range(50))
    x = jnp.arange(12).reshape(4, 3)
    p = np.asarray(random.permutation(KEY, x))
    assert sorted(map(tuple, p)) == sorted(map(tuple, np.asarray(x)))
    q = np.asarray(random.permutation(KEY, x, axis=1, independent=True))
    assert (np.sort(q, 1) == np.asarray(x)).all()
    assert len(set(random.choice(KEY, 10, (10,), replace=False).tolist())) == 10
    assert set(random.choice(KEY, jnp.array([5, 6, 7]), (100,), p=jnp.array([0.0, 0.5, 0.5])).tolist()) == {6, 7}
    assert random.choice(KEY, x, (2, 2), axis=1).shape == (4, 2, 2)
    with pytest.raises(ValueError, match="larger sample"):
        random.choice(KEY, 3, (4,), replace=False)


def test_categorical_frequencies():
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]]))
    x = np.asarray(random.categorical(KEY, logits, shape=(8000, 2)))
    assert np.allclose(np.bincount(x[:, 0]) / 8000, [0.1, 0.2, 0.7], atol=0.02)
    assert np.allclose(np.bincount(x[:, 1]) / 8000, [0.5, 0.5], atol=0.02)
    assert random.categorical(KEY, logits, axis=0).shape == (3,)
    y = np.asarray(random.categorical(KEY, jnp.zeros(5), shape=(5,), replace=False))
    assert sorted(y) == list(range(5))


def sample(key):
    a, b = random.split(key)
    return random.normal(a, (3,)) + random.fold_in(b, 1)[0].astype("float32") * 0 + random.uniform(b)


def test_transforms_draw_the_same_numbers():
    keys = random.split(KEY, 4)
    one_by_one = np.stack([np.asarray(sample(k)) for k in keys])
    np.testing.assert_array_equal(np.asarray(fgrad.vmap(sample)(keys)), one_by_one)
    np.testing.assert_array_equal(np.asarray(fgrad.jit(fgrad.vmap(sample))(keys)), one_by_one)
    np.testing.assert_array_equal(np.asarray(lax.map(sample, keys)), one_by_one)
    scanned = lax.scan(lambda c, k: (c, sample(k)), 0.0, keys)[1]
    np.testing.assert_array_equal(np.asarray(scanned), one_by_one)
    for f in (random.split, lambda k: random.permutation(k, 5), lambda k: random.bernoulli(k, 0.5, (7,))):
        np.testing.assert_array_equal(np.asarray(fgrad.vmap(f)(keys)), np.stack([np.asarray(f(k)) for k in keys]))


def test_gradient_through_a_draw():
    g = fgrad.grad(lambda s: jnp.sum(s * random.normal(KEY, (5,))))(2.0)
    assert float(g) == pytest.approx(float(random.normal(KEY, (5,)).sum()), rel=1e-6)
    h = fgrad.grad(lambda key, s: jnp.sum(s * random.normal(key, (5,))), argnums=1)(KEY, 2.0)
    assert float(h) == float(g)


def test_the_global_generator_is_torch_s():
    random.manual_seed(3)
    state = random.get_rng_state()
    a = fgrad.rand(4).tolist()
    random.set_rng_state(state)
    assert fgrad.rand(4).tolist() == a
    assert random.initial_seed() == 3
    with pytest.raises(TypeError, match="pass a key"):
        lax.scan(lambda c, x: (c + fgrad.rand(1)[0], x), jnp.array(0.0), jnp.arange(3.0))
    with pytest.raises(TypeError, match="pass a key"):
        fgrad.vmap(lambda x: x + fgrad.rand(1))(jnp.arange(3.0))


def test_dtype_none_is_the_default():
    assert {random.normal(KEY, (2,), None).dtype, random.uniform(KEY, (), None).dtype} == {np.dtype("float32")}
    assert random.bits(KEY, (2,), None).dtype == "uint32"
    assert {random.randint(KEY, (2,), 0, 9, None).dtype, random.rademacher(KEY, (2,), None).dtype} == {np.dtype("int64")}
    assert random.key_data(KEY).tolist() == KEY.tolist()


@pytest.mark.parametrize(("args", "text"), [
    ((3, (2,), True, np.ones(4) / 4), r"p is float64\[4\] for 3 elements"),
    ((np.arange(3.0), (2,), True, np.ones((3, 1))), r"p is float64\[3,1\] for 3 elements"),
    ((0, (2,)), "2 draws of nothing"),
])  # fmt: skip
def test_choice_refuses_what_it_cannot_choose_from(args, text):
    with pytest.raises(ValueError, match=text):
        random.choice(KEY, *args)


def test_reseeding_while_draws_are_pending() -> None:
    import fgrad

    fgrad.manual_seed(1)
    wanted = fgrad.randn(3).tolist()
    fgrad.manual_seed(0)
    first = fgrad.randn(3)
    fgrad.manual_seed(1)
    second = fgrad.randn(3)
    state = fgrad.get_rng_state()
    third = fgrad.randn(3)
    fgrad.set_rng_state(state)
    assert fgrad.randn(3).tolist() == third.tolist()
    assert second.tolist() == wanted
    fgrad.manual_seed(0)
    assert fgrad.randn(3).tolist() == first.tolist()
