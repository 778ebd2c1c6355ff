"""Complex numbers: derivatives in JAX's convention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fgrad.numpy as fnp
from fgrad.eager.convert import as_cell
from fgrad.eager.grad import jvp, vjp
from fgrad.functions.call import compose
from fgrad.ir.operators import FUNCTIONS as F

jax = pytest.importorskip("jax")
pytestmark = pytest.mark.oracle
jnp = jax.numpy
RNG = np.random.default_rng(0)
Z = (RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))).astype("complex64")
W = (RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))).astype("complex64")
X, Y = Z.real.copy(), W.imag.copy()
CASES: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
    "real": (F["real"], jnp.real, (Z,)),
    "imag": (F["imag"], jnp.imag, (Z,)),
    "conj": (F["conj"], jnp.conj, (Z,)),
    "complex": (F["complex"], jax.lax.complex, (X, Y)),
    "abs": (F["abs"], jnp.abs, (Z,)),
    "mul": (F["mul"], jnp.multiply, (Z, W)),
    "div": (F["div"], jnp.divide, (Z, W)),
    "exp": (F["exp"], jnp.exp, (Z,)),
    "log": (F["log"], jnp.log, (Z,)),
    "sin": (F["sin"], jnp.sin, (Z,)),
    "tanh": (F["tanh"], jnp.tanh, (Z,)),
    "sqrt": (F["sqrt"], jnp.sqrt, (Z,)),
    "pow": (F["pow"], jnp.power, (Z, W)),
    "norm": (lambda z: F["reduce_sum"](F["real"](F["mul"](z, F["conj"](z))), axes=(0, 1)), lambda z: jnp.sum(jnp.real(z * jnp.conj(z))), (Z,)),
    "matmul": (lambda z, w: F["dot_general"](z, w, contract=((1,), (1,)), batch=((), ())), lambda z, w: z @ w.T, (Z, W)),
    "fft": (lambda z: F["fft"](z, axes=(0, 1), inverse=False), jnp.fft.fft2, (Z,)),
    "ifft": (lambda z: F["fft"](z, axes=(0,), inverse=True), lambda z: jnp.fft.ifft(z, axis=0), (Z,)),
    "rfft": (lambda x: F["rfft"](x, axes=(0, 1)), lambda x: jnp.fft.rfftn(x), (X,)),
    "rfft odd": (lambda x: F["rfft"](x, axes=(0,)), lambda x: jnp.fft.rfft(x, axis=0), (X,)),
    "irfft": (lambda z: F["irfft"](z, axes=(0, 1), n=6), lambda z: jnp.fft.irfftn(z, (3, 6)), (Z,)),
    "irfft odd": (lambda z: F["irfft"](z, axes=(1,), n=7), lambda z: jnp.fft.irfft(z, 7), (Z,)),
    "angle": (lambda z: F["atan2"](F["imag"](z), F["real"](z)), jnp.angle, (Z,)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_and_both_modes_agree_with_jax(name: str) -> None:
    ours, theirs, xs = CASES[name]

    def f(*cells: Any) -> Any:
        return compose(ours, *[as_cell(c) for c in cells])

    want, pull = jax.vjp(theirs, *xs)
    got, back = vjp(f, *[fnp.asarray(x) for x in xs])
    np.testing.assert_allclose(np.asarray(got), want, rtol=2e-5, atol=1e-5)
    ct = RNG.normal(size=want.shape).astype("float32")
    ct = (ct + 1j * RNG.normal(size=want.shape)).astype("complex64") if np.iscomplexobj(want) else ct
    for a, b in zip(back(fnp.asarray(ct)), pull(jnp.asarray(ct)), strict=True):
        assert np.asarray(a).dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a), b, rtol=5e-5, atol=2e-5)
    tangents = [RNG.normal(size=x.shape).astype(x.dtype) for x in xs]
    _, push = jvp(f, tuple(map(fnp.asarray, xs)), tuple(map(fnp.asarray, tangents)))
    _, expected = jax.jvp(theirs, tuple(xs), tuple(tangents))
    np.testing.assert_allclose(np.asarray(push), expected, rtol=5e-5, atol=2e-5)


def test_the_derivative_of_abs_at_0_is_0() -> None:
    _, back = vjp(lambda z: compose(F["abs"], as_cell(z)), fnp.asarray(np.zeros(2, "complex64")))
    np.testing.assert_array_equal(np.asarray(back(fnp.asarray(np.ones(2, "float32")))[0]), 0)
