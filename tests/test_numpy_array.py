"""The class ndarray: printing, promotion with numbers, immutability, conversion, the other face."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fgrad
import fgrad.numpy as jnp


def test_repr_as_jax_prints():
    assert repr(jnp.array([1.0, 2.0])) == "Array([1., 2.], dtype=float32)"
    assert repr(jnp.array([[1, 2], [3, 4]])) == "Array([[1, 2],\n       [3, 4]], dtype=int64)"
    assert repr(jnp.array(True)) == "Array(True, dtype=bool)"
    assert repr(jnp.zeros((0, 3))) == "Array([], shape=(0, 3), dtype=float32)"
    assert repr(jnp.linspace(0, 1, 9)).endswith(",\n      dtype=float32)")
    assert str(jnp.array([1, 2])) == "[1 2]"
    assert f"{jnp.array(1.5):.2f}" == "1.50"


@pytest.mark.oracle
def test_repr_equals_jax():
    jax = pytest.importorskip("jax")
    for x in (np.arange(30, dtype="float32"), np.ones((2, 3, 4), "float32"), np.float32(2.5), np.arange(2000, dtype="float32")):
        assert repr(jnp.array(x)) == repr(jax.numpy.array(x))


def test_printing_inside_jit_shows_the_type():
    seen = []
    fgrad.jit(lambda x: (seen.append(repr(x)), x)[1])(jnp.ones(3))
    assert seen == ["Array(<float32[3], being recorded>)"]


@pytest.mark.parametrize(
    ("dtype", "number", "expected"),
    [("float64", 1.5, "float64"), ("float16", 2, "float16"), ("int32", 2, "int32"), ("int32", 2.5, "float32"),
     ("bool", 1, "int64"), ("bool", 1.0, "float32"), ("uint8", 3, "uint8"), ("float32", np.float64(2), "float32")],
)  # fmt: skip
def test_a_number_takes_the_arrays_dtype_unless_its_kind_is_higher(dtype, number, expected):
    x = jnp.ones(2, dtype)
    assert (x + number).dtype == expected
    assert (number + x).dtype == expected


def test_0d_arrays_promote_like_others():
    assert (jnp.ones(2, "float32") + jnp.array(1.0, "float64")).dtype == "float64"


def test_immutable():
    x = jnp.arange(3.0)
    with pytest.raises(TypeError, match=r"x = x.at\[i\].set\(y\)"):
        x[0] = 1
    y = x
    x += 1
    assert y.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(y)[0] = 5


def test_at_family():
    x = jnp.arange(4.0)
    assert x.at[1].subtract(3.0).tolist() == [0, -2, 2, 3]
    assert x.at[1:].divide(2).tolist() == [0, 0.5, 1, 1.5]
    assert x.at[1].power(3).tolist() == [0, 1, 2, 3]
    assert x.at[2].apply(lambda v: v * 10).tolist() == [0, 1, 20, 3]
    assert x.at[jnp.array([0, 0])].add(1.0).tolist() == [2, 1, 2, 3]
    assert x.at[x > 1].max(2.5).tolist() == [0, 1, 2.5, 3]
    assert x.at[::-1].set(x).tolist() == [3, 2, 1, 0]
    with pytest.raises(ValueError, match="no index mode"):
        x.at[0].get(mode="what")


def test_numbers():
    x = jnp.array([2.0])
    assert float(x) == x.item() == 2.0
    assert int(jnp.array(3)) == 3
    assert [1, 2, 3][jnp.array(1)] == 2
    assert bool(jnp.array(0)) is False
    with pytest.raises(ValueError, match="ambiguous"):
        bool(jnp.ones(2))
    assert len(jnp.ones((2, 3))) == 2
    assert [v.tolist() for v in jnp.ones((2, 1))] == [[1], [1]]
    assert 2.0 in x


def test_pickle_and_copy():
    x = jnp.array([[1.5]])
    y = pickle.loads(pickle.dumps(x))
    assert type(y) is jnp.ndarray
    assert y.tolist() == [[1.5]]
    assert copy.deepcopy(x) is x


def test_methods_are_the_functions():
    x = jnp.arange(6.0).reshape(2, -1)
    assert x.T.shape == x.mT.shape == (3, 2)
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)
    assert x.astype("int32").dtype == "int32"
    assert x.transpose(1, 0).shape == (3, 2)
    assert x.block_until_ready() is x
    assert x.std().item() == pytest.approx(np.arange(6.0).std())
    assert x.flatten().shape == (6,)


def test_a_tensor_wins_in_a_mix_and_functions_give_arrays():
    t, x = fgrad.ones(2), jnp.ones(2)
    assert type(t + x) is type(x + t) is type(t)
    assert type(jnp.sin(t)) is jnp.ndarray
    assert type(jnp.asarray(t)) is jnp.ndarray


def test_an_array_made_of_arrays_is_recorded():
    f = fgrad.grad(lambda x: jnp.array([x, [x * 2][0], 1.0]).sum())
    assert float(f(1.0)) == 3.0


def test_branching_on_a_number_inside_jit_is_an_error_with_the_line():
    def f(x):
        if x > 0:
            return x
        return -x

    with pytest.raises(TypeError, match=r"(?s)if x > 0:.*lax.cond"):
        fgrad.jit(f)(1.0)


def test_dtypes():
    assert jnp.array([1.0], dtype=jnp.bfloat16).dtype.name == "bfloat16"
    assert jnp.zeros(2).dtype == jnp.float32
    assert jnp.array(np.ones(2)).dtype == jnp.float64
    assert jnp.zeros(2, dtype=float).dtype == jnp.float32
    assert jnp.zeros(2, dtype=fgrad.float64).dtype == jnp.float64
    with pytest.raises(TypeError, match="is not a dtype"):
        jnp.zeros(2, dtype="no")


def test_all_names_exist():
    assert len(set(jnp.__all__)) == len(jnp.__all__)
    for name in jnp.__all__:
        assert getattr(jnp, name) is not None or name == "newaxis"
