"""fgrad.nn's lower-case activations against jax.nn: values, derivatives, ints and numbers, masks."""

from __future__ import annotations

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp
from fgrad import nn

jax = pytest.importorskip("jax")

pytestmark = pytest.mark.oracle

X = np.array([[-120.0, -7.5, -3.0, -1.0, -0.3], [0.0, 0.2, 1.0, 5.0, 40.0]])
Z = np.random.default_rng(0).normal(size=(3, 4))
M = np.random.default_rng(1).uniform(size=(3, 4)) > 0.4
M[0] = [True, False, True, False]
PLAIN = """relu relu6 elu selu celu gelu leaky_relu hard_sigmoid hard_silu hard_swish hard_tanh soft_sign softplus squareplus mish silu swish
sigmoid tanh log_sigmoid sparse_plus sparse_sigmoid identity softmax log_softmax logsumexp logmeanexp standardize""".split()
CALLS = [
    *[(n, lambda m, x, n=n: getattr(m, n)(x), X) for n in PLAIN], ("glu", lambda m, x: m.glu(x, 0), X), ("gelu exact", lambda m, x: m.gelu(x, False), X),
    ("log1mexp", lambda m, x: m.log1mexp(abs(x) + 0.05), Z), ("elu alpha", lambda m, x: m.elu(x, 0.3), X), ("celu alpha", lambda m, x: m.celu(x, 0.3), X), ("squareplus b", lambda m, x: m.squareplus(x, 1.0), X),
    *[(f"{n} where", lambda m, x, n=n: getattr(m, n)(x, axis=1, where=M), Z) for n in ("softmax", "logmeanexp", "logsumexp", "standardize")],
    ("log_softmax where", lambda m, x: m.softmax(x, 1, M) * 2, Z), ("softmax axes", lambda m, x: m.softmax(x, axis=(0, 1)), Z),
    ("logsumexp b", lambda m, x: m.logsumexp(x, 1, b=x * x, keepdims=True), Z), ("logsumexp sign", lambda m, x: m.logsumexp(x, 0, b=-x, return_sign=True), Z),
    ("logmeanexp keep", lambda m, x: m.logmeanexp(x, 0, keepdims=True), Z), ("standardize given", lambda m, x: m.standardize(x, 0, mean=x[:1], variance=x[1:2] ** 2, epsilon=0.5), Z),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS, ids=[c[0] for c in CALLS])
def test_matches_jax(call):
    name, f, x = call
    with jax.enable_x64(True):
        want = jax.tree.leaves(f(jax.nn, x) if name != "relu" else f(jax.nn, jax.numpy.asarray(x)))
        pull = jax.grad(lambda v: sum((t * np.cos(np.arange(t.size)).reshape(t.shape)).sum() for t in jax.tree.leaves(f(jax.nn, v))))(x)
    got = fgrad.tree.leaves(f(nn, x))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12)
    ours = fgrad.grad(lambda v: sum(jnp.sum(t * np.cos(np.arange(t.size)).reshape(t.shape)) for t in fgrad.tree.leaves(f(nn, v))))(x)
    np.testing.assert_allclose(ours, pull, rtol=1e-7, atol=1e-9)
    t = fgrad.tree.leaves(fgrad.jit(lambda v: f(nn, v))(fgrad.tensor(x.astype("float32"))))
    assert all(isinstance(v, fgrad.Tensor) for v in t)
    np.testing.assert_allclose(t[0].numpy(), want[0], rtol=2e-4, atol=1e-5)


def test_one_hot_of_any_axis():
    for axis in (-1, 0, 1):
        want = jax.nn.one_hot(np.array([[0, 2], [7, 1]]), 3, axis=axis)
        np.testing.assert_array_equal(nn.one_hot(np.array([[0, 2], [7, 1]]), 3, axis=axis), want)
    assert nn.one_hot(1, 3, dtype=jnp.int32).tolist() == [0, 1, 0]


def test_integers_and_numbers():
    assert nn.relu(jnp.array([-1, 2])).dtype == np.int64
    assert nn.silu(jnp.array([1])).dtype == np.float32
    assert float(nn.sigmoid(0)) == 0.5
    assert np.isneginf(np.asarray(nn.log_softmax(Z, where=M))[~M]).all()
    np.testing.assert_allclose(np.asarray(nn.log_softmax(Z, where=M))[M], np.log(np.asarray(nn.softmax(Z, where=M))[M]), rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in nn.initializers.__all__ if "_" in n and n not in ("delta_orthogonal", "truncated_normal", "variance_scaling")])
def test_initializers_have_the_spread_of_jaxs(name):
    shape = (3, 40, 50)
    want = getattr(jax.nn.initializers, name)()(jax.random.key(0), shape)
    got = getattr(nn.initializers, name)()(fgrad.random.key(0), shape)
    assert (got.shape, got.dtype) == (shape, np.float32)
    np.testing.assert_allclose(np.std(got), np.std(want), rtol=0.05)
    np.testing.assert_allclose(abs(np.asarray(got)).max(), abs(np.asarray(want)).max(), rtol=0.1)  # the largest of 2,000 draws spreads wider


def test_other_initializers():
    i, key = nn.initializers, fgrad.random.key(1)
    for shape in ((4, 6), (6, 4), (2, 3, 4)):
        q = np.asarray(i.orthogonal(2.0)(key, shape)).reshape(-1, shape[-1])
        small = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    assert i.zeros(key, (2,)).tolist() == [0, 0]
    assert i.ones(key, (2,), jnp.float64).dtype == i.constant(3.0, jnp.float64)(key, (2,)).dtype == np.float64
    assert 0 <= float(i.uniform(2.0)(key, (500,)).min()) < float(i.uniform(2.0)(key, (500,)).max()) < 2
    assert abs(float(i.truncated_normal(0.5)(key, (500,)).max())) <= 1.0
    assert float(i.normal(3.0)(key, (5000,)).std()) == pytest.approx(3, rel=0.05)
    with pytest.raises(ValueError, match="no mode"):
        i.variance_scaling(1.0, "fan", "normal")
    with pytest.raises(ValueError, match="fans"):
        i.he_normal()(key, (3,))
